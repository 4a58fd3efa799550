//! Rates of users and sessions. What is held back takes its time, however fast the machine is; that
//! it takes no more is told by the tests of the buckets, which have a clock of their own.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Ftp, noise};

/// Uploads that many bytes to a server with these rates; how long it took.
fn took(daemon: &Daemon, user: &str, bytes: usize) -> Duration {
    let mut ftp = Ftp::login(daemon.ftp_address(), user);
    let data = noise(7, bytes);
    let began = Instant::now();
    assert_eq!(ftp.upload("STOR file", &data), 226);
    let took = began.elapsed();
    assert!(std::fs::read(daemon.home(user).join("file")).unwrap() == data);
    took
}

fn limited(rates: &str) -> Daemon {
    let mut daemon = Daemon::with_ftp();
    daemon.stop();
    let settings = std::fs::read_to_string(daemon.settings()).unwrap();
    let open = settings.trim_end().strip_suffix(')').unwrap();
    std::fs::write(
        daemon.settings(),
        format!("{open}\n    rates: {rates},\n)\n"),
    )
    .unwrap();
    daemon.start();
    daemon
}

#[test]
fn uploads_and_downloads_take_the_time_that_their_rate_says() {
    let daemon = limited("(session: (upload: \"200kB\", download: \"200kB\"))");
    // A tenth of a second and two portions come at once.
    let least = Duration::from_millis(1500);
    assert!(took(&daemon, "tom", 400_000) >= least);
    let began = Instant::now();
    assert_eq!(daemon.login("tom").get("file").len(), 400_000);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
}

#[test]
fn sessions_of_a_user_share_what_the_user_has_and_others_are_not_held() {
    let daemon = limited("(user: (upload: \"200kB\"))");
    let began = Instant::now();
    let address = daemon.ftp_address();
    let uploads: Vec<_> = (0..4)
        .map(|number| {
            thread::spawn(move || {
                let mut ftp = Ftp::login(address, "tom");
                ftp.upload(&format!("STOR file-{number}"), &[1; 100_000])
            })
        })
        .collect();
    for upload in uploads {
        assert_eq!(upload.join().unwrap(), 226);
    }
    assert!(
        began.elapsed() >= Duration::from_millis(1300),
        "{:?}",
        began.elapsed()
    );
}

/// The transfer would take ten minutes at its first rate.
#[test]
fn a_change_reaches_a_transfer_under_way() {
    let daemon = limited("(all: (upload: \"1kB\"))");
    let address = daemon.ftp_address();
    let upload =
        thread::spawn(move || Ftp::login(address, "tom").upload("STOR file", &[1; 600_000]));
    crate::harness::until("it has begun", || {
        let who = daemon.operator(&["who"]);
        String::from_utf8_lossy(&who.stdout)
            .contains("/file")
            .then_some(())
    });
    let settings = std::fs::read_to_string(daemon.settings()).unwrap();
    std::fs::write(
        daemon.settings(),
        settings.replace("\"1kB\"", "\"unlimited\""),
    )
    .unwrap();
    assert!(daemon.reload().status.success());
    assert_eq!(upload.join().unwrap(), 226);
}

#[test]
fn a_transfer_that_is_held_back_does_not_stall_and_can_be_stopped() {
    let daemon = limited("(session: (upload: \"10kB\")),\n    limits: (stall: \"1s\")");
    let mut ftp = Ftp::login(daemon.ftp_address(), "tom");
    let mut lane = ftp.passive();
    assert_eq!(ftp.ask("STOR file"), 150);
    let sent = thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut lane, &[1; 60_000]);
    });
    sent.join().unwrap();
    assert_eq!(ftp.heard(), 226);
    let _lane = ftp.passive();
    let mut lane = _lane.try_clone().unwrap();
    assert_eq!(ftp.ask("STOR other"), 150);
    let sender = thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut lane, &[1; 5_000_000]);
    });
    crate::harness::until("it is held", || {
        let who = daemon.operator(&["who"]);
        String::from_utf8_lossy(&who.stdout)
            .contains("/other")
            .then_some(())
    });
    assert_eq!(ftp.ask("ABOR"), 426);
    assert_eq!(ftp.heard(), 226);
    drop(_lane);
    sender.join().unwrap();
}
