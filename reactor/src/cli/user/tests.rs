//! Tests the commands of `skiffd user` without a daemon.

use std::ffi::OsString;

use skiff_sessions::scram;

use super::*;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("homes")).unwrap();
        let settings = "(scram_iterations: 10000, dir_mode: \"0750\")";
        std::fs::write(folder.path().join("server.ron"), settings).unwrap();
        Self { folder }
    }

    fn config(&self) -> Server {
        Server::load(&self.folder.path().join("server.ron")).unwrap()
    }

    fn add(&self, name: &str, line: &str) -> Result<(), String> {
        let Ok(Verb::Add(name, wanted, _)) = parse_add(words(&format!("{line} {name}"))) else {
            panic!("{line:?}");
        };
        add(&self.config(), name, wanted, "correct horse")
            .map(drop)
            .map_err(|e| e.to_string())
    }

    fn account(&self, name: &str) -> Account {
        let store = UserStore::load(&self.config().users).unwrap();
        store.get(name).unwrap().clone()
    }
}

fn words(line: &str) -> Arguments {
    Arguments::from_vec(line.split_whitespace().map(OsString::from).collect())
}

fn said(line: &str) -> String {
    parse(words(line)).unwrap_err().to_string()
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn proves(account: &Account, password: &str) -> bool {
    let kept = account.scram.as_ref().unwrap();
    let made = scram::Verifier::derive(password, kept.salt.clone(), kept.iterations.get());
    made.unwrap().stored_key == kept.stored_key
}

#[test]
fn arguments_become_requests() {
    let request = parse(words(
        "set --config s.ron tom --quota 2GB --entries default --disable",
    ));
    let changes = Changes {
        quota: Some(Own::Set(ByteQuota::new(2_000_000_000))),
        entries: Some(Own::Default),
        terms: TermsChanges::default(),
        standing: Some(AccountStatus::Disabled),
        passwd: None,
        ftp: FtpChanges::default(),
    };
    let expected = Request {
        config: "s.ron".into(),
        verb: Verb::Set(name("tom"), changes, Sessions::End),
    };
    assert_eq!(request.unwrap(), expected);

    let request = parse(words("passwd tom --password-stdin --config s.ron")).unwrap();
    assert_eq!(
        request.verb,
        Verb::Passwd(name("tom"), PasswordFrom::StandardInput, Sessions::End)
    );
}

#[test]
fn what_is_not_understood_is_named() {
    for (line, expected) in [
        ("", "there is no user \"\" command; there are add, passwd"),
        ("--config s.ron", "there is no user \"\" command"),
        (
            "rename --config s.ron tom",
            "there is no user \"rename\" command",
        ),
        ("add --config s.ron", "which user?"),
        ("add --config s.ron ../tom", "\"../tom\" is not a user name"),
        (
            "add --config s.ron tom --quota lots",
            "\"lots\" is not a size",
        ),
        (
            "add --config s.ron tom --quota 800",
            "800 bytes? write \"800MB\", or \"800B\" if you mean it",
        ),
        ("set --config s.ron tom --quota 0", "0 bytes? write"),
        (
            "add --config s.ron tom --disable",
            "unknown argument \"--disable\"",
        ),
        ("add --config s.ron tom 123", "unknown argument \"123\""),
        ("set --config s.ron tom", "nothing to change"),
        (
            "set --config s.ron tom --enable --disable",
            "--disable or --enable, not both",
        ),
        ("add --config s.ron tom --ftp yes", "--ftp takes on or off"),
        (
            "set --config s.ron tom --data-close-notify off",
            "--data-close-notify takes require or prefer or warn or default",
        ),
        ("list --config s.ron tom", "unknown argument \"tom\""),
    ] {
        let message = said(line);
        assert!(message.contains(expected), "{line:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn an_added_user_has_a_home_and_a_password() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    place
        .add("tom", "--quota 800MB --entries 7 --read-only --ftp off")
        .unwrap();
    let account = place.account("tom");
    assert!(proves(&account, "correct horse") && !proves(&account, "correct hors"));
    assert_eq!(account.scram.as_ref().unwrap().salt.len(), 16);
    assert_eq!(account.quota, Some(ByteQuota::new(800_000_000)));
    assert_eq!(account.entries, Some(EntryQuota::new(7)));
    assert_eq!(account.access(), &Access::ReadOnly);
    assert_eq!(account.ftp(), FtpAccess::Refused);
    let home = place.config().homes.join("tom");
    assert_eq!(home.metadata().unwrap().mode() & 0o7777, 0o750);
}

#[test]
fn a_user_stands_once_and_keeps_what_he_had() {
    let place = Place::new();
    place.add("tom", "--entries 7").unwrap();
    let message = place.add("tom", "--entries 8").unwrap_err();
    assert_eq!(message, "there is a user tom already");
    assert_eq!(place.account("tom").entries, Some(EntryQuota::new(7)));
    let known = refuse_known(&place.config(), &name("tom")).unwrap_err();
    assert_eq!(known.to_string(), message);
}

#[test]
fn a_user_whose_home_cannot_be_made_is_not_stored() {
    let place = Place::new();
    let message = place.add("tom", "--home ../no/such").unwrap_err();
    assert!(message.contains("no/such: cannot be made: "), "{message}");
    assert!(load(&place.config()).unwrap().is_empty());
}

#[test]
fn no_home_holds_what_is_the_servers() {
    let place = Place::new();
    for home in [".", "..", "/"] {
        let message = place.add("tom", &format!("--home {home}")).unwrap_err();
        assert!(message.contains("cannot be a home"), "{home}: {message}");
    }
    std::os::unix::fs::symlink("..", place.config().homes.join("up")).unwrap();
    assert!(place.add("tom", "--home up").is_err());
    place.add("tom", "--home own").unwrap();
}

#[test]
fn a_new_password_changes_nothing_else() {
    let place = Place::new();
    place.add("tom", "--quota 1GB").unwrap();
    change_password(&place.config(), &name("tom"), "other").unwrap();
    let account = place.account("tom");
    assert!(proves(&account, "other") && !proves(&account, "correct horse"));
    assert_eq!(account.quota, Some(ByteQuota::new(1_000_000_000)));
    assert!(change_password(&place.config(), &name("sam"), "x").is_err());
}

#[test]
fn changes_touch_what_they_name() {
    let place = Place::new();
    place.add("tom", "--quota 1GB --entries 9").unwrap();
    let Ok(Verb::Set(tom, changes, _)) = parse_set(words("tom --quota default --read-only")) else {
        panic!("not a change");
    };
    set(&place.config(), &tom, &changes).unwrap();
    let account = place.account("tom");
    assert_eq!(
        (account.quota, account.entries),
        (None, Some(EntryQuota::new(9)))
    );
    assert_eq!(account.access(), &Access::ReadOnly);
    assert_eq!(account.standing, AccountStatus::Enabled);
    assert_eq!(account.ftp(), FtpAccess::Allowed);

    let Ok(Verb::Set(tom, changes, _)) = parse_set(words("tom --ftp off")) else {
        panic!("not a change");
    };
    set(&place.config(), &tom, &changes).unwrap();
    let account = place.account("tom");
    assert_eq!(account.ftp(), FtpAccess::Refused);
    assert_eq!(account.access(), &Access::ReadOnly);
}

#[test]
fn a_deleted_user_leaves_his_home() {
    let place = Place::new();
    place.add("tom", "").unwrap();
    delete(&place.config(), &name("tom")).unwrap();
    assert!(load(&place.config()).unwrap().is_empty());
    assert!(place.config().homes.join("tom").is_dir());
    let again = delete(&place.config(), &name("tom")).unwrap_err();
    assert_eq!(again.to_string(), "there is no user tom");
}

#[test]
fn the_list_shows_no_secret() {
    let place = Place::new();
    place.add("tom", "--quota 800MB").unwrap();
    place.add("jerry", "--read-only").unwrap();
    let homes = place.config().homes;
    let expected = [
        format!("jerry  read-only      400MB  {}/jerry", homes.display()),
        format!("tom    read-write     800MB  {}/tom", homes.display()),
    ];
    assert_eq!(list(&place.config()).unwrap(), expected);
}

#[test]
fn the_list_shows_who_has_no_ftp() {
    let place = Place::new();
    place.add("tom", "--ftp off").unwrap();
    place.add("jerry", "").unwrap();
    let homes = place.config().homes;
    let expected = [
        format!(
            "jerry  read-write             400MB  {}/jerry",
            homes.display()
        ),
        format!(
            "tom    read-write, no ftp     400MB  {}/tom",
            homes.display()
        ),
    ];
    assert_eq!(list(&place.config()).unwrap(), expected);
}

#[test]
fn who_may_change_the_password_is_set_and_unset() {
    let place = Place::new();
    place.add("tom", "--passwd off").unwrap();
    place.add("jerry", "--read-only").unwrap();
    let right = |name: &str| {
        let account = place.account(name);
        (account.passwd, account.password_right())
    };
    let fixed = PasswordRight::Fixed;
    assert_eq!(right("tom"), (Some(fixed), fixed));
    assert_eq!(right("jerry"), (None, fixed));
    for (line, said) in [
        ("jerry --passwd on", Some(PasswordRight::Changeable)),
        ("jerry --passwd off", Some(fixed)),
        ("jerry --passwd default", None),
    ] {
        let Ok(Verb::Set(name, changes, _)) = parse_set(words(line)) else {
            panic!("not a change");
        };
        set(&place.config(), &name, &changes).unwrap();
        let account = place.account("jerry");
        assert_eq!(account.passwd, said, "{line}");
        assert_eq!(account.access(), &Access::ReadOnly);
    }
    let wrong = said("set --config s.ron tom --passwd yes");
    assert_eq!(
        wrong,
        "--passwd takes on or off or default, not \"yes\"; see skiffd --help"
    );
}

#[test]
fn the_list_shows_whose_password_right_is_unusual() {
    let place = Place::new();
    for (name, options) in [
        ("ann", "--passwd on"),
        ("bob", "--passwd off --ftp off"),
        ("carl", "--read-only --passwd off"),
        ("dora", "--read-only --passwd on"),
    ] {
        place.add(name, options).unwrap();
    }
    let list = list(&place.config()).unwrap();
    let shown: Vec<&str> = list
        .iter()
        .map(|line| line.split("  ").map(str::trim))
        .map(|mut columns| columns.find(|column| column.contains("read")).unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            "read-write",
            "read-write, no ftp, no passwd",
            "read-only",
            "read-only, passwd"
        ]
    );
}
