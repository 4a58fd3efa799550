//! The authenticators of `conf/authenticators`, with a directory server and a PAM service of their
//! own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{run, tool};
use crate::harness::{Daemon, Ftp, until, write_settings};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/authenticators");

/// The demo with FTP, with this authenticator.
fn with(folder: tempfile::TempDir, words: &[&str]) -> Daemon {
    let keys = "ftp: (listen: [], tls: Optional), authenticator: (deadline: \"20s\", run: ";
    write_settings(folder.path(), &format!("{keys}{words:?}),"));
    Daemon::with_ftp_in(folder)
}

fn code(daemon: &Daemon, user: &str, password: &str) -> u16 {
    Ftp::try_login(daemon.ftp_address(), user, password).1
}

/// Gives users.ron these groups.
fn write_groups(daemon: &Daemon, groups: &str) {
    let path = daemon.folder().join("users.ron");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replacen("users: {", &format!("groups: {{{groups}}},\nusers: {{"), 1);
    std::fs::write(&path, text).unwrap();
}

/// A directory server on a socket in its folder, which ends with this.
struct Slapd(Child);

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn quoted(path: &Path) -> String {
    path.to_str().unwrap().replace('/', "%2F")
}

impl Slapd {
    /// Serves 20 users, half of them pupils and one of the rest staff.
    fn start(slapd: &Path, folder: &Path) -> Option<Self> {
        let schemas = Path::new("/etc/ldap/schema");
        if !schemas.join("nis.schema").exists() {
            eprintln!("skipped: slapd has no schemas in {}", schemas.display());
            return None;
        }
        let at = |name: &str| folder.join(name);
        std::fs::create_dir(at("db")).unwrap();
        let includes = ["core", "cosine", "nis"].map(|name| {
            let schema = schemas.join(format!("{name}.schema"));
            format!("include {}\n", schema.display())
        });
        let settings = format!(
            "{}modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nmaxsize 10485760\n\
             suffix \"dc=example,dc=org\"\ndirectory {}\naccess to attrs=userPassword by anonymous \
             auth by * none\naccess to * by * read\n",
            includes.concat(),
            at("db").display()
        );
        std::fs::write(at("slapd.conf"), settings).unwrap();
        std::fs::write(at("data.ldif"), entries()).unwrap();
        let settings = at("slapd.conf");
        let settings = settings.to_str().unwrap();
        let add = slapd.with_file_name("slapadd");
        run(
            &add,
            &["-f", settings, "-l", at("data.ldif").to_str().unwrap()],
            "",
        );
        let socket = at("ldapi");
        let child = Command::new(slapd)
            .args(["-d", "0", "-f", settings, "-h"])
            .arg(format!("ldapi://{}", quoted(&socket)))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(child);
        until("the socket of slapd", || socket.exists().then_some(()));
        Some(server)
    }
}

fn entries() -> String {
    let mut text = String::from(
        "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\n\n\
         dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\n\n\
         dn: ou=groups,dc=example,dc=org\nobjectClass: organizationalUnit\n\n",
    );
    for number in 0..20 {
        text += &format!(
            "dn: uid=u{number},ou=people,dc=example,dc=org\nobjectClass: account\n\
             objectClass: posixAccount\ncn: U\nuidNumber: {}\ngidNumber: 1000\n\
             homeDirectory: /nowhere\nuserPassword: secret {number}\n\n",
            2000 + number
        );
    }
    for (group, members) in [("pupils", 0..10), ("staff", 10..11)] {
        text += &format!(
            "dn: cn={group},ou=groups,dc=example,dc=org\nobjectClass: posixGroup\ngidNumber: 1\n"
        );
        members.for_each(|number| text += &format!("memberUid: u{number}\n"));
        text.push('\n');
    }
    text
}

