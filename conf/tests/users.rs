//! Tests of the user store on the disk: private, replaced atomically, no change lost.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use skiff_conf::{
    Access, Account, AccountStatus, ByteQuota, CertificateRule, CloseNotify, Complaint, EntryQuota,
    FileStamp, FtpAccess, Iterations, LostControl, PasswordRight, StoreError, UserName, UserStore,
    Verifier,
};
use tempfile::TempDir;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Complaint(#[from] Complaint),
    #[error(transparent)]
    Refused(#[from] StoreError),
}

struct Fixture {
    folder: TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.ron");
        Self { folder, path }
    }

    fn add(&self, user: &str, account: Account) {
        UserStore::edit(&self.path, |store| {
            Ok::<_, Failed>(store.add(name(user), account)?)
        })
        .unwrap();
    }

    fn written(text: &str) -> Self {
        let fixture = Self::new();
        fs::write(&fixture.path, text).unwrap();
        set_mode(&fixture.path, 0o600);
        fixture
    }

    /// What is said of the store, without the path of its folder.
    fn said(&self) -> String {
        let complaint = UserStore::load(&self.path).unwrap_err().to_string();
        complaint.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn account() -> Account {
    Account::new(Verifier {
        salt: (0..16).collect(),
        iterations: Iterations::DEFAULT,
        stored_key: [1; 32],
        server_key: [2; 32],
    })
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_saved_is_loaded() {
    let fixture = Fixture::new();
    let mut tom = account();
    tom.home = Some("/srv/tom \"and\" co".into());
    tom.quota = Some(ByteQuota::new(800_000_000));
    tom.entries = Some(EntryQuota::new(7));
    tom.access = Some(Access::ReadOnly);
    tom.standing = AccountStatus::Disabled;
    tom.ftp = Some(FtpAccess::Refused);
    tom.data_close_notify = Some(CloseNotify::Warn);
    tom.publish_on_lost_control = Some(LostControl::Publish);
    tom.passwd = Some(PasswordRight::Changeable);
    fixture.add("tom", tom);
    fixture.add("jerry", account());

    let store = UserStore::load(&fixture.path).unwrap();
    let names: Vec<&str> = store.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["jerry", "tom"]);
    let tom = store.get("tom").unwrap();
    let scram = tom.scram.as_ref().unwrap();
    assert_eq!(scram.salt, (0..16).collect::<Vec<u8>>());
    assert_eq!(scram.iterations, Iterations::DEFAULT);
    assert_eq!((scram.stored_key, scram.server_key), ([1; 32], [2; 32]));
    assert_eq!(tom.home.as_deref(), Some(Path::new("/srv/tom \"and\" co")));
    assert_eq!(
        (tom.quota, tom.entries),
        (Some(ByteQuota::new(800_000_000)), Some(EntryQuota::new(7)))
    );
    assert_eq!(
        (tom.access(), tom.standing),
        (&Access::ReadOnly, AccountStatus::Disabled)
    );
    assert_eq!(
        (
            tom.ftp(),
            tom.data_close_notify,
            tom.publish_on_lost_control
        ),
        (
            FtpAccess::Refused,
            Some(CloseNotify::Warn),
            Some(LostControl::Publish)
        )
    );
    assert_eq!(tom.passwd, Some(PasswordRight::Changeable));
    let jerry = store.get("jerry").unwrap();
    assert_eq!(jerry.passwd, None);
    assert_eq!(
        (jerry.quota, jerry.entries, &jerry.home),
        (None, None, &None)
    );
    assert_eq!(
        (jerry.access(), jerry.standing),
        (&Access::ReadWrite, AccountStatus::Enabled)
    );
    assert_eq!(
        (
            jerry.ftp(),
            jerry.data_close_notify,
            jerry.publish_on_lost_control
        ),
        (FtpAccess::Allowed, None, None)
    );
}

#[test]
fn what_is_said_of_certificates_is_saved() {
    let fixture = Fixture::new();
    let mut tom = account();
    tom.certificate = Some(CertificateRule::Instead);
    tom.certificate_fingerprint = Some([7; 32].into());
    fixture.add("tom", tom);
    fixture.add("jerry", account());
    let store = UserStore::load(&fixture.path).unwrap();
    let said = |name| {
        let account = store.get(name).unwrap();
        (account.certificate(), account.certificate_fingerprint)
    };
    let (rule, fingerprint) = (CertificateRule::Instead, Some([7; 32].into()));
    assert_eq!(said("tom"), (rule, fingerprint));
    assert_eq!(said("jerry"), (CertificateRule::Off, None));
}

#[test]
fn what_is_said_of_ftp_is_written_as_people_write_it() {
    let fixture = Fixture::new();
    fixture.add("tom", account());
    let text = || fs::read_to_string(&fixture.path).unwrap();
    for key in ["ftp", "data_close_notify", "publish_on_lost_control"] {
        assert!(!text().contains(key), "{key} is the default: {}", text());
    }
    let mut jerry = account();
    jerry.ftp = Some(FtpAccess::Refused);
    jerry.data_close_notify = Some(CloseNotify::Prefer);
    jerry.publish_on_lost_control = Some(LostControl::Publish);
    fixture.add("jerry", jerry);
    for line in [
        "ftp: false,",
        "data_close_notify: Prefer,",
        "publish_on_lost_control: true,",
    ] {
        assert!(
            text().contains(&format!("\n            {line}\n")),
            "{line}"
        );
    }
    let wrong = text().replace("ftp: false", "ftp: off");
    let said = Fixture::written(&wrong).said();
    assert!(
        said.ends_with("users[\"jerry\"].ftp: write true or false, without quotes"),
        "{said}"
    );
    let wrong = text().replace(
        "publish_on_lost_control: true",
        "publish_on_lost_control: 1",
    );
    let said = Fixture::written(&wrong).said();
    assert!(
        said.ends_with(".publish_on_lost_control: write true or false, without quotes"),
        "{said}"
    );
}

#[test]
fn who_may_change_the_password_is_written_as_people_write_it() {
    let fixture = Fixture::new();
    fixture.add("tom", account());
    let text = || fs::read_to_string(&fixture.path).unwrap();
    assert!(!text().contains("passwd"), "{}", text());
    for (name, right, line) in [
        ("jerry", PasswordRight::Fixed, "passwd: false,"),
        ("sam", PasswordRight::Changeable, "passwd: true,"),
    ] {
        let mut account = account();
        account.passwd = Some(right);
        fixture.add(name, account);
        let line = format!("\n            {line}\n");
        assert!(text().contains(&line), "{}", text());
    }
    let wrong = text().replace("passwd: false", "passwd: off");
    let said = Fixture::written(&wrong).said();
    assert!(
        said.ends_with("users[\"jerry\"].passwd: write true or false, without quotes"),
        "{said}"
    );
}

#[test]
fn the_file_is_for_its_owner_and_for_people() {
    let fixture = Fixture::new();
    let mut tom = account();
    tom.quota = Some(ByteQuota::new(800_000_000));
    fixture.add("tom", tom);
    assert_eq!(fs::metadata(&fixture.path).unwrap().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&fixture.path).unwrap();
    assert!(text.starts_with("// "), "{text}");
    assert!(text.contains("\n            quota: \"800MB\",\n"), "{text}");
    assert!(!text.contains("home"), "{text}");
    assert_eq!(
        fs::read_dir(fixture.folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn the_usual_number_of_rounds_is_that_of_most_accounts() {
    let store = Fixture::new();
    let usual = || UserStore::load(&store.path).unwrap().usual_iterations();
    let with = |rounds| {
        let mut account = account();
        account.scram.as_mut().unwrap().iterations = Iterations::new(rounds).unwrap();
        account
    };
    store.add("tom", with(10_000));
    assert_eq!(usual(), Iterations::new(10_000).ok());
    store.add("jerry", with(20_000));
    assert_eq!(usual(), Iterations::new(20_000).ok());
    store.add("sam", with(10_000));
    assert_eq!(usual(), Iterations::new(10_000).ok());
    assert_eq!(UserStore::default().usual_iterations(), None);
}

#[test]
fn a_store_that_others_can_touch_is_refused() {
    let fixture = Fixture::new();
    fixture.add("tom", account());
    for mode in [0o640, 0o604, 0o620, 0o601] {
        set_mode(&fixture.path, mode);
        let said = fixture.said();
        assert!(
            said.contains(&format!("has mode {mode:04o}; run: chmod 600 ")),
            "{said}"
        );
    }
    set_mode(&fixture.path, 0o400);
    assert_eq!(UserStore::load(&fixture.path).unwrap().len(), 1);
}

#[test]
fn only_a_plain_file_is_a_store() {
    let fixture = Fixture::new();
    assert!(
        fixture
            .said()
            .starts_with("users.ron: cannot be opened: no such file")
    );
    fs::create_dir(&fixture.path).unwrap();
    set_mode(&fixture.path, 0o700);
    assert_eq!(fixture.said(), "users.ron: is not a plain file");

    let linked = Fixture::new();
    let real = linked.folder.path().join("real.ron");
    fs::write(&real, "()").unwrap();
    set_mode(&real, 0o600);
    symlink(&real, &linked.path).unwrap();
    assert_eq!(
        linked.said(),
        "users.ron: is a symbolic link; put the file itself here"
    );
    let edited = UserStore::edit(&linked.path, |_| Ok::<_, Complaint>(()));
    assert!(edited.is_err(), "a save would replace the link");
}

#[test]
fn mistakes_made_by_hand_are_told_without_quoting_secrets() {
    let entry = |key: &str| {
        format!(
            "(\n users: {{\n  \"tom\": (scram: (salt: \"AAECAwQFBgc=\", iterations: 600000,\n   \
             stored_key: \"{key}\",\n   server_key: \"{key}\")),\n }},\n)"
        )
    };
    let good = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    assert_eq!(
        UserStore::load(&Fixture::written(&entry(good)).path)
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        Fixture::written(&entry("AQEBAQ==")).said(),
        "users.ron:4:16: users[\"tom\"].scram.stored_key: a key is 32 bytes in base64"
    );
    assert_eq!(
        Fixture::written(&entry("not base64")).said(),
        "users.ron:4:16: users[\"tom\"].scram.stored_key: this is not base64"
    );
    assert_eq!(
        Fixture::written(&entry(good).replace("600000", "5")).said(),
        "users.ron:3:53: users[\"tom\"].scram.iterations: 5 is not from 10000 to 10000000"
    );
    assert_eq!(
        Fixture::written(&entry(good).replace("AAECAwQFBgc=", "AAEC")).said(),
        "users.ron:3:25: users[\"tom\"].scram.salt: a salt is 8 to 64 bytes in base64"
    );
    assert_eq!(
        Fixture::written("(users: {\"tom\": (quota: \"1MB\")})").said(),
        "users.ron:1:10: users[\"tom\"]: the key \"scram\" is missing; add it, or the \"hash\" \
         of another server"
    );
}

#[test]
fn a_hash_of_another_server_stands_in_the_place_of_a_verifier() {
    let store = |keys: &str| Fixture::written(&format!("(users: {{\n\"tom\": ({keys}),\n}})"));
    let checksum = "a".repeat(86);
    let hash = format!("$6$salt${checksum}");
    let good = store(&format!("hash: \"{hash}\""));
    let loaded = UserStore::load(&good.path).unwrap();
    assert_eq!(loaded.get("tom").unwrap().hash, Some(hash.parse().unwrap()));
    assert_eq!(loaded.usual_hash(), Some(&hash.parse().unwrap()));
    assert_eq!(loaded.usual_iterations(), None);
    UserStore::edit(&good.path, |_| Ok::<_, Complaint>(())).unwrap();
    let again = fs::read_to_string(&good.path).unwrap();
    assert!(again.contains(&format!("hash: \"{hash}\"")) && !again.contains("scram"));
    for (keys, said) in [
        (
            "hash: \"$6$rounds=2147483648$salt$\"".replace("$salt$", &format!("$salt${checksum}")),
            "users.ron:2:15: users[\"tom\"].hash: the number of rounds of this sha512-crypt hash is \
             2147483648, and may be 1000 to 5000000",
        ),
        (
            "hash: \"$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\""
                .to_owned(),
            "users.ron:2:15: users[\"tom\"].hash: the memory in KiB of this argon2 hash is 4194304, \
             and may be 32 to 262144",
        ),
        (
            "hash: \"$6$salt$short\"".to_owned(),
            "users.ron:2:15: users[\"tom\"].hash: this is no whole sha512-crypt hash; copy it again, \
             with all its characters",
        ),
        (
            format!("hash: \"{hash}\", {SCRAM}"),
            "users.ron:2:1: users[\"tom\"]: \"scram\" and \"hash\" are both there; keep one of them",
        ),
        (
            "hash: \"*\"".to_owned(),
            "users.ron:2:15: users[\"tom\"].hash: this account is locked: its password begins with \
             '*'; leave it out, or give it one",
        ),
    ] {
        assert_eq!(store(&keys).said(), said);
    }
}

#[test]
fn a_change_that_fails_leaves_the_file_alone() {
    let fixture = Fixture::new();
    fixture.add("tom", account());
    let before = FileStamp::at(&fixture.path);
    let twice = UserStore::edit(&fixture.path, |store| {
        store.remove(&name("tom"))?;
        store.remove(&name("tom"))?;
        Ok::<_, Failed>(())
    });
    assert_eq!(twice.unwrap_err().to_string(), "there is no user tom");
    assert_eq!(FileStamp::at(&fixture.path), before);
    let again = UserStore::edit(&fixture.path, |store| {
        Ok::<_, Failed>(store.add(name("tom"), account())?)
    });
    assert_eq!(
        again.unwrap_err().to_string(),
        "there is a user tom already"
    );
}

#[test]
fn what_cannot_be_read_is_not_overwritten() {
    let fixture = Fixture::written("(users: {oops");
    let edited = UserStore::edit(&fixture.path, |store| {
        Ok::<_, Failed>(store.add(name("tom"), account())?)
    });
    assert!(edited.is_err());
    assert_eq!(fs::read_to_string(&fixture.path).unwrap(), "(users: {oops");
}

#[test]
fn a_save_that_was_cut_short_is_no_obstacle() {
    let fixture = Fixture::new();
    fs::write(fixture.folder.path().join(".users.ron.new"), "half of").unwrap();
    fixture.add("tom", account());
    assert_eq!(UserStore::load(&fixture.path).unwrap().len(), 1);
}

#[test]
fn a_loaded_store_knows_when_the_file_changed() {
    let fixture = Fixture::new();
    fixture.add("tom", account());
    let store = UserStore::load(&fixture.path).unwrap();
    assert!(store.is_current(&fixture.path));
    fixture.add("sam", account());
    assert!(!store.is_current(&fixture.path));
    let store = UserStore::load(&fixture.path).unwrap();
    fs::remove_file(&fixture.path).unwrap();
    assert!(!store.is_current(&fixture.path));
    assert!(!UserStore::default().is_current(&fixture.path));
}

#[test]
fn editors_at_the_same_time_lose_nothing() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let fixture = &fixture;
            scope.spawn(move || {
                for round in 0..8 {
                    fixture.add(&format!("user{writer}-{round}"), account());
                }
            });
        }
    });
    assert_eq!(UserStore::load(&fixture.path).unwrap().len(), 32);
}

/// Only root can give files away, and only root needs to.
#[test]
fn a_change_by_root_leaves_the_store_to_its_owner() {
    let fixture = Fixture::new();
    if chown(fixture.folder.path(), Some(4711), None).is_err() {
        return;
    }
    fixture.add("tom", account());
    let owner = || fs::metadata(&fixture.path).unwrap().uid();
    assert_eq!(
        owner(),
        4711,
        "a new store belongs to whom the folder belongs to"
    );
    chown(&fixture.path, Some(4712), None).unwrap();
    fixture.add("sam", account());
    assert_eq!(owner(), 4712, "a changed one to whom it belonged");
}

const SCRAM: &str = "scram: (salt: \"AAECAwQFBgc=\", iterations: 10000, \
     stored_key: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\", \
     server_key: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\")";

const STUDENTS: &str = r#"
    groups: {
        "students": (
            home: "students/%u",
            quota: "50MB",
            access: Rights([list, get]),
            folders: { "/in": DropBox, "/work": ReadWrite },
            hours: ["mon-fri 08:00-18:00"],
            deny: ["10.0.0.0/8"],
            ftp: false,
            certificate: Required,
        ),
    },"#;

/// A store of tom, with these keys.
fn store_of_tom(groups: &str, keys: &str) -> Fixture {
    Fixture::written(&format!(
        "({groups}\n    users: {{ \"tom\": ({SCRAM}, {keys}) }})\n"
    ))
}

#[test]
fn an_account_has_from_its_group_what_it_has_not_itself() {
    let fixture = store_of_tom(STUDENTS, "group: \"students\"");
    let store = UserStore::load(&fixture.path).unwrap();
    let tom = store.get("tom").unwrap();
    assert_eq!(tom.access().to_string(), "list,get");
    assert_eq!(tom.quota, Some(ByteQuota::new(50_000_000)));
    assert_eq!(tom.ftp(), FtpAccess::Refused);
    assert_eq!(tom.certificate(), CertificateRule::Required);
    assert_eq!(tom.folders.len(), 2);
    assert!(!tom.admits("10.1.2.3".parse().unwrap()));
    assert!(tom.admits("192.0.2.1".parse().unwrap()));
    assert!(tom.is_timed());
    let config = skiff_conf::Server::parse("()", Path::new("/x/server.ron")).unwrap();
    let home = config.home(&name("tom"), tom);
    assert_eq!(home, Path::new("/x/homes/students/tom"));

    let keys = "group: \"students\", access: ReadOnly, folders: { \"/in\": ReadOnly }, ftp: true, \
                certificate: Off";
    let fixture = store_of_tom(STUDENTS, keys);
    let store = UserStore::load(&fixture.path).unwrap();
    let tom = store.get("tom").unwrap();
    assert_eq!(tom.access(), &Access::ReadOnly);
    assert_eq!(tom.ftp(), FtpAccess::Allowed);
    assert_eq!(tom.certificate(), CertificateRule::Off);
    let folders: Vec<_> = tom.folders.values().map(Access::to_string).collect();
    assert_eq!(folders, ["read-only", "read-write"]);
}

#[test]
fn what_is_inherited_is_not_written_to_the_account() {
    let fixture = store_of_tom(STUDENTS, "group: \"students\"");
    let edited: Result<(), Failed> = UserStore::edit(&fixture.path, |store| {
        store.get_mut(&name("tom"))?.entries = Some(EntryQuota::new(9));
        Ok(())
    });
    edited.unwrap();
    let text = fs::read_to_string(&fixture.path).unwrap();
    assert_eq!(text.matches("access:").count(), 1, "{text}");
    let store = UserStore::load(&fixture.path).unwrap();
    let tom = store.get("tom").unwrap();
    assert_eq!(tom.entries, Some(EntryQuota::new(9)));
    assert_eq!(tom.access().to_string(), "list,get");
}

#[test]
fn a_rule_that_names_nothing_known_is_refused_with_the_nearest() {
    for (groups, keys, told) in [
        (
            STUDENTS,
            "group: \"studens\"",
            "tom names the group studens, which is not there; did you mean \"students\"?",
        ),
        (
            "",
            "group: \"x\"",
            "tom names the group x, which is not there; nothing may stand here",
        ),
        (
            "",
            "access: Rights([list, gett])",
            "\"gett\" is not known; did you mean \"get\"?",
        ),
        (
            "",
            "access: Readonly",
            "\"Readonly\" is not known; did you mean \"ReadOnly\"?",
        ),
        (
            "",
            "folders: { \"in\": ReadOnly }",
            "\"in\" is not a folder of the home; write its path",
        ),
        (
            "",
            "hours: [\"always\"]",
            "\"always\" is not hours; write them such as",
        ),
        (
            "",
            "expires: \"2027-02-30\"",
            "\"2027-02-30\" is not a day; write it such as",
        ),
        (
            "",
            "allow: [\"ten\"]",
            "\"ten\" is not an address or a network",
        ),
    ] {
        let said = store_of_tom(groups, keys).said();
        assert!(said.contains(told), "{keys}: {said}");
        let place: Vec<&str> = said.splitn(4, ':').collect();
        assert!(
            place[0] == "users.ron" && place[1].parse::<usize>().is_ok(),
            "{said}"
        );
    }
}
