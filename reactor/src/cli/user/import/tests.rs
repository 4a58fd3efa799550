//! Tests the import of users: what files say, and that all are added or none.

use std::ffi::OsString;

use skiff_conf::{Account, FtpAccess, PasswordRight, Rate, WhenFull};
use skiff_sessions::scram;

use super::*;

struct Place {
    folder: tempfile::TempDir,
}

const GROUPS: &str = "(groups: {\"pupils\": (quota: \"50MB\", home: \"pupils/%u\")}, users: {})";
const SHA: &str = "$6$gxIIGskzJg9jZHxe$2pWFnACykgpmApI7PR8D8cOz6JGtwx9gdevOgSCOSUkPMhKkqvOfveTLmXJd3B5fD99y2aUfpNdtcrGz2ZIh7/";

impl Place {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("homes/pupils")).unwrap();
        std::fs::create_dir(at("srv")).unwrap();
        std::fs::write(at("server.ron"), "(scram_iterations: 10000)").unwrap();
        std::fs::write(at("users.ron"), GROUPS).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(at("users.ron"), private).unwrap();
        Self { folder }
    }

    fn config(&self) -> Server {
        Server::load(&self.folder.path().join("server.ron")).unwrap()
    }

    /// Imports a file of this name and text; `SRV` in it is a folder that is there.
    fn import(&self, file: &str, text: &str, options: &str) -> Result<String, String> {
        let path = self.folder.path().join(file);
        let srv = self.folder.path().join("srv");
        std::fs::write(&path, text.replace("SRV", srv.to_str().unwrap())).unwrap();
        let mut words: Vec<OsString> = options.split_whitespace().map(OsString::from).collect();
        words.push(path.into());
        let parsed = parse(Arguments::from_vec(words)).map_err(|failure| failure.to_string())?;
        let Verb::Import(import) = parsed else {
            panic!("another command");
        };
        let folder = format!("{}/", self.folder.path().display());
        match run(&self.config(), &import) {
            Ok(lines) => Ok(lines.join("\n").replace(&folder, "")),
            Err(failure) => Err(failure.to_string().replace(&folder, "")),
        }
    }

    fn store(&self) -> UserStore {
        UserStore::load(&self.config().users).unwrap()
    }

    fn account(&self, name: &str) -> Account {
        self.store().get(name).unwrap().clone()
    }

    fn homes(&self) -> Vec<String> {
        let listed = std::fs::read_dir(self.folder.path().join("homes")).unwrap();
        let mut names: Vec<_> = listed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn proves(account: &Account, password: &str) -> bool {
    let kept = account.scram.as_ref().unwrap();
    let made = scram::Verifier::derive(password, kept.salt.clone(), kept.iterations.get());
    made.unwrap().stored_key == kept.stored_key
}

#[test]
fn a_csv_becomes_users_with_homes() {
    let place = Place::new();
    let told = place.import(
        "pupils.csv",
        &format!(
            "\u{feff}Name,password,hash,quota,group,access,expires,home\r\n\
             tom,\"pass, \"\"word\"\"\",,1GB,,read-only,2027-01-31,\r\n\
             \r\n\
             jerry,,{SHA},,pupils,,,\r\n\
             sam, spaces ,,unlimited,,,,SRV/sam\n"
        ),
        "",
    );
    assert_eq!(
        told.unwrap(),
        "3 users are added\n\
         1 of them have hashes: they log in by FTP first, and by skiff after that\n\
         a skiffd that runs reaches 1 of their homes after a restart (walls)"
    );
    let tom = place.account("tom");
    assert!(proves(&tom, "pass, \"word\""));
    assert_eq!(tom.quota.unwrap().to_string(), "1GB");
    assert_eq!(tom.access().to_string(), "read-only");
    assert_eq!(tom.expires.unwrap().to_string(), "2027-01-31");
    assert!(proves(&place.account("sam"), " spaces "));
    let jerry = place.account("jerry");
    assert_eq!(jerry.hash.unwrap().as_str(), SHA);
    assert_eq!(jerry.quota.unwrap().to_string(), "50MB");
    assert_eq!(place.homes(), ["pupils", "tom"]);
    assert!(place.folder.path().join("homes/pupils/jerry").is_dir());
    assert!(place.folder.path().join("srv/sam").is_dir());
}

#[test]
fn columns_are_the_keys_of_accounts() {
    let place = Place::new();
    let table = format!(
        "name,hash,keep,ring,upload_rate,session_download_rate,ftp,passwd\n\
         tom,{SHA},14d,on,1MB,unlimited,off,off\n\
         jerry,{SHA},,,,,,\n"
    );
    place.import("pupils.csv", &table, "").unwrap();
    let tom = place.account("tom");
    assert_eq!(tom.keep.unwrap().to_string(), "14d");
    assert_eq!(tom.ring, Some(WhenFull::RemoveOldest));
    assert_eq!(tom.rates.unwrap().upload.unwrap().get(), Some(1_000_000));
    assert_eq!(tom.session_rates.unwrap().download, Some(Rate::UNLIMITED));
    assert_eq!(
        (tom.ftp, tom.passwd),
        (Some(FtpAccess::Refused), Some(PasswordRight::Fixed))
    );
    let jerry = place.account("jerry");
    assert_eq!((jerry.keep, jerry.ring, jerry.rates), (None, None, None));
    let objects = format!(
        "{{\"name\": \"ann\", \"hash\": \"{SHA}\", \"rates\": {{\"download\": \"5MB\"}}, \
         \"ring\": false}}"
    );
    place.import("more.json", &objects, "").unwrap();
    let ann = place.account("ann");
    assert_eq!(ann.rates.unwrap().download.unwrap().get(), Some(5_000_000));
    assert_eq!(ann.ring, Some(WhenFull::Refuse));
}

#[test]
fn hundreds_are_added_by_one_change_or_none_is() {
    let place = Place::new();
    let lines: String = (0..300)
        .map(|n| format!("u{n}:{SHA}:19800:0:99999:7:::\n"))
        .collect();
    let before = std::fs::read(place.config().users).unwrap();
    let wrong = place
        .import(
            "shadow",
            &format!("{lines}u7:{SHA}:19800:0:99999:7:::\n"),
            "",
        )
        .unwrap_err();
    assert!(
        wrong.starts_with("shadow:301: u7 stands in line 8 already"),
        "{wrong}"
    );
    assert_eq!(std::fs::read(place.config().users).unwrap(), before);
    assert_eq!(place.homes(), ["pupils"]);
    let told = place.import("shadow", &lines, "").unwrap();
    assert!(told.starts_with("300 users are added"), "{told}");
    assert_eq!((place.store().len(), place.homes().len()), (300, 301));
}

#[test]
fn semicolons_and_line_ends_in_quotes() {
    let place = Place::new();
    let table = "name;password\ntom;\"a\nb\"\njerry;c;d\n";
    let wrong = place.import("a.csv", table, "").unwrap_err();
    assert!(wrong.starts_with("a.csv:4: there are 3 fields"), "{wrong}");
    let wrong = place
        .import("a.csv", "name;password\ntom;\"a\nb\njerry;c\n", "")
        .unwrap_err();
    assert!(
        wrong.starts_with("a.csv:2: the quote of a field that begins here"),
        "{wrong}"
    );
    let wrong = place
        .import("a.csv", "name;password\ntom;\"a\"b\n", "")
        .unwrap_err();
    assert!(
        wrong.starts_with("a.csv:2: after the closing quote"),
        "{wrong}"
    );
}

#[test]
fn json_becomes_users() {
    let place = Place::new();
    let list = r#"[
        {"name": "tom", "password": "geheim", "quota": 1000000000, "access": ["list", "get"],
         "folders": {"/in": "drop-box"}, "home": null},
        {"name": "jerry", "password": "geheim"}
    ]"#;
    assert_eq!(
        place.import("a.json", list, "--group pupils").unwrap(),
        "2 users are added"
    );
    let tom = place.account("tom");
    assert!(proves(&tom, "geheim"));
    assert_eq!(
        (tom.access().to_string().as_str(), tom.folders.len()),
        ("list,get", 1)
    );
    assert_eq!(place.account("jerry").quota.unwrap().to_string(), "50MB");
    let lines =
        "{\"name\": \"ann\", \"password\": \"x\"}\n{\"name\": \"bob\", \"password\": \"x\"}\n";
    assert_eq!(
        place.import("b.json", lines, "").unwrap(),
        "2 users are added"
    );
}

