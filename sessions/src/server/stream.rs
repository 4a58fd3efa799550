//! A transfer over a connection of its own: opened, made private, moved, ended.
//! What it is for decides what is opened before and said behind.

mod opening;
mod publishing;
mod request;

use std::time::Instant;

use super::context::Context;
use super::continuations::AfterJob;
use super::job::{CloseNotify, Completion, DigestNews, Job, LostControl, StreamEnd};
use super::parameters::Port;
use super::session::{Accepts, Effect, State};
pub(super) use opening::OpeningData;
pub(super) use publishing::Publishing;
pub(super) use request::{
    Request, list, list_in_reply_ended, retrieve, stages, store, store_unique,
};

use crate::path::VirtualPath;
use crate::transfer::{End, LaneUse, Task, Until};
use crate::wire::command::{Command, Protection, Representation};
use crate::wire::reply::{DataReply, Farewell, Operation, Refusal, Reply, UnderWay};

/// Bytes that a client hands to its system at once.
const SHORT_STREAM_MAX: u64 = 16 * 1024;

/// What the data connection is for.
pub(super) enum Purpose {
    File { from: u64, size: u64 },
    Listing,
    Upload(Upload),
}

pub(super) struct Upload {
    /// The byte of the file that comes first.
    from: u64,
    /// What ALLO announced.
    announced: Option<u64>,
    /// The name that the server chose.
    name: Option<VirtualPath>,
    operation: Operation,
}

impl Upload {
    /// Bytes that ALLO said are to come.
    fn expected(&self) -> Option<u64> {
        self.announced.map(|end| end - self.from)
    }
}

/// How the data connection is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Making {
    /// The client connects to the port that was opened for it.
    Accept,
    Connect(core::net::SocketAddr),
}

/// Which way bytes will go: only what nobody will read back gets a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    ToPeer,
    FromPeer,
}

/// When a data connection comes under TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// Before anything else.
    First,
    /// Or with the transfer, which does nothing before it: that is [`DataEvent::Deferred`], and how
    /// it fails is the transfer's `End`.
    WithTheTransfer,
}

/// What became of a data connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataEvent {
    Open,
    NotOpened,
    Secured,
    /// It comes under TLS with its transfer, and `Secured` is told when it has.
    Deferred,
    NotSecured,
    /// The operator demands that it resumes the session's TLS, and it did not.
    NotResumed,
}

/// Bytes flow.
pub(super) struct Streaming {
    purpose: Purpose,
    began: Instant,
    moved: u64,
    readiness: Readiness,
    interruption: Interruption,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// Bytes can flow.
    Ready,
    /// Its handshake was deferred.
    Handshaking,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interruption {
    None,
    /// ABOR came.
    Abort,
    /// No byte came for too long.
    Stall,
}

impl Purpose {
    fn open(self, cx: &mut Context<'_>) -> State {
        let making = match cx.shared.parameters.take_port() {
            Port::None => {
                return self.close_and_reply(Reply::Data(DataReply::NotPrepared), cx);
            }
            Port::Passive => Making::Accept,
            Port::Active(address) => Making::Connect(address),
        };
        cx.effects.push(Effect::OpenData(making));
        OpeningData::of(self)
    }

    fn preliminary(&self) -> Reply {
        match self {
            Self::File { from, size } => Reply::Sending {
                from: *from,
                size: *size,
            },
            Self::Listing => Reply::ListingFollows,
            Self::Upload(upload) => Reply::Receiving {
                from: upload.from,
                name: upload.name.clone(),
            },
        }
    }

    fn direction(&self) -> Direction {
        match self {
            Self::File { .. } | Self::Listing => Direction::ToPeer,
            Self::Upload(_) => Direction::FromPeer,
        }
    }

    /// What is prepared changes the disk, and waits. So do downloads: where eight of them took the
    /// handshake along, the longest waits of small commands beside them grew by half (tests/bench).
    fn handshake(&self) -> Handshake {
        match self {
            Self::Upload(_) if !self.is_to_be_prepared() => Handshake::WithTheTransfer,
            _ => Handshake::First,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::File { .. } => Operation::Retrieve,
            Self::Listing => Operation::List,
            Self::Upload(upload) => upload.operation,
        }
    }

