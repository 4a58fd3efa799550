//! Nobody stores a byte more than he may, however he goes about it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use crate::harness::{Answer, Daemon, Peer, Tail, ask_all, md5, noise, skiffd_user, until};

const MB: usize = 1_000_000;

/// jerry may store 10 MB and sam 1 MB.
fn small() -> Daemon {
    Daemon::with(r#"quota: (users: {"jerry": "10MB", "sam": "1MB"}),"#)
}

#[test]
fn the_default_is_400_mb() {
    let daemon = Daemon::demo();
    let limit = |user| daemon.login(user).ask("DF", 213).number("limit");
    assert_eq!(limit("jerry"), 400_000_000);
    assert_eq!(limit("tom"), 800_000_000);
    daemon.user(&["add", "newcomer", "--password-stdin"], "123\n");
    assert_eq!(limit("newcomer"), 400_000_000);
}

#[test]
fn a_user_may_have_his_own() {
    let daemon = small();
    let limit = |user| daemon.login(user).ask("DF", 213).number("limit");
    assert_eq!(limit("jerry"), 10_000_000);
    assert_eq!(limit("sam"), 1_000_000);
    daemon.user(&["set", "sam", "--quota", "3MB"], "");
    assert_eq!(limit("sam"), 3_000_000, "the account wins over server.ron");
    daemon.user(&["set", "sam", "--quota", "default"], "");
    assert_eq!(limit("sam"), 1_000_000);
}

#[test]
fn what_cannot_fit_is_refused_before_a_byte_is_sent() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "some", &noise(1, 400_000));
    let refused = sam.ask("STOR size=600001 more", 551);
    let told = (refused.number("needed"), refused.number("available"));
    assert_eq!(told, (600_001, 600_000));
    assert_eq!(sam.used(), 400_000, "a refusal is charged");
    sam.put("", "more", &noise(2, 600_000));
    assert_eq!(sam.used(), 1_000_000);
    sam.ask("STOR size=1 last", 551);
    sam.put("", "nothing", b"");
}

#[test]
fn what_is_deleted_frees_its_room() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "full", &noise(3, MB));
    sam.ask("STOR size=1 last", 551);
    ask_all(&mut sam, &[("DELE full", 250)]);
    assert_eq!(sam.used(), 0);
    sam.put("", "again", &noise(4, MB));
}

#[test]
fn a_replaced_file_needs_room_for_the_difference_only() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "file", &noise(5, 900_000));
    let longer = noise(6, MB);
    sam.ask("STOR size=1000001 replace=1 file", 551);
    sam.put("replace=1 ", "file", &longer);
    assert_eq!(sam.used(), 1_000_000);
    sam.put("replace=1 ", "file", b"short");
    assert_eq!(sam.used(), 5);
}

#[test]
fn a_part_is_charged_until_it_is_dropped_or_published() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    let data = noise(7, 800_000);
    sam.leave_part("", "part", &data, 700_000);
    let df = sam.df();
    assert_eq!((df.number("used"), df.number("staged")), (700_000, 700_000));
    sam.ask("STOR size=300001 other", 551);
    // Going on with it needs room for the rest only.
    sam.ask("STOR size=800000 part", 210);
    sam.ask("211", 212);
    sam.fill(&data[700_000..], &data);
    let df = sam.df();
    assert_eq!((df.number("used"), df.number("staged")), (800_000, 0));

    sam.leave_part("", "dropped", &noise(8, 200_000), 200_000);
    assert_eq!(sam.used(), 1_000_000);
    ask_all(&mut sam, &[("STAGES drop=1 dropped", 250)]);
    assert_eq!(sam.used(), 800_000);
}