#[test]
fn pure_ftpds_file() {
    let place = Place::new();
    let told = place.import(
        "pureftpd.passwd",
        &format!(
            "tom:{SHA}:1000:1000::SRV/tom/./:::::::419430400:::10.0.0.0/8::0900-1800\n\
             jerry:{SHA}:1000:1000:Jerry:SRV/jerry/./in:1024:::::500::::::\n\
             sam:*:1000:1000::SRV/sam/./::::::::::::\n"
        ),
        "",
    );
    assert_eq!(
        told.unwrap().replace('\n', " | "),
        "2 users are added | 2 of them have hashes: they log in by FTP first, and by skiff after that \
         | a skiffd that runs reaches 2 of their homes after a restart (walls) | left out: limits of \
         bandwidth and ratios (of jerry) | left out: the folder after /./ in which a session begins; \
         it begins in the home (of jerry) | left out: uid and gid: new files are the daemon's (of \
         tom, jerry) | left out: users who are locked or have no password (of sam)"
    );
    let tom = place.account("tom");
    assert_eq!(tom.home.unwrap(), place.folder.path().join("srv/tom"));
    assert_eq!(tom.quota.unwrap().get(), 419_430_400);
    assert_eq!((tom.allow.unwrap().len(), tom.hours.unwrap().len()), (1, 1));
    assert_eq!(place.account("jerry").entries.unwrap().get(), 500);
}

