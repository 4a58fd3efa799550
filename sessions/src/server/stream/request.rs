//! Opens the file or listing of a stream command: RETR, STOR, APPE, STOU, LIST, NLST, MLSD, STAT
//! with a path, SITE STAGES.

use super::{Purpose, Upload};
use crate::path::{PathArg, VirtualPath};
use crate::rights::Right;
use crate::server::context::Context;
use crate::server::continuations::AfterJob;
use crate::server::job::{Completion, DigestUpdate, Job, ListingRequest, Reading, StreamStart};
use crate::server::parameters::Port;
use crate::server::security;
use crate::server::session::State;
use crate::transfer::{End, LaneUse, Task, Until};
use crate::wire::command::{Listing, Representation, StoreStart, Via};
use crate::wire::listing::Form;
use crate::wire::reply::{DataReply, Operation, ParameterReply, Refusal, Reply};

/// A stream command whose file or listing is being opened.
pub(in crate::server) enum Request {
    File {
        from: u64,
    },
    Listing {
        via: Via,
        about: VirtualPath,
        operation: Operation,
    },
    Upload {
        announced: Option<u64>,
        name: Option<VirtualPath>,
        operation: Operation,
    },
    Unique,
}

pub(in crate::server) fn retrieve(arg: &PathArg, cx: &mut Context<'_>) -> State {
    let from = cx.shared.parameters.take_mark();
    let path = match check_prepared(from, cx).map(|()| cx.resolve(arg)) {
        Ok(Ok(path)) => path,
        Ok(Err(why)) => return cx.refuse(Operation::Retrieve, why),
        Err(reply) => return cx.conclude(reply),
    };
    let job = cx.start_job(Job::OpenDownload {
        path,
        reading: Reading::Once,
    });
    State::working(job, AfterJob::Stream(Request::File { from }))
}

pub(in crate::server) fn store(arg: &PathArg, start: StoreStart, cx: &mut Context<'_>) -> State {
    let mark = cx.shared.parameters.take_mark();
    let (operation, start) = match start {
        StoreStart::RestartMark => (Operation::Store, StreamStart::Offset(mark)),
        StoreStart::FileEnd => (Operation::Append, StreamStart::End),
    };
    let path = match check_prepared(mark, cx).map(|()| cx.resolve(arg)) {
        Ok(Ok(path)) => path,
        Ok(Err(why)) => return cx.refuse(operation, why),
        Err(reply) => return cx.conclude(reply),
    };
    open_upload(path, None, operation, start, cx)
}

/// Handles STOU; without a name, one is made up (RFC 959 section 4.1.3).
pub(in crate::server) fn store_unique(arg: Option<PathArg>, cx: &mut Context<'_>) -> State {
    cx.shared.parameters.take_mark();
    if let Err(reply) = check_prepared(0, cx) {
        return cx.conclude(reply);
    }
    let arg = arg.or_else(|| PathArg::new("upload"));
    match cx.resolve_or_cwd(arg.as_ref()) {
        Ok(path) => {
            let job = cx.start_job(Job::UniqueName { path });
            State::working(job, AfterJob::Stream(Request::Unique))
        }
        Err(why) => cx.refuse(Operation::Store, why),
    }
}

pub(in crate::server) fn list(listing: Listing, cx: &mut Context<'_>) -> State {
    cx.shared.parameters.take_mark();
    if listing.via == Via::Lane
        && let Err(reply) = check_prepared(0, cx)
    {
        return cx.conclude(reply);
    }
    let operation = match listing.form {
        Form::Machine(_) => Operation::ListDirectory,
        Form::Long | Form::Names | Form::Native => Operation::List,
    };
    match cx.place(listing.path) {
        Ok(place) => {
            let about = place.path.clone();
            let rights = cx.granted_within(&place.path).rights;
            let literal = listing.literal.and_then(|arg| cx.place(Some(arg)).ok());
            // Its parts may lead into a folder with another rule.
            let literal = literal.filter(|literal| {
                let grant = cx.granted_within(&literal.path);
                grant.rights.has(Right::List)
            });
            let job = cx.start_job(Job::OpenListing(Box::new(ListingRequest {
                place,
                literal,
                options: listing.options,
                form: cx.shared.parameters.listed_as(listing.form),
                rights,
            })));
            let request = Request::Listing {
                via: listing.via,
                about,
                operation,
            };
            State::working(job, AfterJob::Stream(request))
        }
        Err(why) => cx.refuse(operation, why),
    }
}