    /// The connection is there and as private as it is to be.
    fn start(self, cx: &mut Context<'_>) -> State {
        match self.is_to_be_prepared() {
            true => {
                let job = cx.start_job(Job::Prepare);
                State::working(job, AfterJob::BeginStream(self))
            }
            false => self.begin(Readiness::Ready, cx),
        }
    }

    /// What is kept may have to be copied first, and that may take long.
    fn is_to_be_prepared(&self) -> bool {
        matches!(self, Self::Upload(Upload { from: 1.., .. }))
    }

    pub(super) fn on_prepared(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let why = match completion {
            Completion::Done => return self.begin(Readiness::Ready, cx),
            Completion::Refused(why) => why,
            _ => Refusal::Fault,
        };
        cx.effects.push(Effect::CloseData);
        self.fail(why, cx)
    }

    fn begin(self, readiness: Readiness, cx: &mut Context<'_>) -> State {
        let form = cx.shared.parameters.representation;
        cx.begin_task(match &self {
            Self::File { from, size } => Task::Stream {
                from: *from,
                until: Until::Offset(*size),
                form,
                lane_use: LaneUse::StreamOnly,
            },
            // Listings have their line ends already.
            Self::Listing => Task::Stream {
                from: 0,
                until: Until::SourceEnd,
                form: Representation::Image,
                lane_use: LaneUse::StreamOnly,
            },
            Self::Upload(upload) => Task::Take {
                from: upload.from,
                form,
                short: SHORT_STREAM_MAX,
            },
        });
        State::Streaming(Streaming {
            purpose: self,
            began: cx.now,
            moved: 0,
            readiness,
            interruption: Interruption::None,
        })
    }

    fn fail(self, why: Refusal, cx: &mut Context<'_>) -> State {
        let operation = self.operation();
        self.close_and_reply(Reply::Refused { operation, why }, cx)
    }

    /// The file is closed, an upload's part stays; then this is said.
    fn close_and_reply(self, reply: Reply, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(match self {
            Self::Upload(_) => Job::Suspend,
            _ => Job::CloseFile {
                digest: DigestNews::None,
            },
        });
        State::working(job, AfterJob::Reply(reply))
    }
}

impl Streaming {
    /// An ABOR under way is the last that is heard.
    pub(super) fn accepts(&self) -> Accepts {
        match self.interruption {
            Interruption::Abort => Accepts::Nothing,
            Interruption::None | Interruption::Stall => Accepts::UrgentOnly,
        }
    }

    pub(super) fn with_progress(self, moved: u64) -> Self {
        Self { moved, ..self }
    }

    pub(super) fn secured(self) -> Self {
        let readiness = Readiness::Ready;
        Self { readiness, ..self }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.readiness == Readiness::Handshaking
    }

    pub(super) fn on_command(mut self, command: &Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Abort => {
                self.interruption = Interruption::Abort;
                cx.effects.push(Effect::StopTransfer);
            }
            Command::Status => {
                let reply = progress_reply(&self.purpose, self.moved, self.began, cx);
                cx.reply(reply);
            }
            _ => cx.reply(Reply::Noop),
        }
        State::Streaming(self)
    }

    pub(super) fn on_timeout(mut self, cx: &mut Context<'_>) -> State {
        if self.interruption == Interruption::None {
            self.interruption = Interruption::Stall;
        }
        cx.effects.push(Effect::StopTransfer);
        State::Streaming(self)
    }

