//! Hashes large pieces of a file on a second thread while the worker moves the next ones. MD5 is
//! slower than a socket; in parallel, a transfer costs the longer of the two instead of their sum.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::digest::Running;

/// Pieces shorter than this, in bytes, are hashed in place: handing them over costs more.
const THREAD_MIN: usize = 32 * 1024;
/// Buffers that may be on their way to the thread and back.
const BUFFERS_MAX: usize = 3;

/// Where a burst may hash. Each thread that runs bursts has one of these and lends it to each
/// burst.
#[derive(Default)]
pub enum ParallelHash {
    /// Everything is hashed on the burst's own thread.
    #[default]
    Off,
    /// A hash thread is started for the first piece that is large enough.
    OnDemand,
    Thread(HashThread),
}

/// A running hash thread and its channels. The thread ends when this is dropped.
pub struct HashThread {
    requests: SyncSender<Request>,
    responses: Receiver<Response>,
    free_buffers: Vec<Vec<u8>>,
    buffers_made: usize,
}

/// A message to the hash thread. They come in this order: a digest, pieces, the request to return
/// it.
enum Request {
    Begin(Running),
    Update(Vec<u8>),
    Finish,
}

enum Response {
    Buffer(Vec<u8>),
    Digest(Running),
}

/// The digest of one burst, on the burst's thread or on the hash thread.
pub(crate) struct BurstHash<'a> {
    place: HashPlace,
    position: u64,
    parallel_hash: &'a mut ParallelHash,
}

enum HashPlace {
    /// No digest is taken.
    Off,
    Inline(Running),
    Thread,
}

impl ParallelHash {
    /// The hash thread, started if it is time to; `None` where there is to be none or none could be
    /// started.
    fn thread(&mut self) -> Option<&mut HashThread> {
        if let Self::OnDemand = self {
            *self = HashThread::start().map_or(Self::Off, Self::Thread);
        }
        match self {
            Self::Thread(thread) => Some(thread),
            Self::Off | Self::OnDemand => None,
        }
    }
}

fn run_thread(requests: &Receiver<Request>, responses: &SyncSender<Response>) {
    let mut digest = None;
    for request in requests {
        let answer = match (request, &mut digest) {
            (Request::Begin(taken), digest) => {
                *digest = Some(taken);
                continue;
            }
            (Request::Update(bytes), digest) => {
                if let Some(running) = digest {
                    running.update(&bytes);
                }
                Response::Buffer(bytes)
            }
            (Request::Finish, digest) => match digest.take() {
                Some(running) => Response::Digest(running),
                None => continue,
            },
        };
        if responses.send(answer).is_err() {
            return;
        }
    }
}

impl HashThread {
    /// Starts the thread; it ends when its channels are dropped.
    fn start() -> io::Result<Self> {
        let (requests, received) = sync_channel(BUFFERS_MAX + 2);
        let (answers, responses) = sync_channel(BUFFERS_MAX + 2);
        std::thread::Builder::new()
            .name("hash".to_owned())
            .spawn(move || run_thread(&received, &answers))?;
        Ok(Self {
            requests,
            responses,
            free_buffers: Vec::new(),
            buffers_made: 0,
        })
    }

    /// Sends a copy of `bytes`, in one of at most `BUFFERS_MAX` buffers; waits for a free one.
    fn hash(&mut self, bytes: &[u8]) {
        let mut copy = self.buffer();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.send(Request::Update(copy));
    }

    fn buffer(&mut self) -> Vec<u8> {
        while let Ok(Response::Buffer(bytes)) = self.responses.try_recv() {
            self.free_buffers.push(bytes);
        }
        if let Some(buffer) = self.free_buffers.pop() {
            return buffer;
        }
        if self.buffers_made < BUFFERS_MAX {
            self.buffers_made += 1;
            return Vec::new();
        }
        match self.responses.recv() {
            Ok(Response::Buffer(bytes)) => bytes,
            _ => Vec::new(),
        }
    }

    fn take_digest(&mut self) -> Option<Running> {
        self.send(Request::Finish);
        loop {
            match self.responses.recv() {
                Ok(Response::Buffer(bytes)) => self.free_buffers.push(bytes),
                Ok(Response::Digest(running)) => return Some(running),
                Err(_) => return None,
            }
        }
    }

    /// Sending does not fail: the thread lives as long as its channels.
    fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }
}

impl<'a> BurstHash<'a> {
    pub(crate) fn new(digest: Option<Running>, parallel_hash: &'a mut ParallelHash) -> Self {
        let position = digest.as_ref().map_or(0, Running::position);
        let place = digest.map_or(HashPlace::Off, HashPlace::Inline);
        Self {
            place,
            position,
            parallel_hash,
        }
    }

    /// The offset of the next byte to hash.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Adds the next bytes of the file.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if matches!(self.place, HashPlace::Off) {
            return;
        }
        self.position += bytes.len() as u64;
        let is_on_thread = matches!(self.place, HashPlace::Thread);
        if (is_on_thread || bytes.len() >= THREAD_MIN)
            && let Some(thread) = self.parallel_hash.thread()
        {
            if let HashPlace::Inline(running) =
                std::mem::replace(&mut self.place, HashPlace::Thread)
            {
                thread.send(Request::Begin(running));
            }
            thread.hash(bytes);
        } else if let HashPlace::Inline(running) = &mut self.place {
            running.update(bytes);
        }
    }

    /// Adds those of `bytes`, which begin at `offset`, that were not hashed yet: a byte that is
    /// read twice (because it could not be sent at once) counts once.
    pub(crate) fn update_at(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.position.saturating_sub(offset).min(bytes.len() as u64);
        if known < bytes.len() as u64 {
            self.update(&bytes[known as usize..]);
        }
    }

    /// The digest with all pieces in it; `None` where none is taken or the thread has died.
    pub(crate) fn finish(self) -> Option<Running> {
        match (self.place, self.parallel_hash) {
            (HashPlace::Inline(running), _) => Some(running),
            (HashPlace::Thread, ParallelHash::Thread(thread)) => thread.take_digest(),
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
        let mut threaded = ParallelHash::OnDemand;
        for parallel_hash in [&mut threaded, &mut ParallelHash::Off] {
            let mut digest = Some(Running::new(Algorithm::Md5));
            let mut at = 0;
            for (turn, size) in [100_000, 10, 40_000, 300_000, 1, 90_000]
                .into_iter()
                .cycle()
                .enumerate()
            {
                let mut hash = BurstHash::new(digest.take(), parallel_hash);
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
        assert!(matches!(threaded, ParallelHash::Thread(_)));
    }

    #[test]
    fn small_portions_start_no_companion() {
        let mut parallel_hash = ParallelHash::OnDemand;
        let mut hash = BurstHash::new(Some(Running::new(Algorithm::Md5)), &mut parallel_hash);
        hash.update(&[7; THREAD_MIN - 1]);
        assert_eq!(
            hash.finish().unwrap().sum(),
            Algorithm::Md5.of(&[7; THREAD_MIN - 1])
        );
        assert!(matches!(parallel_hash, ParallelHash::OnDemand));
    }

    #[test]
    fn without_a_digest_nothing_is_counted() {
        let mut parallel_hash = ParallelHash::OnDemand;
        let mut hash = BurstHash::new(None, &mut parallel_hash);
        hash.update(&[0; 100_000]);
        assert_eq!(hash.position(), 0);
        assert!(hash.finish().is_none());
    }
}