/// Lists the unfinished uploads in the reply itself.
pub(in crate::server) fn stages(cx: &mut Context<'_>) -> State {
    let permissions = cx.permissions();
    let job = cx.start_job(Job::OpenStages { permissions });
    let request = Request::Listing {
        via: Via::Reply,
        about: VirtualPath::root(),
        operation: Operation::List,
    };
    State::working(job, AfterJob::Stream(request))
}

/// Refuses a stream for which no data connection was prepared, or that cannot begin at `mark`.
fn check_prepared(mark: u64, cx: &Context<'_>) -> Result<(), Reply> {
    security::check_data(cx)?;
    if mark > 0 && cx.shared.parameters.representation == Representation::Ascii {
        return Err(Reply::Parameter(ParameterReply::NotInAscii));
    }
    match cx.shared.parameters.port {
        Port::None => Err(Reply::Data(DataReply::NotPrepared)),
        _ => Ok(()),
    }
}

fn open_upload(
    path: VirtualPath,
    name: Option<VirtualPath>,
    operation: Operation,
    start: StreamStart,
    cx: &mut Context<'_>,
) -> State {
    let announced = cx.shared.parameters.take_allocated();
    // ALLO counts the bytes to come, behind the mark or not, so that it is only a hint there.
    let size = match start {
        StreamStart::Offset(0) => announced,
        _ => None,
    };
    let grant = cx.granted_of(&path);
    let job = cx.start_job(Job::OpenStream {
        path,
        size,
        start,
        grant,
    });
    State::working(
        job,
        AfterJob::Stream(Request::Upload {
            announced,
            name,
            operation,
        }),
    )
}

impl Request {
    fn operation(&self) -> Operation {
        match self {
            Self::File { .. } => Operation::Retrieve,
            Self::Listing { operation, .. } | Self::Upload { operation, .. } => *operation,
            Self::Unique => Operation::Store,
        }
    }

    pub(in crate::server) fn on_completed(
        self,
        completion: Completion,
        cx: &mut Context<'_>,
    ) -> State {
        let operation = self.operation();
        match (self, completion) {
            (_, Completion::Refused(why)) => cx.refuse(operation, why),
            (Self::File { from }, Completion::Download(facts)) => {
                let size = facts.size;
                if from > size {
                    cx.close_file(DigestUpdate::None);
                    return cx.refuse(operation, Refusal::BadOffset { offset: from, size });
                }
                Purpose::File { from, size }.open(cx)
            }
            (Self::Listing { via: Via::Lane, .. }, Completion::Listing) => {
                Purpose::Listing.open(cx)
            }
            (Self::Listing { about, .. }, Completion::Listing) => list_in_reply(about, cx),
            (Self::Unique, Completion::Name(path)) => {
                let start = StreamStart::Offset(0);
                open_upload(path.clone(), Some(path), operation, start, cx)
            }
            (
                Self::Upload {
                    announced,
                    name,
                    operation,
                },
                Completion::Upload { have, name: chosen },
            ) => Purpose::Upload(Upload {
                from: have,
                announced: announced.map(|bytes| have.saturating_add(bytes)),
                name: chosen.or(name),
                operation,
            })
            .open(cx),
            _ => cx.refuse(operation, Refusal::Fault),
        }
    }
}

/// Sends the listing's lines between the first and the last line of the reply.
fn list_in_reply(about: VirtualPath, cx: &mut Context<'_>) -> State {
    cx.reply(Reply::ListingInReply { about });
    cx.begin_task(Task::SendStream {
        from: 0,
        until: Until::SourceEnd,
        form: Representation::Image,
        lane_use: LaneUse::WithReplies,
    });
    State::ListingInReply
}

pub(in crate::server) fn list_in_reply_ended(end: End, cx: &mut Context<'_>) -> State {
    cx.close_file(DigestUpdate::None);
    match end {
        End::Complete { left_out, .. } => cx.conclude(Reply::ListingEnd { hidden: left_out }),
        // Lines were sent already: only the reply's last one can end it.
        _ => cx.conclude(Reply::ListingEnd { hidden: 0 }),
    }
}