#[test]
fn proftpds_file_and_shadow() {
    let place = Place::new();
    let line = format!("tom:{SHA}:1000:1000::SRV/tom:/bin/false\n");
    assert!(place.import("ftpd.passwd", &line, "").is_ok());
    assert_eq!(
        place.account("tom").home.unwrap(),
        place.folder.path().join("srv/tom")
    );
    let shadow = format!(
        "root:*:19800:0:99999:7:::\ndaemon:!:19800:0:99999:7:::\n\
         ann:{SHA}:19800:0:90:7::20820:\nbob:{SHA}:19800:0:99999:7:::\n"
    );
    assert_eq!(
        place.import("shadow", &shadow, "").unwrap(),
        "2 users are added\n\
         2 of them have hashes: they log in by FTP first, and by skiff after that\n\
         left out: users who are locked or have no password (of root, daemon)\n\
         left out: when a password must be changed (of ann)"
    );
    // Day 20820 is 2027-01-02.
    assert_eq!(
        place.account("ann").expires.unwrap().to_string(),
        "2027-01-01"
    );
    assert_eq!(place.account("bob").expires, None);
}

/// Names of files, their texts, and what is said of them.
const WRONG: &[(&str, &str, &str)] = &[
    ("a.csv", "", "a.csv:1: the file is empty"),
    (
        "a.csv",
        "name,pasword\n",
        "a.csv:1: unknown key \"pasword\"; did you mean \"password\"?",
    ),
    (
        "a.csv",
        "password,quota\nx,1MB\n",
        "a.csv:1: the first line names the columns, and name",
    ),
    (
        "a.csv",
        "name,name\n",
        "a.csv:1: the column name stands twice",
    ),
    (
        "a.csv",
        "name,password\ngood,x\nbad,x,y\n",
        "a.csv:3: there are 3 fields, and the first line names 2",
    ),
    (
        "a.csv",
        "name,password\ngood,x\na b,x\n",
        "a.csv:3: name: \"a b\" is not a user name",
    ),
    (
        "a.csv",
        "name,password\ngood,x\nbad,\n",
        "a.csv:3: bad has no password",
    ),
    (
        "a.csv",
        "name,password\ngood,x\n,x\n",
        "a.csv:3: name: it is missing",
    ),
    (
        "a.csv",
        "name,password\ngood,x\nbad,a\u{7}b\n",
        "a.csv:3: password: the password holds characters",
    ),
    (
        "a.csv",
        "name,password\ngood,x\ngood,y\n",
        "a.csv:3: good stands in line 2 already",
    ),
    (
        "a.csv",
        "name,password\ngood,x\nthere,y\n",
        "a.csv:3: there is a user there already",
    ),
    (
        "a.csv",
        "name,password,quota\ngood,x,\nbad,x,800\n",
        "a.csv:3: quota: 800 bytes? write \"800MB\"",
    ),
    (
        "a.csv",
        "name,password,group\ngood,x,\nbad,x,pupil\n",
        "a.csv:3: there is no group pupil",
    ),
    (
        "a.csv",
        "name,hash\nbad,secret\n",
        "a.csv:2: hash: this is no hash that is known here",
    ),
    (
        "a.csv",
        "name,password,hash\nbad,x,$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/\n",
        "a.csv:2: bad has a password and a hash",
    ),
    (
        "a.csv",
        "name,password,home\ngood,x,\nbad,x,/\n",
        "a.csv:3: home: / cannot be one",
    ),
    (
        "a.csv",
        "name,password,home\nbad,x,SRV/no/bad\n",
        "a.csv:2: home: srv/no, in which it is to be, is not there",
    ),
    (
        "a.json",
        "[{\"name\": \"good\", \"password\": \"x\"},\n {\"name\": \"bad\"}]",
        "a.json:2: bad has no password",
    ),
    (
        "a.json",
        "[{\"name\": \"good\", \"password\": \"x\"}\n {\"name\": \"bad\"}]",
        "a.json:2: after a user in the list",
    ),
    (
        "a.json",
        "[\n{\"name\": \"good\", \"password\": \"x\"},\n7]",
        "a.json:3: this is no object of a user",
    ),
    (
        "a.json",
        "{\"name\": \"bad\", \"passwort\": \"x\"}",
        "a.json:1: unknown key \"passwort\"; did you mean \"password\"?",
    ),
    (
        "a.json",
        "{\"name\": \"bad\", \"password\": true}",
        "a.json:1: password: write a text",
    ),
    (
        "ftpd.passwd",
        "tom:x:1:1::/srv/tom:/bin/sh\n",
        "ftpd.passwd:1: the password is in another file",
    ),
    (
        "ftpd.passwd",
        "# a comment\ntom:$1$\n",
        "ftpd.passwd:2: there are 2 fields",
    ),
    (
        "ftpd.passwd",
        "tom:$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/:1:1::tom:/bin/sh\n",
        "ftpd.passwd:1: home: \"tom\" is not absolute",
    ),
    (
        "shadow",
        "tom:$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/:x:0:9:7::soon:\n",
        "shadow:1: the day of the end, \"soon\"",
    ),
    (
        "pureftpd.passwd",
        "tom:$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/:1:1::/srv/tom:::::::x:::::\n",
        "pureftpd.passwd:1: the quota of bytes: \"x\"",
    ),
];

