//! Publishes a short upload on the thread that received its last byte, or makes it ready for that:
//! another trip to a worker costs more than the rename.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use skiff_sessions::transfer::End;
use skiff_vfs::{Upload, Worker};

use super::client_watch::grace;
use super::open_file::OpenFile;
use super::refusal::refusal;

/// Publishes an upload whose bytes have all arrived; `None` leaves the file in place for a job of
/// its own (it must be synced, or the client has said something). `control` is the client's control
/// connection.
pub(crate) fn publish_short(
    worker: &Worker,
    file: &mut Option<OpenFile>,
    control: &TcpStream,
    stop: &Arc<AtomicBool>,
) -> Option<End> {
    match file.take() {
        Some(OpenFile::Upload(upload)) if !upload.is_to_be_synced() && has_no_input(control) => {
            Some(publish(worker, *upload, Arc::clone(stop)))
        }
        other => {
            *file = other;
            None
        }
    }
}

/// Makes an upload, whose bytes have all arrived and which ends at `position`, ready to be
/// published; `None` leaves it to a job of its own, as it must be synced.
pub(crate) fn ready_short(
    worker: &Worker,
    file: &mut Option<OpenFile>,
    position: u64,
) -> Option<End> {
    match file.take() {
        Some(OpenFile::Upload(mut upload)) if !upload.is_to_be_synced() => {
            let ready = upload.make_ready(worker);
            let grace = grace(&upload);
            match ready {
                Ok(()) => *file = Some(OpenFile::Upload(upload)),
                Err(error) => return Some(End::Refused(refusal(&error))),
            }
            Some(End::Ready { position, grace })
        }
        other => {
            *file = other;
            None
        }
    }
}

fn publish(worker: &Worker, mut upload: Upload, stop: Arc<AtomicBool>) -> End {
    upload.set_stop_flag(stop);
    match upload.publish(worker, None, None) {
        Ok(published) => End::Stored {
            size: published.size,
        },
        Err(error) => End::Refused(refusal(&error)),
    }
}

/// True if the control connection is open and has no unread input. ABOR, or the end of a client
/// that broke off, must be handled before the upload is published.
fn has_no_input(control: &TcpStream) -> bool {
    let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(control, &mut [0; 1], peek).err() == Some(Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream as Blocking};
    use std::path::Path;
    use std::sync::atomic::Ordering;

    use skiff_sessions::wire::reply::Refusal;
    use skiff_vfs::{
        Append, Durability, Homes, Kept, Limit, Policy, Replace, Start, UploadRequest, UploadStart,
    };

    use super::*;

    /// What becomes of an upload of one byte after `client` did something.
    fn ended(durability: Durability, client: fn(&mut Blocking, &AtomicBool)) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = Blocking::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        client(&mut peer, &stop);
        let root = folder.path().join("home");
        let state = folder.path().join("state");
        for made in [&root, &state] {
            fs::create_dir(made).unwrap();
        }
        let name = root.join("name");
        let work = move |worker: &Worker| {
            let policy = Policy {
                durability,
                ..Policy::default()
            };
            let mut file = Some(an_upload(worker, &Homes::new(state, policy), &root));
            let control = TcpStream::from_std(ours);
            let end = publish_short(worker, &mut file, &control, &stop);
            (end, file.is_some())
        };
        let (end, kept) = Worker::spawn("test", work).unwrap().join().unwrap();
        Ended {
            end,
            kept,
            has_name: name.exists(),
        }
    }

    #[derive(PartialEq, Debug)]
    struct Ended {
        end: Option<End>,
        kept: bool,
        has_name: bool,
    }

    const LEFT_TO_A_JOB: Ended = Ended {
        end: None,
        kept: true,
        has_name: false,
    };

    fn an_upload(worker: &Worker, homes: &Homes, root: &Path) -> OpenFile {
        let home = homes.open(worker, "tom", root, Limit::new(1000, 10));
        let home = home.unwrap();
        home.scan(worker).unwrap();
        let request = UploadRequest {
            size: None,
            start: Start::Offset(0),
            replace: Replace::Existing,
            append: Append::Allowed,
            keep: Kept::ButLastByte,
            owner: 1,
        };
        match home.upload(worker, Path::new("name"), &request).unwrap() {
            UploadStart::Open(mut upload) => {
                upload.write(worker, b"x").unwrap();
                OpenFile::Upload(Box::new(upload))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_has_its_name_where_nothing_speaks_against_it() {
        let published = Ended {
            end: Some(End::Stored { size: 1 }),
            kept: false,
            has_name: true,
        };
        assert_eq!(ended(Durability::None, |_, _| {}), published);
    }

    #[test]
    fn a_client_that_has_more_to_say_is_heard_first() {
        let said = |peer: &mut Blocking, _: &AtomicBool| peer.write_all(b"ABOR\r\n").unwrap();
        assert_eq!(ended(Durability::None, said), LEFT_TO_A_JOB);
    }

    #[test]
    fn so_is_the_end_of_one_that_broke_off() {
        let left = |peer: &mut Blocking, _: &AtomicBool| peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ended(Durability::None, left), LEFT_TO_A_JOB);
    }

    #[test]
    fn what_is_to_be_on_the_disk_is_left_to_a_job() {
        assert_eq!(ended(Durability::Fsync, |_, _| {}), LEFT_TO_A_JOB);
    }

    #[test]
    fn what_was_stopped_by_then_gets_no_name() {
        let stopped = |_: &mut Blocking, stop: &AtomicBool| stop.store(true, Ordering::Relaxed);
        let unnamed = Ended {
            end: Some(End::Refused(Refusal::Stopped)),
            kept: false,
            has_name: false,
        };
        assert_eq!(ended(Durability::None, stopped), unnamed);
    }
}
