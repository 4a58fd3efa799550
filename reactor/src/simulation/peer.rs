//! [`Peer`]: a client of either dialect.

use super::ftp::FtpPeer;
use super::native::NativePeer;
use super::scene::Scene;

/// A client of one dialect.
pub(super) enum Peer {
    Ftp(Box<FtpPeer>),
    Native(Box<NativePeer>),
}

impl Peer {
    pub(super) fn new(user: usize, slot: usize) -> Self {
        match slot % 2 {
            0 => Self::Ftp(Box::new(FtpPeer::new(user, slot))),
            _ => Self::Native(Box::new(NativePeer::new(user, slot))),
        }
    }

    pub(super) fn user(&self) -> usize {
        match self {
            Self::Ftp(peer) => peer.user,
            Self::Native(peer) => peer.user,
        }
    }

    pub(super) fn act(&mut self, scene: &mut Scene<'_>) -> Result<bool, String> {
        match self {
            Self::Ftp(peer) => peer.act(scene),
            Self::Native(peer) => peer.act(scene),
        }
    }

    pub(super) fn cut(&mut self, scene: &mut Scene<'_>) {
        match self {
            Self::Ftp(peer) => peer.cut(scene),
            Self::Native(peer) => peer.cut(scene),
        }
    }
}
