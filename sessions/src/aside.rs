//! A companion thread that hashes portions while its owner moves the next ones.
//! MD5 is slower than a socket; beside it, a transfer costs the longer of the
//! two instead of their sum.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::digest::Running;

/// Below this a portion is hashed where it is: handing it over costs more.
const WORTH_IT: usize = 32 * 1024;
/// Portions on their way at most.
const BUFFERS: usize = 3;

/// Lent to a burst, one for each thread that runs bursts.
#[derive(Default)]
pub enum Aside {
    /// No companion: everything is hashed in place.
    #[default]
    InPlace,
    /// A companion is started for the first portion that is worth one.
    WhenNeeded,
    Thread(Companion),
}

pub struct Companion {
    to: SyncSender<Errand>,
    back: Receiver<Back>,
    spares: Vec<Vec<u8>>,
    buffers: usize,
}

/// To the companion, in this order: a digest, portions, the wish to have it back.
enum Errand {
    Take(Running),
    Portion(Vec<u8>),
    Give,
}

enum Back {
    Buffer(Vec<u8>),
    Digest(Running),
}

/// One burst's digest: with its owner, or with the companion.
pub(crate) struct Hash<'a> {
    place: Place,
    position: u64,
    aside: &'a mut Aside,
}

enum Place {
    /// Nothing is hashed.
    Nowhere,
    Here(Running),
    Aside,
}

impl Aside {
    /// The companion, if there is to be one; without a thread to be had, there is none.
    fn companion(&mut self) -> Option<&mut Companion> {
        if let Self::WhenNeeded = self {
            *self = Companion::start().map_or(Self::InPlace, Self::Thread);
        }
        match self {
            Self::Thread(companion) => Some(companion),
            Self::InPlace | Self::WhenNeeded => None,
        }
    }
}

fn serve(errands: &Receiver<Errand>, back: &SyncSender<Back>) {
    let mut digest = None;
    for errand in errands {
        let answer = match (errand, &mut digest) {
            (Errand::Take(taken), digest) => {
                *digest = Some(taken);
                continue;
            }
            (Errand::Portion(bytes), digest) => {
                if let Some(running) = digest {
                    running.update(&bytes);
                }
                Back::Buffer(bytes)
            }
            (Errand::Give, digest) => match digest.take() {
                Some(running) => Back::Digest(running),
                None => continue,
            },
        };
        if back.send(answer).is_err() {
            return;
        }
    }
}

impl Companion {
    /// It ends when this is dropped.
    fn start() -> io::Result<Self> {
        let (to, errands) = sync_channel(BUFFERS + 2);
        let (from, back) = sync_channel(BUFFERS + 2);
        std::thread::Builder::new()
            .name("hash".to_owned())
            .spawn(move || serve(&errands, &from))?;
        Ok(Self {
            to,
            back,
            spares: Vec::new(),
            buffers: 0,
        })
    }

    /// A copy goes; there are never more than `BUFFERS` of them.
    fn hash(&mut self, bytes: &[u8]) {
        let mut copy = self.buffer();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.send(Errand::Portion(copy));
    }

    fn buffer(&mut self) -> Vec<u8> {
        while let Ok(Back::Buffer(bytes)) = self.back.try_recv() {
            self.spares.push(bytes);
        }
        if let Some(spare) = self.spares.pop() {
            return spare;
        }
        if self.buffers < BUFFERS {
            self.buffers += 1;
            return Vec::new();
        }
        match self.back.recv() {
            Ok(Back::Buffer(bytes)) => bytes,
            _ => Vec::new(),
        }
    }

    fn give_back(&mut self) -> Option<Running> {
        self.send(Errand::Give);
        loop {
            match self.back.recv() {
                Ok(Back::Buffer(bytes)) => self.spares.push(bytes),
                Ok(Back::Digest(running)) => return Some(running),
                Err(_) => return None,
            }
        }
    }

    /// The companion lives as long as its channels do.
    fn send(&self, errand: Errand) {
        let _ = self.to.send(errand);
    }
}

impl<'a> Hash<'a> {
    pub(crate) fn new(digest: Option<Running>, aside: &'a mut Aside) -> Self {
        let position = digest.as_ref().map_or(0, Running::position);
        let place = digest.map_or(Place::Nowhere, Place::Here);
        Self {
            place,
            position,
            aside,
        }
    }

    /// The offset of the next byte it wants.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes of the file.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if matches!(self.place, Place::Nowhere) {
            return;
        }
        self.position += bytes.len() as u64;
        let is_aside = matches!(self.place, Place::Aside);
        if (is_aside || bytes.len() >= WORTH_IT)
            && let Some(companion) = self.aside.companion()
        {
            if let Place::Here(running) = std::mem::replace(&mut self.place, Place::Aside) {
                companion.send(Errand::Take(running));
            }
            companion.hash(bytes);
        } else if let Place::Here(running) = &mut self.place {
            running.update(bytes);
        }
    }

    /// Takes what is new of `bytes`, which begin at `offset`: a byte that is
    /// read twice (because it could not be sent at once) counts once.
    pub(crate) fn update_at(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.position.saturating_sub(offset).min(bytes.len() as u64);
        if known < bytes.len() as u64 {
            self.update(&bytes[known as usize..]);
        }
    }

    /// The digest, with all portions in it.
    pub(crate) fn finish(self) -> Option<Running> {
        match (self.place, self.aside) {
            (Place::Here(running), _) => Some(running),
            (Place::Aside, Aside::Thread(companion)) => companion.give_back(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn portions_aside_and_in_place_come_to_the_same() {
        let data: Vec<u8> = (0..1_000_000u32).map(|n| (n / 7) as u8).collect();
        let mut threaded = Aside::WhenNeeded;
        for aside in [&mut threaded, &mut Aside::InPlace] {
            let mut digest = Some(Running::new(Algorithm::Md5));
            let mut at = 0;
            for (turn, size) in [100_000, 10, 40_000, 300_000, 1, 90_000]
                .into_iter()
                .cycle()
                .enumerate()
            {
                let mut hash = Hash::new(digest.take(), aside);
                let end = (at + size).min(data.len());
                hash.update_at(
                    at.saturating_sub(5) as u64,
                    &data[at.saturating_sub(5)..end],
                );
                if turn % 2 == 0 {
                    hash.update_at(at as u64, &data[at..end]);
                }
                assert_eq!(hash.position(), end as u64);
                digest = hash.finish();
                at = end;
                if at == data.len() {
                    break;
                }
            }
            assert_eq!(digest.unwrap().sum(), Algorithm::Md5.of(&data));
        }
        assert!(matches!(threaded, Aside::Thread(_)));
    }

    #[test]
    fn small_portions_start_no_companion() {
        let mut aside = Aside::WhenNeeded;
        let mut hash = Hash::new(Some(Running::new(Algorithm::Md5)), &mut aside);
        hash.update(&[7; WORTH_IT - 1]);
        assert_eq!(
            hash.finish().unwrap().sum(),
            Algorithm::Md5.of(&[7; WORTH_IT - 1])
        );
        assert!(matches!(aside, Aside::WhenNeeded));
    }

    #[test]
    fn without_a_digest_nothing_is_counted() {
        let mut aside = Aside::WhenNeeded;
        let mut hash = Hash::new(None, &mut aside);
        hash.update(&[0; 100_000]);
        assert_eq!(hash.position(), 0);
        assert!(hash.finish().is_none());
    }
}