#[test]
fn a_part_that_replaces_is_charged_beside_its_file_or_dropped() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "file", &noise(9, 500_000));
    let longer = noise(10, 900_000);
    sam.leave_part("replace=1 ", "file", &longer, 300_000);
    assert_eq!(sam.used(), 800_000);
    sam.ask("STOR size=900000 replace=1 file", 210);
    sam.ask("211", 212);
    sam.frames(&longer[300_000..700_000]);
    sam.tail(Tail::Abort);
    sam.expect(550);
    // 700,000 bytes do not fit beside the 500,000.
    daemon.wait_log("an unfinished upload of 700000 bytes is not kept");
    assert_eq!((sam.used(), sam.list("STAGES").len()), (500_000, 0));
    sam.leave_part("replace=1 ", "file", &longer, 500_000);
    assert_eq!(sam.used(), 1_000_000);
    ask_all(&mut sam, &[("DELE file", 250)]);
    assert_eq!((sam.used(), sam.list("STAGES").len()), (0, 0));
}

#[test]
fn two_at_once_do_not_share_one_room() {
    let daemon = small();
    let (mut one, mut two) = (daemon.login("sam"), daemon.login("sam"));
    one.ask("STOR size=600000 one", 150);
    let refused = two.ask("STOR size=400001 two", 551);
    assert_eq!(refused.number("available"), 400_000, "{}", refused.line);
    two.ask("STOR size=400000 two", 150);
    let (a, b) = (noise(11, 600_000), noise(12, 400_000));
    two.fill(&b, &b);
    one.fill(&a, &a);
    assert_eq!(one.used(), 1_000_000);
    one.ask("STOR size=1 last", 551);
}

