//! What the machine itself allows: loopback, sendfile, cipher, digests, the disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Instant;

use md5::{Digest, Md5};
use rustix::time::{ClockId, clock_gettime};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ContentType, ProtocolVersion, SupportedCipherSuite};
use sha2::Sha256;

use crate::args::Args;
use crate::bulk::{noise, same};
use crate::stream::CHUNK;
use crate::{LoadError, Result, gate, tls};

/// Bytes that a server which copies reads at a time.
const COPIED: usize = 128 * 1024;

/// `bytes=` from memory over loopback TCP, and what each end pays for it.
pub(crate) fn loopback(args: &Args) -> Result<()> {
    let bytes = args.number("bytes")?;
    let chunk = noise();
    over_loopback(bytes, 1, |mut socket| {
        let mut rest = bytes;
        while rest > 0 {
            let count = rest.min(CHUNK as u64);
            socket.write_all(&chunk[..count as usize])?;
            rest -= count;
        }
        Ok(())
    })
}

/// `bytes=` of `path=`, which should be in the page cache, over each of `streams=` connections
/// by sendfile(2).
pub(crate) fn sendfile(args: &Args) -> Result<()> {
    let (file, streams) = (File::open(args.path("path")?)?, args.number("streams")?);
    let (bytes, size) = (args.number("bytes")?, file.metadata()?.len());
    over_loopback(bytes, streams, |socket| {
        let (mut rest, mut at) = (bytes, 0);
        while rest > 0 {
            let count = rest.min(1 << 20).min(size - at) as usize;
            let sent = rustix::fs::sendfile(&socket, &file, Some(&mut at), count)
                .map_err(io::Error::from)?;
            rest -= sent as u64;
            at %= size;
        }
        Ok(())
    })
}

/// The same by read(2) and write(2).
pub(crate) fn copy(args: &Args) -> Result<()> {
    let (file, streams) = (File::open(args.path("path")?)?, args.number("streams")?);
    let (bytes, size) = (args.number("bytes")?, file.metadata()?.len());
    over_loopback(bytes, streams, |mut socket| {
        let (mut rest, mut at, mut buffer) = (bytes, 0, vec![0; COPIED]);
        while rest > 0 {
            let most = rest.min(COPIED as u64) as usize;
            let count = file.read_at(&mut buffer[..most], at)?;
            socket.write_all(&buffer[..count])?;
            rest -= count as u64;
            at = (at + count as u64) % size;
        }
        Ok(())
    })
}

/// AES-128-GCM as TLS 1.3 records of 16 KiB, by the library that skiffd uses, on one core.
pub(crate) fn aes(args: &Args) -> Result<()> {
    let bytes: u64 = args.number("bytes")?;
    let SupportedCipherSuite::Tls13(suite) = tls::SUITE else {
        return Err(LoadError::Usage("the cipher is one of TLS 1.3".to_owned()));
    };
    let (key, iv) = tls::record_key()?;
    let mut cipher = suite.aead_alg.encrypter(key, iv);
    let record = &noise()[..16 * 1024];
    timed(bytes, record.len(), |sequence| {
        let message = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(record),
        };
        std::hint::black_box(cipher.encrypt(message, sequence)?);
        Ok(())
    })
}

/// `algorithm=md5|sha256` of `bytes=` in memory, by the library that skiffd uses, on one core.
pub(crate) fn digest(args: &Args) -> Result<()> {
    match args.text("algorithm")? {
        "md5" => digested::<Md5>(args.number("bytes")?),
        "sha256" => digested::<Sha256>(args.number("bytes")?),
        other => Err(LoadError::Usage(format!("{other}: md5 or sha256"))),
    }
}

/// `bytes=` written to a file in `dir=` and synced; and small files, each synced, renamed, and its
/// directory synced.
pub(crate) fn fsync(args: &Args) -> Result<()> {
    let (bytes, count): (u64, u32) = (args.number("bytes")?, args.number("count")?);
    let dir = args.path("dir")?;
    let (chunk, path) = (noise(), dir.join("fsync-limit"));
    let begin = Instant::now();
    let mut file = File::create(&path)?;
    for _ in 0..bytes / CHUNK as u64 {
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let big = begin.elapsed().as_secs_f64();
    let (begin, folder) = (Instant::now(), File::open(&dir)?);
    for _ in 0..count {
        let mut file = File::create(dir.join("fsync-small"))?;
        file.write_all(&chunk[..4096])?;
        file.sync_all()?;
        fs::rename(dir.join("fsync-small"), &path)?;
        folder.sync_all()?;
    }
    let small = begin.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    gate::tell(&[
        ("bytes", bytes as f64),
        ("seconds", big),
        ("files_per_second", f64::from(count) / small),
    ]);
    Ok(())
}

fn digested<D: Digest>(bytes: u64) -> Result<()> {
    let (chunk, mut digest) = (noise(), D::new());
    timed(bytes, chunk.len(), |_| {
        digest.update(&chunk);
        Ok(())
    })?;
    std::hint::black_box(digest.finalize());
    Ok(())
}

/// Does steps of `step` bytes until there are `bytes`.
fn timed(bytes: u64, step: usize, mut work: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let (begin, cpu, steps) = (Instant::now(), thread_cpu(), bytes / step as u64);
    (0..steps).try_for_each(&mut work)?;
    gate::tell(&[
        ("bytes", (steps * step as u64) as f64),
        ("seconds", begin.elapsed().as_secs_f64()),
        ("cpu", thread_cpu() - cpu),
    ]);
    Ok(())
}

/// On each of some connections `send` of `bytes` at one end, read(2) at the other, each end on a
/// thread of its own.
fn over_loopback(
    bytes: u64,
    streams: u64,
    send: impl Fn(TcpStream) -> Result<()> + Sync,
) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let begin = Instant::now();
    let send = || clocked(|| send(listener.accept()?.0));
    let receive = || {
        clocked(|| {
            same(
                "bytes over loopback",
                count(TcpStream::connect(address)?)?,
                bytes,
            )
        })
    };
    let (sent, received) = thread::scope(|scope| {
        let pairs = (0..streams).map(|_| (scope.spawn(send), scope.spawn(receive)));
        let mut sum = (0.0, 0.0);
        for (sender, receiver) in pairs.collect::<Vec<_>>() {
            sum.0 += sender.join().unwrap_or(Err(LoadError::Panicked))?;
            sum.1 += receiver.join().unwrap_or(Err(LoadError::Panicked))?;
        }
        Ok::<_, LoadError>(sum)
    })?;
    gate::tell(&[
        ("bytes", (bytes * streams) as f64),
        ("seconds", begin.elapsed().as_secs_f64()),
        ("cpu", sent),
        ("cpu_receiver", received),
    ]);
    Ok(())
}

/// CPU seconds of `work` on this thread.
fn clocked(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = thread_cpu();
    work()?;
    Ok(thread_cpu() - before)
}

fn count(mut socket: TcpStream) -> Result<u64> {
    let (mut buffer, mut got) = (vec![0; CHUNK], 0);
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(got),
            count => got += count as u64,
        }
    }
}

/// CPU seconds of this thread.
fn thread_cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
