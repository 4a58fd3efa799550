//! Tests of the values that valid settings files give.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skiff_conf::{
    Account, ByteQuota, Client, CloseNotify, Durability, EntryQuota, FtpTls, Iterations, Level,
    LogFormat, LogTarget, LostControl, PassiveAddress, Resumption, Server, Tls, TlsVersion,
    UserName, UserStore, Verifier, Walls, read_password,
};

fn server(text: &str) -> Server {
    Server::parse(text, Path::new("/etc/skiff/server.ron")).unwrap()
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn account() -> Account {
    Account::new(Verifier {
        salt: vec![0; 16],
        iterations: Iterations::MIN,
        stored_key: [0; 32],
        server_key: [0; 32],
    })
}

#[test]
fn files_are_their_owners_alone_unless_a_group_is_configured() {
    let modes = |text: &str| {
        let server = server(text);
        (server.file_mode.bits(), server.dir_mode.bits())
    };
    assert_eq!(modes("()"), (0o600, 0o700));
    assert_eq!(modes(r#"(group: "www")"#), (0o640, 0o750));
    assert_eq!(modes(r#"(file_mode: "0644")"#), (0o644, 0o700));
}

#[test]
fn who_is_named_by_number_alone_is_understood() {
    let run_as = server(r#"(run_as: (user: "998"))"#).run_as.unwrap();
    assert_eq!((&*run_as.user, run_as.group), ("998", None));
}

#[test]
fn homes_may_be_counted_weekly() {
    let weekly = server(r#"(recount: "7d")"#).recount;
    assert_eq!(weekly, Some(Duration::from_secs(7 * 86_400)));
}

#[test]
fn every_key_is_taken_over() {
    let server = server(
        r#"(
            native: (listen: ["127.0.0.1:99"], tls: Off),
            tls: (certificate: "c.pem", key: "/k.pem", names: ["A.example"],
                others: [(certificate: "/r.pem", key: "r.key")], minimum: "1.3"),
            homes: "/srv", state: "s", users: "u.ron",
            run_as: (user: "skiff", group: "www"), walls: Strict,
            quota: (default: "1GB", entries: 5, users: {"tom": "7B"}),
            durability: None, file_mode: "640", dir_mode: "2750", group: "www",
            stage_ttl: "2d", stage_idle: "5s", free_space_floor: "1K", recount: Never,
            limits: (sessions: 1, sessions_per_address: 2, sessions_per_user: 3, before_login: 4,
                login: "5s", idle: "6min", stall: "7h", attempts: 8, ban: "9d", ban_after: 10,
                ban_address_after: 11, exempt: ["10.0.0.0/8"]),
            scram_iterations: 10000,
            log: (access: "a.log", level: Debug, format: Json, xferlog: "x.log"),
        )"#,
    );
    assert_eq!(server.native.listen, ["127.0.0.1:99".parse().unwrap()]);
    assert_eq!(server.native.tls, Tls::Off);
    let [identity, other] = &server.tls.identities[..] else {
        panic!("{:?}", server.tls);
    };
    assert_eq!(identity.certificate, Path::new("/etc/skiff/c.pem"));
    assert_eq!(identity.key, Path::new("/k.pem"));
    assert_eq!(identity.names[0].as_str(), "a.example");
    assert_eq!(other.key, Path::new("/etc/skiff/r.key"));
    assert!(other.names.is_empty());
    assert_eq!(server.tls.minimum, TlsVersion::Tls13);
    assert_eq!(server.homes, Path::new("/srv"));
    assert_eq!(server.state, Path::new("/etc/skiff/s"));
    assert_eq!(server.users, Path::new("/etc/skiff/u.ron"));
    assert_eq!(server.run_as.unwrap().group.as_deref(), Some("www"));
    assert_eq!(server.walls, Walls::Strict);
    assert_eq!(
        (server.quota.default.get(), server.quota.entries.get()),
        (1_000_000_000, 5)
    );
    assert_eq!(server.quota.users[&name("tom")], ByteQuota::new(7));
    assert_eq!(server.durability, Durability::None);
    assert_eq!(
        (server.file_mode.bits(), server.dir_mode.bits()),
        (0o640, 0o2750)
    );
    assert_eq!(server.group.as_deref(), Some("www"));
    assert_eq!(server.stages.ttl, Duration::from_secs(2 * 86_400));
    assert_eq!(server.stages.idle, Duration::from_secs(5));
    assert_eq!(server.stages.free_space_floor.get(), 1024);
    assert_eq!(server.recount, None);
    let limits = server.limits;
    assert_eq!((limits.sessions, limits.sessions_per_address), (1, 2));
    assert_eq!((limits.sessions_per_user, limits.before_login), (3, 4));
    assert_eq!(limits.login, Duration::from_secs(5));
    assert_eq!(limits.idle, Duration::from_secs(6 * 60));
    assert_eq!(limits.stall, Duration::from_secs(7 * 3600));
    assert_eq!((limits.attempts, limits.ban_after), (8, 10));
    assert_eq!(limits.ban_address_after, 11);
    assert_eq!(limits.ban, Duration::from_secs(9 * 86_400));
    assert!(limits.exempts("::ffff:10.9.9.9".parse::<IpAddr>().unwrap()));
    assert!(!limits.exempts("127.0.0.1".parse::<IpAddr>().unwrap()));
    assert_eq!(server.scram_iterations, Iterations::MIN);
    assert_eq!(
        server.log.access,
        LogTarget::File("/etc/skiff/a.log".into())
    );
    assert_eq!(server.log.level, Level::Debug);
    assert_eq!(server.log.format, LogFormat::Json);
    assert_eq!(server.log.xferlog, Some(PathBuf::from("/etc/skiff/x.log")));
}

#[test]
fn every_key_of_ftp_is_taken_over() {
    let ftp = server(
        r#"(
            ftp: (listen: ["127.0.0.1:21"], implicit: ["127.0.0.1:990", "[::1]:990"],
                tls: Optional, passive_ports: "2000-2009", passive_address: "ftp.example",
                data_tls_resumption: Require, data_close_notify: Warn,
                publish_on_lost_control: true, data_timeout: "3s")
        )"#,
    )
    .ftp;
    assert_eq!(ftp.listen, ["127.0.0.1:21".parse().unwrap()]);
    let implicit = ["127.0.0.1:990", "[::1]:990"].map(|text| text.parse().unwrap());
    assert_eq!(ftp.implicit, implicit);
    assert_eq!(ftp.tls, FtpTls::Optional);
    assert_eq!(ftp.passive_ports.unwrap().to_string(), "2000-2009");
    assert_eq!(
        ftp.passive_address,
        PassiveAddress::Host("ftp.example".to_owned())
    );
    assert_eq!(ftp.data_tls_resumption, Resumption::Require);
    assert_eq!(ftp.data_close_notify, CloseNotify::Warn);
    assert_eq!(ftp.publish_on_lost_control, LostControl::Publish);
    let ftp_defaults = server("()").ftp;
    assert_eq!(ftp_defaults.data_close_notify, CloseNotify::Prefer);
    assert_eq!(ftp_defaults.publish_on_lost_control, LostControl::Discard);
    assert_eq!(ftp.data_timeout, Duration::from_secs(3));
    assert!(ftp.is_on());
    assert!(!server("(ftp: (listen: []))").ftp.is_on());
}

#[test]
fn the_nearest_word_on_a_quota_wins() {
    let server = server(r#"(quota: (default: "1MB", entries: 9, users: {"tom": "2MB"}))"#);
    let allowed = |user: &str, quota: Option<u64>, entries: Option<u64>| {
        let mut account = account();
        account.quota = quota.map(ByteQuota::new);
        account.entries = entries.map(EntryQuota::new);
        let allowance = server.allowance(&name(user), &account);
        (allowance.bytes.get(), allowance.entries.get())
    };
    assert_eq!(allowed("jerry", None, None), (1_000_000, 9));
    assert_eq!(allowed("tom", None, None), (2_000_000, 9));
    assert_eq!(allowed("tom", Some(3), Some(4)), (3, 4));
    assert_eq!(allowed("tom", Some(0), None), (0, 9));
}

#[test]
fn a_home_is_in_homes_unless_the_account_says_another() {
    let server = server("(homes: \"/srv\")");
    let home = |given: Option<&str>| {
        let mut account = account();
        account.home = given.map(PathBuf::from);
        server.home(&name("tom"), &account)
    };
    assert_eq!(home(None), Path::new("/srv/tom"));
    assert_eq!(home(Some("shared")), Path::new("/srv/shared"));
    assert_eq!(home(Some("/data/tom")), Path::new("/data/tom"));
}

#[test]
fn advice_names_what_may_surprise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.ron");
    let quiet = r#"native: (listen: ["127.0.0.1:8001"]), ftp: (listen: ["127.0.0.1:2121"])"#;
    for made in ["homes", "state"] {
        fs::create_dir(folder.path().join(made)).unwrap();
    }
    let state = folder.path().join("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let mut users = UserStore::default();
    users
        .add(
            name("tom"),
            Account {
                quota: Some(ByteQuota::new(1)),
                ..account()
            },
        )
        .unwrap();
    let keys = |text: &str, users: Option<&UserStore>| -> Vec<&str> {
        let server = Server::parse(&format!("({text})"), &path).unwrap();
        server
            .advice(users)
            .iter()
            .map(|advice| advice.key)
            .collect()
    };

    assert_eq!(keys(quiet, Some(&users)), [""; 0]);
    assert_eq!(keys(quiet, None), ["users"]);
    assert_eq!(keys(quiet, Some(&UserStore::default())), ["users"]);
    assert_eq!(keys("", Some(&users)), ["native.listen", "ftp.listen"]);
    let open = "native: (listen: [\"192.0.2.1:1\"], tls: Off), ftp: (listen: [])";
    assert_eq!(keys(open, Some(&users)), ["native.tls"]);
    for (setting, key) in [
        ("homes: \"none\"", "homes"),
        ("state: \"homes/state\"", "state"),
        ("tls: (certificate: \"c\", key: \"none\")", "tls.key"),
        ("durability: None", "durability"),
        ("file_mode: \"0666\"", "file_mode"),
        ("scram_iterations: 10000", "scram_iterations"),
        ("limits: (sessions: 1)", "limits.sessions_per_user"),
        ("stage_idle: \"2d\"", "stage_idle"),
        ("limits: (idle: \"5s\")", "limits.idle"),
        ("log: (access: \"none/a.log\")", "log.access"),
        ("quota: (users: {\"tom\": 5000000})", "quota.users"),
        ("quota: (users: {\"gone\": 5000000})", "quota.users"),
        (
            "proxy_protocol: (listen: [\"127.0.0.1:8001\"], from: [\"0.0.0.0/0\"])",
            "proxy_protocol.from",
        ),
    ] {
        let found = keys(&format!("{quiet}, {setting}"), Some(&users));
        assert!(found.contains(&key), "{setting}: {found:?}");
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(keys(quiet, Some(&users)).contains(&"state"));
}

#[test]
fn a_log_may_go_to_a_file_to_standard_error_or_to_syslog() {
    let access = |keys: &str| {
        let text = format!("(log: ({keys}))");
        let server = Server::parse(&text, Path::new("/etc/server.ron")).unwrap();
        server.log.access
    };
    assert_eq!(access(""), LogTarget::StandardError);
    assert_eq!(access("access: \"syslog\""), LogTarget::Syslog);
    let file = LogTarget::File("/etc/syslog.log".into());
    assert_eq!(access("access: \"syslog.log\""), file);
}

#[test]
fn advice_on_ftp_names_what_may_surprise() {
    let told = |keys: &str| -> Vec<String> {
        let text = format!("(native: (listen: [\"127.0.0.1:8001\"]), ftp: ({keys}))");
        let server = Server::parse(&text, Path::new("/none/server.ron")).unwrap();
        let advice = server.advice(None).into_iter();
        let about_ftp = advice.filter(|advice| advice.key.starts_with("ftp."));
        about_ftp.map(|advice| advice.to_string()).collect()
    };
    let quiet = "listen: [\"203.0.113.7:21\", \"[2001:db8::7]:21\"]";
    let few = "passive_ports: \"61000-61008\"";
    let nothing = [""; 0];
    assert_eq!(told(quiet), nothing);
    assert_eq!(
        told("listen: [\"127.0.0.1:21\", \"[::1]:21\"], tls: Off"),
        nothing
    );
    assert_eq!(
        told(&format!("listen: [], tls: Off, {few}")),
        nothing,
        "no FTP at all"
    );
    assert_eq!(
        told(&format!("{quiet}, passive_ports: \"61000-61009\"")),
        nothing
    );
    for (keys, expected) in [
        (
            "listen: [], implicit: [\"[::]:990\"]".to_owned(),
            "ftp.implicit: [::]:990: on every address of this machine",
        ),
        (
            "listen: [\"203.0.113.7:21\", \"127.0.0.1:21\"], tls: Optional".to_owned(),
            "ftp.tls: Optional, so passwords may cross the network in clear from 203.0.113.7:21",
        ),
        (
            "listen: [\"203.0.113.7:21\"], tls: Off".to_owned(),
            "ftp.tls: Off, so passwords and files cross the network in clear from 203.0.113.7:21",
        ),
        (
            format!("{quiet}, tls_for: [(network: \"10.0.5.0/24\", tls: Off)]"),
            "ftp.tls_for: Off, so passwords and files cross the network in clear from 10.0.5.0/24",
        ),
        (
            format!("{quiet}, {few}"),
            "ftp.passive_ports: 61000-61008: every transfer and listing takes one, \
             and there are only 9",
        ),
        (
            "listen: [\"192.168.1.2:21\"]".to_owned(),
            "ftp.passive_address: auto, and 192.168.1.2:21 is private; \
             behind NAT, write the address outside",
        ),
        (
            "listen: [], implicit: [\"[::ffff:10.0.0.1]:990\"]".to_owned(),
            "ftp.passive_address: auto, and [::ffff:10.0.0.1]:990 is private; \
             behind NAT, write the address outside",
        ),
        (
            format!("{quiet}, passive_address: \"2001:db8::7\""),
            "ftp.passive_address: PASV cannot tell 2001:db8::7, only an IPv4 address (RFC 959); \
             write one",
        ),
    ] {
        assert_eq!(told(&keys), [expected], "{keys}");
    }
    let outside = "listen: [\"10.0.0.1:21\"], passive_address: \"203.0.113.7\"";
    assert_eq!(told(outside), nothing);
}

#[test]
fn advice_tells_of_a_shared_home() {
    let mut users = UserStore::default();
    users.add(name("tom"), account()).unwrap();
    let home = Some("tom".into());
    let jerry = Account { home, ..account() };
    users.add(name("jerry"), jerry).unwrap();
    let server = Server::parse("()", Path::new("/srv/server.ron")).unwrap();
    let shared = server.advice(Some(&users));
    let shared: Vec<String> = shared.iter().map(ToString::to_string).collect();
    assert!(
        shared.contains(&"users: jerry and tom share one home".to_owned()),
        "{shared:?}"
    );
}

#[test]
fn a_client_finds_its_files() {
    let client = Client::parse(
        r#"(server: "files.example", user: "tom", password_file: "pw", known_hosts: "/k",
            timeout: "5s", tls: Off)"#,
        Path::new("/srv/tom/client.ron"),
    )
    .unwrap();
    assert_eq!(client.server.to_string(), "files.example:8001");
    assert_eq!(client.user, Some(name("tom")));
    assert_eq!(
        client.password_file.as_deref(),
        Some(Path::new("/srv/tom/pw"))
    );
    assert_eq!(client.known_hosts.as_deref(), Some(Path::new("/k")));
    assert_eq!(
        (client.timeout, client.tls),
        (Duration::from_secs(5), Tls::Off)
    );

    let usual = Client::parse("()", Path::new("client.ron")).unwrap();
    assert_eq!((&usual.known_hosts, &usual.password_file), (&None, &None));
    let home = std::env::home_dir().unwrap();
    let text = r#"(known_hosts: "~/hosts", password_command: "pass show nas")"#;
    let mine = Client::parse(text, Path::new("client.ron")).unwrap();
    assert_eq!(mine.known_hosts, Some(home.join("hosts")));
    assert_eq!(mine.password_command.as_deref(), Some("pass show nas"));
}

#[test]
fn a_client_finds_its_hosts() {
    let hex = "a7".repeat(32);
    let text = format!(
        r#"(hosts: {{"nas": (server: "files.example", user: "tom", password_file: "pw",
            fingerprint: "sha256:{hex}", directory: "/photos", local_directory: "~/Pictures",
            tls: Off), "b": (server: "[::1]:7")}})"#
    );
    let client = Client::parse(&text, Path::new("/srv/tom/client.ron")).unwrap();
    let nas = &client.hosts["nas"];
    assert_eq!(nas.server.to_string(), "files.example:8001");
    assert_eq!(nas.user, Some(name("tom")));
    assert_eq!(nas.password_file.as_deref(), Some(Path::new("/srv/tom/pw")));
    assert_eq!(nas.fingerprint, hex.parse().ok());
    assert_eq!(nas.directory.as_deref(), Some("/photos"));
    let home = std::env::home_dir().unwrap();
    assert_eq!(nas.local_directory, Some(home.join("Pictures")));
    assert_eq!(nas.tls, Some(Tls::Off));
    let plain = &client.hosts["b"];
    assert_eq!((plain.tls, &plain.user), (None, &None));
}

#[test]
fn a_password_file_is_private_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pw");
    let put = |text: &str, mode| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let refused = || read_password(&path).unwrap_err().to_string();
    put("se cret\r\nmore\n", 0o600);
    assert_eq!(read_password(&path).unwrap().as_str(), "se cret");
    put("\nsecret\n", 0o600);
    assert!(refused().ends_with("no password in its first line"));
    put("secret", 0o640);
    assert!(refused().contains("has mode 0640; run: chmod 600"));
    put(&"x".repeat(5000), 0o600);
    assert!(read_password(&path).is_err());
}
