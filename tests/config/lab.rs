//! A lab of three hundred behind one address: drop boxes, a folder for all of them, rates, quotas,
//! and fifteen who mistype their password.

use std::fmt::Write;
use std::fs;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Ftp, PASSWORD, skiffd, write_settings};

const PUPILS: usize = 300;
/// One of so many mistypes it.
const SLIPS: usize = 20;

/// Bytes of each upload to the drop box, of which there are two, and to the home.
const WORK: usize = 30_000;
const OWN: usize = 100_000;
const QUOTA: usize = 200_000;
/// What each puts into the folder for all, and how much that may hold.
const SHARED: usize = 10_000;
const SHARED_QUOTA: usize = PUPILS * SHARED + 5_000;
/// Bytes in a second of one session, sent and received.
const RATE: usize = 80_000;

const SETTINGS: &str = r#"
    native: (listen: ["127.0.0.1:0"]),
    ftp: (listen: ["127.0.0.1:0"], tls: Optional),
    limits: (sessions_per_address: 400),
"#;

fn pupil(number: usize) -> String {
    format!("pupil{number}")
}

/// A server with the pupils, imported at once.
fn lab() -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "{SETTINGS} rates: (session: (upload: \"{RATE}B\")), \
         folders: {{\"media\": (path: \"media\", groups: [\"pupils\"], \
         quota: Own(\"{SHARED_QUOTA}B\"))}},"
    );
    write_settings(folder.path(), &keys);
    for name in ["homes", "media"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let store = format!(
        "(groups: {{\"pupils\": (quota: \"{QUOTA}B\", folders: {{\"/in\": DropBox}})}}, users: {{}})"
    );
    let users = folder.path().join("users.ron");
    fs::write(&users, store).unwrap();
    fs::set_permissions(&users, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut table = "name,password,group\n".to_owned();
    for number in 0..PUPILS {
        writeln!(table, "{},{PASSWORD},pupils", pupil(number)).unwrap();
    }
    let list = folder.path().join("pupils.csv");
    fs::write(&list, table).unwrap();
    let (list, settings) = (list.to_str().unwrap(), folder.path().join("server.ron"));
    let words = [
        "user",
        "import",
        list,
        "--config",
        settings.to_str().unwrap(),
    ];
    let imported = skiffd(&words, "");
    assert!(imported.status.success(), "{imported:?}");
    for number in 0..PUPILS {
        fs::create_dir(folder.path().join("homes").join(pupil(number)).join("in")).unwrap();
    }
    Daemon::serve(folder)
}

/// A pupil's session to its end; how long the uploads took.
fn work(daemon: &Daemon, number: usize, all_in: &Barrier) -> Duration {
    let (address, name) = (daemon.ftp_address(), pupil(number));
    if number.is_multiple_of(SLIPS) {
        let (_, code) = Ftp::try_login(address, &name, "mistyped");
        assert_eq!(code, 530);
    }
    let mut ftp = Ftp::login(address, &name);
    all_in.wait();
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(ftp.upload("STOR in/work", &[1; WORK]), 226, "{name}");
    }
    assert_eq!(ftp.upload("STOR own", &[2; OWN]), 226, "{name}");
    let took = began.elapsed();
    let _lane = ftp.passive();
    assert_eq!(ftp.ask("RETR in/work"), 550, "{name}");
    let rest = QUOTA - OWN - 2 * WORK;
    assert_eq!(ftp.upload("STOR more", &vec![3; rest + 1]), 552, "{name}");
    assert_eq!(ftp.upload("STOR fill", &vec![3; rest]), 226, "{name}");
    assert_eq!(ftp.upload("STOR full", b"x"), 552, "{name}");
    // The folder counts for itself.
    let shared = format!("STOR media/{name}");
    assert_eq!(ftp.upload(&shared, &[4; SHARED]), 226, "{name}");
    took
}

#[test]
fn nobody_right_is_refused_and_everybody_has_what_is_said() {
    let daemon = Arc::new(lab());
    let all_in = Arc::new(Barrier::new(PUPILS));
    let sessions: Vec<_> = (0..PUPILS)
        .map(|number| {
            let (daemon, all_in) = (Arc::clone(&daemon), Arc::clone(&all_in));
            thread::spawn(move || work(&daemon, number, &all_in))
        })
        .collect();
    let times = sessions.into_iter().map(|session| session.join().unwrap());
    // A tenth of a second and two portions come at once, in each upload.
    let at_once = 3 * (RATE / 10 + 2 * 4096);
    let least = (OWN + 2 * WORK - at_once) as f64 / RATE as f64 * 0.95;
    for took in times {
        assert!(
            took.as_secs_f64() >= least,
            "{took:?}, and {least} s at least"
        );
    }
    let bans = daemon.operator(&["bans"]);
    assert!(
        bans.status.success() && !daemon.log().contains("banned"),
        "{bans:?}"
    );
    for number in 0..PUPILS {
        let name = pupil(number);
        let box_names = fs::read_dir(daemon.home(&name).join("in")).unwrap().count();
        assert_eq!(box_names, 2, "{name}");
    }
    let quota = daemon.operator(&["quota", "--json"]);
    let told = String::from_utf8(quota.stdout).unwrap();
    let full = format!("\"used\":{QUOTA}");
    assert_eq!(told.matches(&full).count(), PUPILS, "{told}");
    // 5,000 bytes are left in the folder.
    let mut ftp = Ftp::login(daemon.ftp_address(), &pupil(7));
    assert_eq!(ftp.upload("STOR media/too-much", &[5; 5_001]), 552);
    assert_eq!(ftp.upload("STOR media/last", &[5; 5_000]), 226);
    assert_eq!(ftp.upload("STOR media/one", b"x"), 552);
}