#[test]
fn a_wrong_line_changes_nothing_and_is_told_with_what_would_be_right() {
    let place = Place::new();
    place
        .import("a.csv", "name,password\nthere,x\n", "")
        .unwrap();
    let before = std::fs::read(place.config().users).unwrap();
    for (file, text, said) in WRONG {
        for options in ["", "--dry-run"] {
            let wrong = place.import(file, text, options).unwrap_err();
            assert!(wrong.starts_with(said), "{text}: {wrong}");
            let last = wrong.lines().last().unwrap();
            assert_eq!(last, "one thing is wrong; nothing is changed");
        }
        assert_eq!(std::fs::read(place.config().users).unwrap(), before);
        assert_eq!(place.homes(), ["pupils", "there"]);
    }
}

#[test]
fn every_wrong_line_is_told_in_its_order_up_to_a_bound() {
    let place = Place::new();
    let lines: String = (0..30).map(|n| format!("u{n},x,{n}\n")).collect();
    let wrong = place
        .import("a.csv", &format!("name,password,quota\n{lines}"), "")
        .unwrap_err();
    let told: Vec<&str> = wrong.lines().collect();
    assert!(told[0].starts_with("a.csv:2: quota: 0 bytes?"), "{wrong}");
    assert!(
        told[19].starts_with("a.csv:21: quota: 19 bytes?"),
        "{wrong}"
    );
    assert_eq!(told[20..], ["30 things are wrong; nothing is changed"]);
}

#[test]
fn a_home_that_cannot_be_made_takes_the_others_back() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("homes/file"), "").unwrap();
    let before = std::fs::read(place.config().users).unwrap();
    let table = "name,password,home\ngood,x,\ndeep,x,a/b/deep\nbad,x,file\n";
    let wrong = place.import("a.csv", table, "").unwrap_err();
    assert!(wrong.contains("homes/file: cannot be made"), "{wrong}");
    assert_eq!(std::fs::read(place.config().users).unwrap(), before);
    assert_eq!(place.homes(), ["file", "pupils"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let before = std::fs::read(place.config().users).unwrap();
    let told = place.import("a.csv", "name,password\ntom,x\n", "--dry-run");
    assert_eq!(told.unwrap(), "1 users would be added; nothing is changed");
    assert_eq!(std::fs::read(place.config().users).unwrap(), before);
    assert_eq!(place.homes(), ["pupils"]);
}

#[test]
fn the_format_is_that_of_the_name_or_the_option() {
    for (name, format) in [
        ("a.csv", Some(Format::Csv)),
        ("A.CSV", Some(Format::Csv)),
        ("a.json", Some(Format::Json)),
        ("pureftpd.passwd", Some(Format::Lines(Lines::PureFtpd))),
        ("ftpd.passwd", Some(Format::Lines(Lines::Passwd))),
        ("passwd", Some(Format::Lines(Lines::Passwd))),
        ("shadow", Some(Format::Lines(Lines::Shadow))),
        ("shadow.bak", Some(Format::Lines(Lines::Shadow))),
        ("users", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
    let place = Place::new();
    let wrong = place
        .import("users", "name,password\ntom,x\n", "")
        .unwrap_err();
    assert!(
        wrong.contains("say --format csv or json or pureftpd or shadow or passwd"),
        "{wrong}"
    );
    assert!(
        place
            .import("users", "name,password\ntom,x\n", "--format csv")
            .is_ok()
    );
    let wrong = place.import("a.csv", "", "--format xml").unwrap_err();
    assert!(wrong.contains("--format takes csv or json or"), "{wrong}");
}
