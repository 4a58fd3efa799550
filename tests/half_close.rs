//! Clients that send everything at once and close: what arrived is done and answered.

use crate::harness::{Daemon, Peer, md5, noise, until};

const CLEAR: &str = "native: (listen: [\"127.0.0.1:0\"], tls: Off),";

fn codes(peer: &mut Peer) -> Vec<u16> {
    let said = peer.until_closed();
    said.iter().map(|answer| answer.code).collect()
}

#[test]
fn commands_before_the_end_are_answered() {
    for daemon in [Daemon::demo(), Daemon::with(CLEAR)] {
        let mut tom = daemon.login("tom");
        let lines: String = (0..40).map(|n| format!("MKD {n}\r\n")).collect();
        tom.send_raw(lines.as_bytes());
        tom.finish_sending();
        assert_eq!(codes(&mut tom), [257; 40]);
        assert!((0..40).all(|n| daemon.home("tom").join(n.to_string()).is_dir()));
    }
}

/// The upload, its content and its digest, in one write.
fn upload(name: &str, data: &[u8]) -> Vec<u8> {
    let begin = format!("STOR size={} go=1 {name}\r\n", data.len());
    let length = (data.len() as u32).to_be_bytes();
    let all_sent = format!("225 md5={}\r\n", md5(data));
    let end = [0; 4];
    [begin.as_bytes(), &length, data, &end, all_sent.as_bytes()].concat()
}

#[test]
fn an_upload_before_the_end_is_stored_and_said_to_be() {
    for daemon in [Daemon::demo(), Daemon::with(CLEAR)] {
        for size in [1, 4096, 300_000] {
            let mut tom = daemon.login("tom");
            let data = noise(size, size as usize);
            tom.send_raw(&upload("file", &data));
            tom.finish_sending();
            assert_eq!(codes(&mut tom), [150, 226]);
            let stored = daemon.home("tom").join("file");
            assert_eq!(std::fs::read(&stored).unwrap(), data);
            std::fs::remove_file(stored).unwrap();
        }
    }
}

/// What comes behind the last reply is read and dropped: left unread, it would make the kernel reset
/// the connection, and the reply might be lost with it.
#[test]
fn a_client_that_goes_on_sending_reads_why_the_server_closes() {
    for daemon in [Daemon::demo(), Daemon::with(CLEAR)] {
        let mut tom = daemon.login("tom");
        tom.send("STOR size=9000000 go=1 odd=1 file");
        let sent = (0..64).try_for_each(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            tom.try_send(&[b'x'; 64 * 1024]).map_err(|_| ())
        });
        assert_eq!(sent, Ok(()), "the connection was reset");
        tom.finish_sending();
        assert_eq!(codes(&mut tom), [501, 421]);
    }
}

/// Nobody waits for the answers, and the kernel resets the connection when they come.
#[test]
fn an_upload_by_a_client_that_leaves_at_once_is_stored() {
    for daemon in [Daemon::demo(), Daemon::with(CLEAR)] {
        for n in 0..40 {
            let mut tom = daemon.login("tom");
            let data = noise(n, 3000);
            let name = format!("file {n}");
            tom.send_raw(&upload(&name, &data));
            tom.finish_sending();
            drop(tom);
            let stored = daemon.home("tom").join(name);
            until("the file", || {
                std::fs::read(&stored).ok().filter(|read| *read == data)
            });
        }
    }
}
