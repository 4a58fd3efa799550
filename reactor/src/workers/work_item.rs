//! What goes to a worker and comes home: jobs, handshakes, and transfers lent
//! for a burst.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use skiff_sessions::server::JobId;
use skiff_sessions::transfer::Burst;
use skiff_vfs::Home;

use super::burst::{Lent, shake_hands};
use super::jobs::{Order, Performed, Services, perform};
use super::open_file::OpenFile;
use super::pool::{Tools, Work};
use crate::endpoints::reload::Fresh;
use crate::tls::ftp::FtpTls;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::{ConnectionId, Socket};

/// Work for the pool.
pub(crate) enum Errand {
    Job {
        connection: ConnectionId,
        id: JobId,
        order: Box<Order>,
        services: Arc<Services>,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<Lent>,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
    },
    /// Nobody needs the file any more; closing may block.
    PutAway(OpenFile),
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
        performed: Box<Performed>,
    },
    Burst {
        connection: ConnectionId,
        lent: Box<Lent>,
        burst: Burst,
    },
    Handshake {
        connection: ConnectionId,
        socket: Socket,
        channel: Channel,
        result: io::Result<Handshake>,
    },
    /// `None` where it was refused, and the log says why.
    Reloaded(Option<Box<Fresh>>),
    Quiet,
}

impl Work for Errand {
    type Outcome = Outcome;

    fn run(self, tools: &mut Tools<'_>) -> Outcome {
        match self {
            Self::Job {
                connection,
                id,
                order,
                services,
            } => {
                let performed = Box::new(perform(tools.worker, &services, *order));
                Outcome::Job {
                    connection,
                    id,
                    performed,
                }
            }
            Self::Burst {
                connection,
                mut lent,
            } => {
                let burst = lent.run(tools);
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
                let result = shake_hands(&mut channel, tools);
                Outcome::Handshake {
                    connection,
                    socket,
                    channel,
                    result,
                }
            }
            Self::Reload { file, tickets } => {
                let fresh = Fresh::read(tools.worker, &file, tickets.as_ref());
                Outcome::Reloaded(fresh.map(Box::new))
            }
            Self::PutAway(file) => {
                drop(file);
                Outcome::Quiet
            }
            Self::Scan(home) => {
                if let Err(error) = home.scan(tools.worker) {
                    log::error!("a home could not be counted: {error}");
                }
                Outcome::Quiet
            }
            Self::Sweep(home) => {
                if let Err(error) = home.sweep(tools.worker) {
                    log::warn!("old stages could not be swept: {error}");
                }
                Outcome::Quiet
            }
        }
    }
}
