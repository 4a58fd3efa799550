//! `skiffd drain`: no new sessions, and nothing is lost of what is under way.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{session, shown};
use crate::harness::{Daemon, Ftp, Tail, binary, md5, noise, until};

/// Uploads of each dialect at a time.
const UPLOADS: usize = 6;
const SIZE: usize = 200_000;
const HALF: usize = SIZE / 2;

#[test]
fn transfers_under_way_finish_and_nobody_else_is_let_in() {
    let mut daemon = Daemon::with_ftp();
    let (address, ftp_address) = (daemon.address(), daemon.ftp_address());
    let data = noise(1, SIZE);
    let mut natives: Vec<_> = (0..UPLOADS).map(|_| daemon.login("tom")).collect();
    for (number, native) in natives.iter_mut().enumerate() {
        native.ask(&format!("STOR size={SIZE} native-{number}"), 150);
        native.frames(&data[..HALF]);
    }
    let mut ftps: Vec<_> = (0..UPLOADS)
        .map(|number| {
            let mut ftp = Ftp::login(ftp_address, "jerry");
            let mut lane = ftp.passive();
            assert_eq!(ftp.ask(&format!("STOR ftp-{number}")), 150);
            lane.write_all(&data[..HALF]).unwrap();
            (ftp, lane)
        })
        .collect();
    let mut idle = daemon.login("sam");
    let settings = daemon.settings();
    let mut drain = Command::new(binary("skiffd"))
        .args(["drain", "--for", "60s", "--config"])
        .arg(&settings)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(idle.reply().code, 421);
    until("the end of listening", || TcpStream::connect(address).err());
    TcpStream::connect(ftp_address).unwrap_err();
    // What goes on can be looked at.
    session(&daemon, "path", "/native-0", |row| {
        row["bytes"].as_u64() == Some(HALF as u64)
    });
    assert!(drain.try_wait().unwrap().is_none(), "it does not wait");
    for native in &mut natives {
        native.frames(&data[HALF..]);
        native.tail(Tail::End);
        native.ask(&format!("225 md5={}", md5(&data)), 226);
        assert_eq!(native.reply().code, 421);
    }
    for (ftp, mut lane) in ftps.drain(..) {
        lane.write_all(&data[HALF..]).unwrap();
        drop(lane);
        let mut ftp: Ftp = ftp;
        assert_eq!((ftp.heard(), ftp.heard()), (226, 421));
    }
    daemon.ends_well();
    let output = drain.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.ends_with("may finish their transfers for 60 s\n"),
        "{said}"
    );
    for number in 0..UPLOADS {
        for (user, name) in [("tom", "native"), ("jerry", "ftp")] {
            let file = daemon.home(user).join(format!("{name}-{number}"));
            assert_eq!(std::fs::read(file).unwrap(), data);
        }
    }
}

#[test]
fn a_drain_may_be_cut_short_and_what_came_of_an_upload_stays() {
    let mut daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    let said = shown(&daemon, &["drain", "--for", "1s"]);
    assert_eq!(
        said,
        "no new sessions; 1 may finish their transfers for 1 s\n"
    );
    daemon.ends_well();
    daemon.start();
    let kept = daemon.login("tom").store_again("STOR size=10 file");
    assert_eq!((kept.code, kept.number("have")), (210, 5));
}
