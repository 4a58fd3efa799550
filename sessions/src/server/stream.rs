//! Transfers over a data connection of their own (RFC 959 section 3): opened, put under TLS, moved,
//! ended.

mod opening;
mod publishing;
mod readying;
mod request;
mod unconfirmed;

use std::time::{Duration, Instant};

use super::context::Context;
use super::continuations::AfterJob;
use super::dialect_rules::Privacy;
use super::job::{Completion, DigestUpdate, Evidence, Job, KeptBecause};
use super::parameters::Port;
use super::session::{Accepts, Effect, State};
use super::terms::{CloseNotify, LostControl};
pub(super) use opening::OpeningData;
pub(super) use publishing::Publishing;
pub(super) use readying::{Readying, Watched};
pub(super) use request::{
    Request, list, list_in_reply_ended, retrieve, stages, store, store_unique,
};
pub(super) use unconfirmed::{CONTROL_GRACE, Unconfirmed};

use crate::path::VirtualPath;
use crate::transfer::{AtEnd, End, LaneUse, Task, Until};
use crate::wire::command::{Command, Protection, Representation};
use crate::wire::reply::{CloseReason, DataReply, Operation, Refusal, Reply, Truncation, UnderWay};

/// How surely an upload that came as a stream is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StreamEnd {
    /// It is complete: TLS closed it, or the announced size was reached.
    Confirmed,
    /// The TCP connection ended, as it also does when its client is killed.
    Unconfirmed,
}

/// What the data connection is for.
pub(super) enum Purpose {
    File { from: u64, size: u64 },
    Listing,
    Upload(Upload),
}

/// An upload as a stream.
pub(super) struct Upload {
    /// The file offset of the first byte to come.
    from: u64,
    /// The file's size that ALLO announced.
    announced: Option<u64>,
    /// The name that the server chose (STOU).
    name: Option<VirtualPath>,
    operation: Operation,
}

impl Upload {
    /// Bytes to come, as ALLO announced.
    fn expected(&self) -> Option<u64> {
        self.announced.map(|end| end - self.from)
    }
}

/// How the data connection is opened: passive or active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataMode {
    /// The client connects to the port that was opened for it (PASV, EPSV).
    Accept,
    /// The server connects to this address (PORT, EPRT).
    Connect(core::net::SocketAddr),
}

/// The direction of a transfer's bytes. The TLS handshake sends a session ticket only where the
/// peer will read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    ToPeer,
    FromPeer,
}

/// When the TLS handshake of a data connection is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeTiming {
    /// Before the transfer.
    BeforeTransfer,
    /// By the worker that runs the transfer, if the reactor chooses so: it answers
    /// [`DataEvent::Deferred`], and a failure is the transfer's `End`.
    WithTransfer,
}

/// What happened to a data connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataEvent {
    Open,
    NotOpened,
    Secured,
    /// The handshake is left to the transfer; `Secured` follows when it is done.
    Deferred,
    NotSecured,
    /// The handshake did not resume the control connection's TLS session, as the operator demands.
    NotResumed,
}

/// A stream under way.
pub(super) struct Streaming {
    purpose: Purpose,
    began: Instant,
    moved: u64,
    readiness: Readiness,
    interruption: Interruption,
    control: Control,
}

/// Whether the client can still say something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Open,
    /// The control connection ended; the upload goes on.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// Bytes can be moved.
    Ready,
    /// The TLS handshake was left to the transfer and is not done.
    Handshaking,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interruption {
    None,
    /// ABOR came.
    Abort,
    /// No byte was moved for too long.
    Stall,
}

