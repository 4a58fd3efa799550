//! The bans that hold, and their end at the operator's word.

use serde_json::{Value, json};

use super::{refused, shown, told};
use crate::harness::{Daemon, PASSWORD};

const KEYS: &str = "limits: (ban_after: 2, ban_address_after: 3, exempt: []),";

fn ban_tom(daemon: &Daemon) {
    assert_eq!(daemon.peer().login("tom", "124").code, 530);
    assert_eq!(daemon.peer().login("tom", "124").code, 421);
    assert_eq!(daemon.peer().login("tom", PASSWORD).code, 421);
}

#[test]
fn who_is_banned_is_told_and_let_in_again() {
    let daemon = Daemon::with(KEYS);
    assert_eq!(told(&daemon, &["bans"]), [] as [Value; 0]);
    ban_tom(&daemon);
    let bans = told(&daemon, &["bans"]);
    assert_eq!(bans.len(), 1, "{bans:?}");
    let ban = &bans[0];
    assert_eq!(
        (&ban["address"], &ban["user"]),
        (&json!("127.0.0.1"), &json!("tom"))
    );
    assert_eq!(ban["why"], "2 failed logins (limits.ban_after)");
    assert!(ban["since"].as_str() < ban["until"].as_str(), "{ban}");
    assert!(shown(&daemon, &["bans"]).contains("127.0.0.1  tom "));
    let complaint = refused(&daemon, &["unban", "jerry"]);
    assert_eq!(complaint, "skiffd: jerry is not banned\n");
    assert_eq!(shown(&daemon, &["unban", "tom"]), "one ban has ended\n");
    daemon.login("tom");
    daemon.wait_log("the operator has ended the bans of tom: 1");
}

#[test]
fn an_address_is_let_in_again_and_so_are_all() {
    for words in [&["unban", "127.0.0.1"][..], &["unban", "--all"]] {
        let daemon = Daemon::with(KEYS);
        for user in ["jerry", "sam"] {
            assert_eq!(daemon.peer().login(user, "124").code, 530);
        }
        assert_eq!(daemon.peer().login("nobody", "124").code, 421);
        assert_eq!(daemon.peer().reply().code, 421);
        assert_eq!(told(&daemon, &["bans"])[0]["user"], Value::Null);
        assert_eq!(shown(&daemon, words), "one ban has ended\n");
        daemon.login("tom");
        assert_eq!(shown(&daemon, &["unban", "--all"]), "0 bans have ended\n");
    }
}
