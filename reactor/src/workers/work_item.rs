//! What goes to a worker and comes home: jobs, handshakes, and transfers lent
//! for a burst.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use skiff_sessions::server::JobId;
use skiff_sessions::transfer::Burst;
use skiff_vfs::Home;

use super::burst::{LentTransfer, shake_hands};
use super::jobs::{JobRequest, JobResult, Services, perform};
use super::open_file::OpenFile;
use super::pool::{Work, WorkerContext};
use crate::endpoints::reload::Reloaded;
use crate::tls::ftp::FtpTls;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};

/// Work for the pool.
pub(crate) enum WorkItem {
    Job {
        connection: ConnectionId,
        id: JobId,
        request: Box<JobRequest>,
        services: Arc<Services>,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<LentTransfer>,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
    },
    /// Nobody needs the file any more; closing may block.
    CloseFile(OpenFile),
    /// Counts a home whose ledger was lost.
    Scan(Arc<Home>),
    /// Reads the configuration again.
    Reload {
        file: PathBuf,
        tickets: Option<FtpTls>,
    },
    /// Drops stages that are too old.
    Sweep(Arc<Home>),
}

/// What came of it.
pub(crate) enum Outcome {
    Job {
        connection: ConnectionId,
        id: JobId,
        result: Box<JobResult>,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<LentTransfer>,
        burst: Burst,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
        result: io::Result<Handshake>,
    },
    /// `None` where it was refused, and the log says why.
    Reloaded(Option<Box<Reloaded>>),
    Nothing,
}

impl Work for WorkItem {
    type Outcome = Outcome;

    fn run(self, context: &mut WorkerContext<'_>) -> Outcome {
        match self {
            Self::Job {
                connection,
                id,
                request,
                services,
            } => {
                let result = Box::new(perform(context.worker, &services, *request));
                Outcome::Job {
                    connection,
                    id,
                    result,
                }
            }
            Self::Burst {
                connection,
                mut lent,
            } => {
                let burst = lent.run(context);
                Outcome::Burst {
                    connection,
                    lent,
                    burst,
                }
            }
            Self::Handshake {
                connection,
                socket,
                mut channel,
            } => {
                let result = shake_hands(&mut channel, context);
                Outcome::Handshake {
                    connection,
                    socket,
                    channel,
                    result,
                }
            }
            Self::Reload { file, tickets } => {
                let reloaded = Reloaded::read(context.worker, &file, tickets.as_ref());
                Outcome::Reloaded(reloaded.map(Box::new))
            }
            Self::CloseFile(file) => {
                drop(file);
                Outcome::Nothing
            }
            Self::Scan(home) => {
                if let Err(error) = home.scan(context.worker) {
                    log::error!("a home could not be counted: {error}");
                }
                Outcome::Nothing
            }
            Self::Sweep(home) => {
                if let Err(error) = home.sweep(context.worker) {
                    log::warn!("old stages could not be swept: {error}");
                }
                Outcome::Nothing
            }
        }
    }
}