/// Many sessions race for room that some of them get, to the last byte.
#[test]
fn a_race_for_the_last_room_has_as_many_winners_as_fit() {
    let daemon = small();
    let (size, racers) = (700_000, 24);
    let data = noise(13, size);
    let start = Barrier::new(racers);
    let race = |n: usize| {
        let mut jerry = daemon.login("jerry");
        start.wait();
        jerry.send(&format!("STOR size={size} f{n}"));
        match jerry.reply().code {
            150 => drop(jerry.fill(&data, &data)),
            551 => return 0,
            code => panic!("{code}"),
        }
        1
    };
    let race = &race;
    let winners: usize = std::thread::scope(|scope| {
        let racing: Vec<_> = (0..racers).map(|n| scope.spawn(move || race(n))).collect();
        racing.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(winners, 10 * MB / size);
    let mut jerry = daemon.login("jerry");
    assert_eq!(jerry.used(), (winners * size) as u64);
    assert_eq!(jerry.list("LIST").len(), winners);
}

#[test]
fn a_failed_upload_gives_its_room_back() {
    let daemon = small();
    let mut sam = daemon.login("sam");
    sam.ask("STOR size=1000000 file", 150);
    sam.frames(&noise(14, MB));
    sam.tail(Tail::End);
    sam.ask(&format!("225 md5={}", md5(b"else")), 550);
    assert_eq!(sam.used(), 0);
    sam.put("", "file", &noise(14, MB));
}

#[test]
fn a_lost_line_gives_back_what_was_not_sent() {
    let daemon = small();
    let mut lost = daemon.login("sam");
    lost.ask("STOR size=1000000 part", 150);
    lost.frames(&noise(15, 250_000));
    lost.hang_up();
    let mut sam = daemon.login("sam");
    let offer = sam.store_again("STOR size=1000000 part");
    assert_eq!(offer.number("have"), 250_000, "{}", offer.line);
    sam.send("410");
    sam.put("", "beside", &noise(16, 750_000));
    assert_eq!(sam.used(), 1_000_000);
}

#[test]
fn entries_are_bounded_too() {
    let daemon = Daemon::with("quota: (entries: 3),");
    let mut sam = daemon.login("sam");
    sam.ask("MKD a", 257);
    sam.put("", "a/b", b"1");
    sam.put("", "c", b"1");
    let df = sam.df();
    assert_eq!((df.number("entries"), df.number("entries_limit")), (3, 3));
    let refused: Vec<Answer> = ["STOR size=1 d", "STOR size=0 d"]
        .map(|line| sam.ask(line, 551))
        .into();
    assert!(
        refused
            .iter()
            .all(|a| a.line.contains("files and directories"))
    );
    sam.ask("MKD d", 550);
    sam.put("replace=1 ", "c", b"2");
    ask_all(&mut sam, &[("DELE c", 250), ("MKD d", 257), ("MKD e", 550)]);
}

#[test]
fn files_from_elsewhere_are_counted() {
    let daemon = small();
    let home = daemon.home("sam");
    std::fs::create_dir(home.join("dir")).unwrap();
    std::fs::write(home.join("dir/file"), noise(17, 600_000)).unwrap();
    let mut sam = daemon.login("sam");
    counted(&mut sam);
    let df = sam.df();
    assert_eq!((df.number("used"), df.number("entries")), (600_000, 2));
    sam.ask("STOR size=400001 more", 551);
    sam.put("", "more", &noise(18, 400_000));
}

/// Files came and went while the daemon was stopped: the ledger of a clean stop was believed for
/// ever.
#[test]
fn a_recount_after_a_start_finds_what_came_and_went_beside_the_daemon() {
    let mut daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "goes", &noise(31, 300_000));
    sam.put("", "stays", &noise(32, 100_000));
    daemon.stop();
    std::fs::remove_file(daemon.home("sam").join("goes")).unwrap();
    std::fs::write(daemon.home("sam").join("comes"), noise(33, 500_000)).unwrap();
    daemon.start();
    let mut sam = daemon.login("sam");
    // Nobody waits for it: the snapshot holds until then.
    sam.ask("MKD at-once", 257);
    daemon.wait_log("sam: a recount found 600000 bytes");
    sam.ask("DELE comes", 250);
    sam.ask("DELE at-once", 250);
    assert_eq!(sam.used(), 100_000);
    sam.ask("STOR size=900001 more", 551);
    sam.put("", "more", &noise(34, 900_000));
}

#[test]
fn the_operator_has_homes_counted_while_sessions_go_on() {
    let mut daemon = small();
    let mut sam = daemon.login("sam");
    sam.put("", "file", &noise(41, 100_000));
    std::fs::write(daemon.home("sam").join("comes"), noise(42, 300_000)).unwrap();
    let socket = std::fs::metadata(daemon.folder().join("state/control")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let told = daemon.user(&["recount", "sam"], "");
    let right = "sam: 400000 bytes and 2 entries; the ledger had 100000 bytes and 1 entries";
    assert!(told.starts_with(right), "{told}");
    assert_eq!(sam.used(), 400_000);

    let told = daemon.user(&["recount", "--all"], "");
    let lines: Vec<_> = told.lines().collect();
    let [jerry, sam, tom] = lines[..] else {
        panic!("{told}")
    };
    assert!(jerry.starts_with("jerry: 0 bytes and 0 entries, counted for the first"));
    assert_eq!(sam, "sam: 400000 bytes and 2 entries, as the ledger says");
    assert!(tom.starts_with("tom: "));

    let refused = |words: &[&str]| {
        let output = skiffd_user(&daemon.settings(), words, "");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["recount", "nobody"]).contains("there is no user nobody"));
    daemon.stop();
    let told = String::from_utf8(skiffd_user(&daemon.settings(), &["recount", "sam"], "").stderr);
    assert!(told.unwrap().contains("no daemon runs"));
    assert!(!daemon.folder().join("state/control").exists());
}

/// Nobody is told 0 while a home is counted.
#[test]
fn while_a_home_is_counted_that_is_told() {
    let daemon = small();
    let home = daemon.home("jerry");
    for n in 0..5000 {
        std::fs::write(home.join(n.to_string()), "1").unwrap();
    }
    let mut jerry = daemon.login("jerry");
    let told = until("the end of the count", || {
        let (df, status) = (jerry.ask("DF", 213).line, jerry.ask("STAT", 211).line);
        for line in [&df, &status] {
            let is_counted = line.contains(" used=5000 ");
            assert!(is_counted != line.contains(" counting=1 "), "{line}");
            assert!(line.contains(" limit=10000000 "), "{line}");
        }
        df.contains(" used=").then_some(df)
    });
    assert!(
        told.contains(" entries=5000 ") && told.contains(" free=9995000 "),
        "{told}"
    );
}

/// What is shown is what decides.
#[test]
fn free_is_what_a_new_upload_is_granted() {
    let daemon = small();
    let (mut one, mut two) = (daemon.login("sam"), daemon.login("sam"));
    one.put("", "file", &noise(51, 100_000));
    one.leave_part("", "part", &noise(52, 50_000), 20_000);
    one.ask("STOR size=300000 running", 150);
    one.frames(&noise(53, 200_000));
    let df = two.df();
    assert_eq!((df.number("used"), df.number("staged")), (120_000, 20_000));
    assert_eq!(
        (df.number("reserved"), df.number("free")),
        (300_000, 580_000)
    );
    two.ask("STOR size=580001 new", 551);
    two.ask("STOR size=580000 new", 150);
    assert_eq!(daemon.login("sam").df().number("free"), 0);
}

/// Issue: a changed quota reached nobody before his next login.
#[test]
fn without_limits_only_the_disk_counts() {
    let daemon = small();
    daemon.user(
        &[
            "set",
            "sam",
            "--quota",
            "unlimited",
            "--entries",
            "unlimited",
        ],
        "",
    );
    let mut sam = daemon.login("sam");
    let answer = sam.df();
    assert_eq!(answer.number("limit"), i64::MAX as u64);
    assert_eq!(answer.number("entries_limit"), i64::MAX as u64);
    let data = noise(9, 3_000_000);
    sam.put("", "file", &data);
    assert_eq!(sam.used(), data.len() as u64);
}

#[test]
fn a_changed_quota_reaches_sessions_and_uploads_under_way() {
    let daemon = small();
    let (mut one, mut two) = (daemon.login("sam"), daemon.login("sam"));
    let data = noise(61, 1_900_000);
    one.ask("STOR size=1900000 file", 551);
    daemon.user(&["set", "sam", "--quota", "2MB"], "");
    until("the larger quota", || {
        (two.df().number("limit") == 2_000_000).then_some(())
    });
    one.ask("STOR size=1900000 file", 150);
    one.fill(&data, &data);

    daemon.user(&["set", "sam", "--quota", "1MB", "--entries", "5"], "");
    until("the smaller quota", || {
        (two.df().number("limit") == 1_000_000).then_some(())
    });
    assert_eq!(two.df().number("entries_limit"), 5);
    two.ask("STOR size=1 more", 551);

    daemon.user(
        &["set", "sam", "--quota", "default", "--entries", "default"],
        "",
    );
    let settings = std::fs::read_to_string(daemon.settings()).unwrap();
    std::fs::write(daemon.settings(), settings.replace("\"1MB\"", "\"3MB\"")).unwrap();
    assert!(daemon.reload().status.success());
    until("the quota of the settings", || {
        (two.df().number("limit") == 3_000_000).then_some(())
    });
}

#[test]
fn a_quota_below_what_is_used_takes_nothing_away() {
    let daemon = small();
    let data = noise(19, MB);
    daemon.login("sam").put("", "file", &data);
    daemon.user(&["set", "sam", "--quota", "500kB"], "");
    let mut sam = daemon.login("sam");
    assert_eq!(sam.ask("DF", 213).number("limit"), 500_000);
    sam.ask("STOR size=1 more", 551);
    assert!(sam.get("file") == data);
    sam.put("replace=1 ", "file", b"less");
    sam.put("", "more", b"1");
}

/// A change waits until the home is counted: this one leaves nothing behind.
fn counted(peer: &mut Peer) {
    ask_all(peer, &[("MKD counting", 257), ("DELE counting", 250)]);
}