    /// The control connection ended with no QUIT. The upload of somebody who is
    /// known to hang up goes on.
    pub(super) fn on_peer_closed(self, cx: &mut Context<'_>) -> State {
        if matches!(self.purpose, Purpose::Upload(_)) && outlives_control(cx) {
            return State::Streaming(self);
        }
        cx.close()
    }

    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        if let End::Stored { size } = end {
            return self.stored(size, cx);
        }
        // An ABOR that came before the last byte was looked at has its way.
        if self.interruption == Interruption::Abort {
            return self.purpose.close_and_reply(Reply::Aborted, cx);
        }
        match end {
            End::Complete {
                position, left_out, ..
            } => {
                let private = cx.shared.parameters.protection == Protection::Private;
                let end = self.purpose.how_ended(position, private);
                self.complete(position, left_out, end, cx)
            }
            End::Truncated { position } => self.truncated(position, cx),
            End::Refused(why) => self.purpose.fail(why, cx),
            End::Stopped if self.interruption == Interruption::None => {
                self.purpose.close_and_reply(Reply::Stopped, cx)
            }
            End::NotSecured => self.no_data(DataReply::NotSecured, cx),
            End::NotResumed => self.no_data(DataReply::NotResumed, cx),
            _ if self.is_handshaking() => self.no_data(DataReply::NotSecured, cx),
            _ => self.no_data(DataReply::Lost, cx),
        }
    }

    fn no_data(self, why: DataReply, cx: &mut Context<'_>) -> State {
        self.purpose.close_and_reply(Reply::Data(why), cx)
    }

    fn stored(self, size: u64, cx: &mut Context<'_>) -> State {
        match self.purpose {
            Purpose::Upload(upload) => publishing::stored(upload.name, size, self.interruption, cx),
            other => other.fail(Refusal::Fault, cx),
        }
    }

    fn complete(self, position: u64, left_out: u64, end: StreamEnd, cx: &mut Context<'_>) -> State {
        match self.purpose {
            Purpose::File { size, .. } => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::StreamSent { size })
            }
            Purpose::Listing => {
                cx.close_file(DigestNews::None);
                cx.conclude(Reply::ListingDone { hidden: left_out })
            }
            Purpose::Upload(upload) => {
                let job = cx.start_job(Job::PublishStream { end });
                let moved = position.saturating_sub(upload.from);
                Publishing::begin(upload, end, moved, self.began, job)
            }
        }
    }

    /// Whole all the same where the announced size is reached to the byte, or
    /// where the operator knows a client that ends like this.
    fn truncated(self, position: u64, cx: &mut Context<'_>) -> State {
        cx.effects.push(Effect::NoCloseNotify);
        if self.purpose.announced() == Some(position) {
            return self.complete(position, 0, StreamEnd::Told, cx);
        }
        if cx.rights().close_notify == CloseNotify::Wished {
            return self.complete(position, 0, StreamEnd::Seen, cx);
        }
        let truncated = Reply::Data(DataReply::Truncated);
        self.purpose.close_and_reply(truncated, cx)
    }
}

impl Purpose {
    fn how_ended(&self, position: u64, private: bool) -> StreamEnd {
        let short = match self {
            Self::Upload(upload) => position.saturating_sub(upload.from) <= SHORT_STREAM_MAX,
            _ => true,
        };
        match private || short || self.announced() == Some(position) {
            true => StreamEnd::Told,
            false => StreamEnd::Seen,
        }
    }

    /// Where the file ends, if ALLO said so.
    fn announced(&self) -> Option<u64> {
        match self {
            Self::Upload(upload) => upload.announced,
            _ => None,
        }
    }
}

/// Whether an upload outlives its control connection; the session ends with it.
pub(super) fn outlives_control(cx: &mut Context<'_>) -> bool {
    let publishes = cx.rights().lost_control == LostControl::Publishes;
    if publishes {
        cx.shared.close_when_done = Some(Farewell::Asked);
    }
    publishes
}

fn progress_reply(purpose: &Purpose, moved: u64, began: Instant, cx: &Context<'_>) -> Reply {
    let of = match purpose {
        Purpose::File { from, size } => Some(size - from),
        Purpose::Listing => None,
        Purpose::Upload(upload) => upload.expected(),
    };
    Reply::UnderWay(UnderWay {
        moved,
        of,
        seconds: cx.now.duration_since(began).as_secs(),
    })
}