impl Purpose {
    fn open(self, cx: &mut Context<'_>) -> State {
        let mode = match cx.shared.parameters.take_port() {
            Port::None => {
                let reply = Reply::Data(DataReply::NotPrepared);
                return self.close_and_reply(reply, KeptBecause::DataLost, cx);
            }
            Port::Passive => DataMode::Accept,
            Port::Active(address) => DataMode::Connect(address),
        };
        cx.effects.push(Effect::OpenData(mode));
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

    /// Uploads that need no preparation may do the handshake with the transfer. Preparing changes
    /// the disk, so it waits for the handshake. So do downloads: where eight of them did it with
    /// the transfer, the longest waits of small commands beside them grew by half (tests/bench).
    fn handshake(&self) -> HandshakeTiming {
        match self {
            Self::Upload(_) if !self.is_to_be_prepared() => HandshakeTiming::WithTransfer,
            _ => HandshakeTiming::BeforeTransfer,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::File { .. } => Operation::Retrieve,
            Self::Listing => Operation::List,
            Self::Upload(upload) => upload.operation,
        }
    }

    /// Begins the transfer, or its preparation: the connection is open and under TLS where it must
    /// be.
    fn start(self, cx: &mut Context<'_>) -> State {
        match self.is_to_be_prepared() {
            true => {
                let job = cx.start_job(Job::Prepare);
                State::working(job, AfterJob::BeginStream(self))
            }
            false => self.begin(Readiness::Ready, cx),
        }
    }

    /// Whether the upload keeps bytes of the file, which may have to be copied first.
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
            Self::File { from, size } => Task::SendStream {
                from: *from,
                until: Until::Offset(*size),
                form,
                lane_use: LaneUse::StreamOnly,
            },
            // A listing has its line ends already.
            Self::Listing => Task::SendStream {
                from: 0,
                until: Until::SourceEnd,
                form: Representation::Image,
                lane_use: LaneUse::StreamOnly,
            },
            Self::Upload(upload) => Task::ReceiveStream {
                from: upload.from,
                announced: upload.announced,
                form,
                at_end: match cx.shared.parameters.protection {
                    Protection::Private => AtEnd::Publish,
                    Protection::Clear => AtEnd::MakeReady,
                },
            },
        });
        State::Streaming(Streaming {
            purpose: self,
            began: cx.now,
            moved: 0,
            readiness,
            interruption: Interruption::None,
            control: Control::Open,
        })
    }

    fn fail(self, why: Refusal, cx: &mut Context<'_>) -> State {
        let operation = self.operation();
        let job = self.closing_job(Job::close_refused_upload(why));
        let job = cx.start_job(job);
        State::working(job, AfterJob::Reply(Reply::Refused { operation, why }))
    }

    /// Closes the file, keeps an upload's stage, and then replies.
    fn close_and_reply(self, reply: Reply, cause: KeptBecause, cx: &mut Context<'_>) -> State {
        let job = cx.start_job(self.closing_job(Job::Suspend { cause }));
        State::working(job, AfterJob::Reply(reply))
    }

    /// The job that closes the file: `upload` for an upload.
    fn closing_job(&self, upload: Job) -> Job {
        match self {
            Self::Upload(_) => upload,
            Self::File { .. } | Self::Listing => Job::CloseFile {
                digest: DigestUpdate::None,
            },
        }
    }
}

impl Streaming {
    /// Which lines are taken: none after ABOR.
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

    /// Handles the end of the control connection without QUIT: an upload may go on.
    pub(super) fn on_peer_closed(self, cx: &mut Context<'_>) -> State {
        if matches!(self.purpose, Purpose::Upload(_)) {
            if outlives_control(cx) {
                let control = Control::Ended;
                return State::Streaming(Self { control, ..self });
            }
            cx.effects
                .push(Effect::Interrupted(KeptBecause::ControlLost));
        }
        cx.close()
    }

    pub(super) fn on_end(self, end: End, cx: &mut Context<'_>) -> State {
        if let End::Stored { size } = end {
            return self.stored(size, cx);
        }
        // An ABOR that came before the end was handled wins.
        if self.interruption == Interruption::Abort {
            return self
                .purpose
                .close_and_reply(Reply::Aborted, KeptBecause::ByClient, cx);
        }
        match end {
            End::Complete {
                position, left_out, ..
            } => {
                let private = cx.shared.parameters.protection == Protection::Private;
                let end = self.purpose.how_ended(position, private);
                self.complete(position, left_out, end, cx)
            }
            End::Ready { position, grace } => match self.purpose {
                Purpose::Upload(upload) => upload.ready(position, grace, self.began, cx),
                other => other.fail(Refusal::Fault, cx),
            },
            End::Truncated { position } => self.truncated(position, cx),
            End::Refused(why) => self.purpose.fail(why, cx),
            End::Stopped if self.interruption == Interruption::None => self
                .purpose
                .close_and_reply(Reply::Stopped, KeptBecause::ByServer, cx),
            End::NotSecured => self.no_data(DataReply::NotSecured, cx),
            End::NotResumed => self.no_data(DataReply::NotResumed, cx),
            _ if self.is_handshaking() => self.no_data(DataReply::NotSecured, cx),
            End::LaneLost if self.is_private_upload(cx) => self.purpose.keep(Truncation::Reset, cx),
            _ => self.no_data(DataReply::Lost, cx),
        }
    }

    fn is_private_upload(&self, cx: &Context<'_>) -> bool {
        matches!(self.purpose, Purpose::Upload(_))
            && self.interruption == Interruption::None
            && cx.shared.parameters.protection == Protection::Private
    }