#[test]
fn users_of_a_directory_log_in() {
    let (Some(slapd), Some(_)) = (tool("slapd"), tool("ldapwhoami")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Slapd::start(&slapd, folder.path()) else {
        return;
    };
    let settings = std::fs::read_to_string(Path::new(SAMPLES).join("ldap.conf")).unwrap();
    let address = format!("ldapi://{}", quoted(&folder.path().join("ldapi")));
    let own = folder.path().join("ldap.conf");
    std::fs::write(&own, settings.replace("ldap://127.0.0.1", &address)).unwrap();
    let program = format!("{SAMPLES}/ldap");
    let daemon = with(folder, &[&program, own.to_str().unwrap()]);
    let groups = "\"pupils\": (quota: \"2MB\", access: ReadOnly), \"staff\": (quota: \"3MB\"),";
    write_groups(&daemon, groups);
    for number in 0..20 {
        let (user, password) = (format!("u{number}"), format!("secret {number}"));
        let expected = if number <= 10 { 230 } else { 530 };
        assert_eq!(code(&daemon, &user, &password), expected, "{user}");
        assert_eq!(code(&daemon, &user, "secret"), 530, "{user}");
    }
    for (user, password) in [
        ("nobody", "secret"),
        ("u1", ""),
        ("u1", "a*"),
        ("u", "secret 1"),
        // To the directory it is the same.
        ("U1", "secret 1"),
    ] {
        assert_eq!(code(&daemon, user, password), 530, "{user} {password}");
    }
    let mut pupil = Ftp::login_as(daemon.ftp_address(), "u3", "secret 3");
    assert_eq!(pupil.upload("STOR file", b"12345"), 550);
    let mut staff = Ftp::login_as(daemon.ftp_address(), "u10", "secret 10");
    assert_eq!(staff.upload("STOR file", b"12345"), 226);
    let quota = daemon.operator(&["quota", "--json"]);
    let quota = String::from_utf8(quota.stdout).unwrap();
    let limit = |user: &str| {
        let lines = quota
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut of_user = lines.filter(|line: &serde_json::Value| line["user"] == user);
        of_user.next().map(|line| line["limit"].as_u64().unwrap())
    };
    assert_eq!(
        (limit("u3"), limit("u10")),
        (Some(2_000_000), Some(3_000_000))
    );
    drop(server);
    assert_eq!(code(&daemon, "u4", "secret 4"), 230, "it is remembered");
    assert_eq!(code(&daemon, "u5", "another"), 421);
    daemon.wait_log("authenticator: it ended with exit status: 1: ldapsearch: ");
}

/// In a mount namespace of its own, where the system's users are two.
#[test]
#[ignore = "needs root"]
fn users_of_the_system_log_in_by_pam() {
    if tool("pamtester").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::create_dir(at("pam.d")).unwrap();
    let service = Path::new(SAMPLES).join("pam.service");
    std::fs::copy(service, at("pam.d/skiff")).unwrap();
    let users =
        "root:x:0:0::/root:/bin/sh\nann:x:5001:5001::/:/bin/sh\nbea:x:5002:5002::/:/bin/sh\n";
    std::fs::write(at("passwd"), users).unwrap();
    // "pass wörd", and an account that ended in 1970.
    let hash = "$6$gxIIGskzJg9jZHxe$2pWFnACykgpmApI7PR8D8cOz6JGtwx9gdevOgSCOSUkPMhKkqvOfveTLmXJd3B5fD99y2aUfpNdtcrGz2ZIh7/";
    let shadow =
        format!("root:*:1::::::\nann:{hash}:19800:0:99999:7:::\nbea:{hash}:1:0:99999:7::2:\n");
    std::fs::write(at("shadow"), shadow).unwrap();
    let (from, mount) = (folder.path().to_str().unwrap(), "mount --bind");
    let script = format!(
        "{mount} {from}/pam.d /etc/pam.d && {mount} {from}/passwd /etc/passwd && {mount} \
         {from}/shadow /etc/shadow && exec \"$0\" \"$@\""
    );
    let script: &'static str = script.leak();
    let before: Box<[&'static str]> = ["unshare", "--mount", "sh", "-c", script].into();
    let program = format!("{SAMPLES}/pam");
    let daemon = with(folder, &[&program, "skiff", "staff"]).behind(Box::leak(before));
    write_groups(&daemon, "\"staff\": (quota: \"3MB\"),");
    assert_eq!(code(&daemon, "ann", "pass wörd"), 230);
    assert_eq!(code(&daemon, "ann", "pass word"), 530);
    assert_eq!(
        code(&daemon, "bea", "pass wörd"),
        530,
        "the account is over"
    );
    assert_eq!(code(&daemon, "cem", "pass wörd"), 530);
}
