//! Tests the verb table row by row: before the login, with read-only access, where TLS is demanded,
//! and during a transfer.

use skiff_sessions::server::TlsPolicy;
use skiff_sessions::wire::ftp::verbs::VERBS;

use super::rig::Rig;
use super::said::codes;
use super::world::{NEW, World};

/// One line, and its codes.
struct Row {
    line: &'static str,
    /// Before the login, TLS being optional.
    stranger: &'static [u16],
    reader: &'static [u16],
    /// Before the login, TLS being required and not there.
    clear: &'static [u16],
    running: Running,
}

/// While an upload runs.
enum Running {
    /// At once.
    Now(&'static [u16]),
    /// Behind the upload's 226.
    Then(&'static [u16]),
}

use Running::{Now, Then};

const fn row(
    line: &'static str,
    stranger: &'static [u16],
    reader: &'static [u16],
    clear: &'static [u16],
    running: Running,
) -> Row {
    Row {
        line,
        stranger,
        reader,
        clear,
        running,
    }
}

/// To be answered alike by everybody, whoever he is.
const fn alike(line: &'static str, codes: &'static [u16]) -> Row {
    row(line, codes, codes, codes, Then(codes))
}

/// After the login, whatever may be written.
const fn reading(line: &'static str, codes: &'static [u16]) -> Row {
    row(line, &[530], codes, &[530], Then(codes))
}

/// After the login, by who may write.
const fn writing(line: &'static str, codes: &'static [u16]) -> Row {
    row(line, &[530], &[550], &[530], Then(codes))
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("USER tom", &[331], &[503], &[530], Then(&[503])),
    row("PASS 123", &[503], &[503], &[503], Then(&[503])),
    alike("ACCT x", &[502]),
    reading("CWD d", &[250]),
    reading("XCWD d", &[250]),
    reading("CDUP", &[250]),
    reading("XCUP", &[250]),
    alike("SMNT x", &[502]),
    alike("REIN", &[220]),
    row("QUIT", &[221], &[221], &[221], Then(&[221])),
    reading("PORT 192,0,2,1,7,208", &[200]),
    reading("PASV", &[227]),
    reading("TYPE A", &[200]),
    alike("STRU F", &[200]),
    alike("MODE S", &[200]),
    row("RETR a", &[530], &[425], &[530], Then(&[425])),
    writing("STOR x", &[425]),
    writing("STOU", &[425]),
    writing("APPE x", &[425]),
    reading("ALLO 5", &[200]),
    reading("REST 5", &[350]),
    writing("RNFR a", &[350]),
    writing("RNTO x", &[503]),
    row("ABOR", &[530], &[226], &[530], Now(&[426, 226])),
    writing("DELE a", &[250]),
    writing("RMD d", &[550]),
    writing("XRMD d", &[550]),
    writing("MKD x", &[257]),
    writing("XMKD x", &[257]),
    reading("PWD", &[257]),
    reading("XPWD", &[257]),
    reading("LIST", &[425]),
    reading("NLST", &[425]),
    reading("SYST", &[215]),
    row("STAT", &[530], &[211], &[530], Now(&[211])),
    reading("STAT d", &[213]),
    alike("HELP", &[214]),
    row("NOOP", &[200], &[200], &[200], Now(&[200])),
    row("AUTH TLS", &[234], &[503], &[234], Then(&[503])),
    alike("ADAT x", &[502]),
    alike("PBSZ 0", &[503]),
    alike("PROT P", &[503]),
    alike("CCC", &[503]),
    alike("CONF x", &[502]),
    alike("ENC x", &[502]),
    alike("MIC x", &[502]),
    alike("FEAT", &[211]),
    alike("OPTS UTF8 ON", &[200]),
    reading("OPTS MLST size;", &[200]),
    reading("OPTS HASH", &[200]),
    reading("EPRT |1|192.0.2.1|2000|", &[200]),
    reading("EPSV", &[229]),
    reading("EPSV ALL", &[200]),
    reading("MLST a", &[250]),
    reading("MLSD", &[425]),
    reading("SIZE a", &[213]),
    reading("MDTM a", &[213]),
    writing("MDTM 20250102030405 a", &[213]),
    writing("MFMT 20250102030405 a", &[213]),
    row("HOST example.org", &[220], &[503], &[220], Then(&[503])),
    reading("AVBL", &[213]),
    reading("HASH a", &[213]),
    reading("RANG 0 5", &[350]),
    reading("XMD5 a", &[250]),
    reading("XSHA256 a", &[250]),
    reading("XSHA512 a", &[250]),
    alike("CLNT x", &[200]),
    alike("SITE HELP", &[214]),
    reading("SITE QUOTA", &[200]),
    reading("SITE STAGES", &[213]),
    writing("SITE UTIME 20250102030405 a", &[213]),
    writing("SITE CHMOD 600 a", &[200]),
    writing("SITE SYMLINK a x", &[257]),
];

fn greeted() -> World {
    World::new().greeted()
}

#[test]
fn no_verb_is_without_a_row() {
    let has_row = |name: &str| {
        ROWS.iter()
            .any(|row| row.line.split(' ').next() == Some(name))
    };
    for verb in VERBS {
        assert!(has_row(verb.name), "{}", verb.name);
    }
    let mut rig = Rig::new(World::new());
    let said = rig.expect("SITE HELP", &[214]);
    let [_, words @ .., _] = &said[0].lines[..] else {
        panic!("{said:?}");
    };
    assert!(!words.is_empty());
    for line in words {
        let word: Vec<&str> = line.split_whitespace().take(2).collect();
        let word = word.join(" ").replace(':', "");
        let known = ROWS.iter().any(|row| row.line.starts_with(&word));
        assert!(known, "{word}");
    }
}

#[test]
fn before_the_login() {
    for row in ROWS {
        let mut rig = Rig::new(greeted());
        assert_eq!(codes(&rig.types(row.line)), row.stranger, "{}", row.line);
    }
}

#[test]
fn where_tls_is_asked_for_and_not_there() {
    for row in ROWS {
        let mut rig = Rig::new(greeted().asking(TlsPolicy::Required));
        assert_eq!(codes(&rig.types(row.line)), row.clear, "{}", row.line);
    }
}

#[test]
fn who_may_only_read() {
    for row in ROWS {
        let mut rig = Rig::new(World::new().read_only());
        rig.expect("TYPE I", &[200]);
        let before = rig.disk.seen();
        assert_eq!(codes(&rig.types(row.line)), row.reader, "{}", row.line);
        assert_eq!(rig.disk.seen(), before, "{}", row.line);
    }
}

#[test]
fn during_a_transfer() {
    for row in ROWS {
        let mut rig = Rig::new(World::new());
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.expect("STOR up", &[150]);
        let now = codes(&rig.types(row.line));
        rig.sends_file(NEW);
        let then = codes(&rig.hears());
        let told = [&now[..], &then].concat();
        match row.running {
            Now(at_once) => {
                assert_eq!(now, at_once, "{}", row.line);
                let aborted = row.line == "ABOR";
                assert_eq!(told.len(), at_once.len() + usize::from(!aborted));
            }
            Then(behind) => {
                assert_eq!(now, [], "{}", row.line);
                assert_eq!(told, [&[226], behind].concat(), "{}", row.line);
            }
        }
        assert_eq!(rig.is_over(), row.line == "QUIT", "{}", row.line);
    }
}