    fn no_data(self, why: DataReply, cx: &mut Context<'_>) -> State {
        let cause = match self.interruption {
            Interruption::Stall => KeptBecause::Stalled,
            Interruption::None | Interruption::Abort => KeptBecause::DataLost,
        };
        self.purpose.close_and_reply(Reply::Data(why), cause, cx)
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
                cx.close_file(DigestUpdate::None);
                cx.conclude(Reply::StreamSent { size })
            }
            Purpose::Listing => {
                cx.close_file(DigestUpdate::None);
                cx.conclude(Reply::ListingDone { hidden: left_out })
            }
            Purpose::Upload(upload) => upload.end(position, end, self.began, cx),
        }
    }

    /// Handles an upload without close_notify: it is complete where the announced size is reached
    /// exactly, or where the operator allows such an end.
    fn truncated(self, position: u64, cx: &mut Context<'_>) -> State {
        let is_control_private = cx.shared.setup.dialect_rules.privacy == Privacy::Private;
        let is_client_there = self.control == Control::Open && is_control_private;
        let is_announced = self.purpose.announced() == Some(position);
        let began = self.began;
        match (self.purpose, cx.stream_rules().close_notify) {
            (Purpose::Upload(upload), _) if is_announced => {
                let evidence = Effect::NoCloseNotify(Evidence::AnnouncedSize);
                cx.effects.push(evidence);
                upload.publish(position, began, cx)
            }
            (Purpose::Upload(upload), CloseNotify::Optional) => {
                cx.effects.push(Effect::NoCloseNotify(Evidence::None));
                upload.end(position, StreamEnd::Unconfirmed, began, cx)
            }
            (Purpose::Upload(upload), CloseNotify::Preferred) if is_client_there => {
                Unconfirmed::begin(upload, position, began)
            }
            (purpose, CloseNotify::Required) => purpose.keep(Truncation::Required, cx),
            (purpose, CloseNotify::Preferred | CloseNotify::Optional) => {
                purpose.keep(Truncation::ControlEnded, cx)
            }
        }
    }
}

impl Upload {
    /// Goes on after the end of the stream, whose file ends at `position`. The control connection
    /// of a client that was killed ends with its data connection: where nothing else tells that the
    /// upload is complete, it is watched for a moment.
    fn end(self, position: u64, end: StreamEnd, began: Instant, cx: &mut Context<'_>) -> State {
        let is_watched = cx.stream_rules().lost_control == LostControl::SuspendUpload;
        match end {
            StreamEnd::Unconfirmed if is_watched => {
                let moved = position.saturating_sub(self.from);
                Readying::begin(self, moved, began, cx)
            }
            StreamEnd::Unconfirmed | StreamEnd::Confirmed => self.publish(position, began, cx),
        }
    }

    /// Goes on after the end of a stream in clear, whose file ends at `position` and needs nothing
    /// but its name.
    fn ready(self, position: u64, grace: Duration, began: Instant, cx: &mut Context<'_>) -> State {
        let moved = position.saturating_sub(self.from);
        let is_announced = self.announced == Some(position);
        match cx.stream_rules().lost_control {
            LostControl::SuspendUpload if !is_announced => {
                Watched::begin(self, moved, began, cx.now + grace, cx)
            }
            _ => Publishing::begin(self, moved, began, cx),
        }
    }

    /// Publishes the upload, whose file ends at `position`.
    fn publish(self, position: u64, began: Instant, cx: &mut Context<'_>) -> State {
        let moved = position.saturating_sub(self.from);
        Publishing::begin(self, moved, began, cx)
    }
}

impl Purpose {
    /// Keeps an upload without close_notify, and says why it is not published.
    fn keep(self, why: Truncation, cx: &mut Context<'_>) -> State {
        let reply = Reply::Data(DataReply::Truncated(why));
        self.close_and_reply(reply, KeptBecause::NoCloseNotify(why), cx)
    }

    /// How surely an upload that ended at `position` is complete. In clear, the end of a short one
    /// proves no more than that of a long one: its client may have been killed before it sent more.
    fn how_ended(&self, position: u64, private: bool) -> StreamEnd {
        match private || self.announced() == Some(position) {
            true => StreamEnd::Confirmed,
            false => StreamEnd::Unconfirmed,
        }
    }

    /// The file's size, if ALLO announced it.
    fn announced(&self) -> Option<u64> {
        match self {
            Self::Upload(upload) => upload.announced,
            _ => None,
        }
    }
}

/// Whether an upload goes on without its control connection; if so, the session closes when it
/// ends.
pub(super) fn outlives_control(cx: &mut Context<'_>) -> bool {
    let publishes = cx.stream_rules().lost_control == LostControl::PublishUpload;
    if publishes {
        cx.shared.close_when_done = Some(CloseReason::Asked);
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
