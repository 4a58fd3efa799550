//! Settings files of any text: what is accepted is within its stated limits, and what is refused is
//! told in one line that names the file and, where a value is wrong, its key.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use skiff_conf::{
    Account, Bytes, CLIENT_SAMPLE, Client, Complaint, Iterations, PassiveAddress, Proof,
    SERVER_SAMPLE, Server, UserName, UserStore,
};

use super::input::Input;

/// Durations as the samples state them: from a millisecond to a century.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(36_500 * 86_400);

pub(crate) fn settings(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 6 {
        0 => drop(server(&String::from_utf8_lossy(input.rest()))),
        1 => drop(client(&String::from_utf8_lossy(input.rest()))),
        2 => store(input.rest()),
        3 => one_key(SERVER_SAMPLE, server, &mut input),
        4 => one_key(CLIENT_SAMPLE, client, &mut input),
        _ => one_user(&mut input),
    }
}

fn server(text: &str) -> Result<(), Complaint> {
    let file = Path::new("/etc/skiff/server.ron");
    let server = match Server::parse(text, file) {
        Ok(server) => server,
        Err(complaint) => return Err(told(complaint, file, text)),
    };
    check_server(&server);
    check_limits(&server);
    Ok(())
}

fn check_server(server: &Server) {
    let paths = [&server.homes, &server.state, &server.users, &server.file];
    assert!(paths.iter().all(|path| path.is_absolute()));
    assert!(!server.native.listen.is_empty());
    let lists = [
        &server.native.listen,
        &server.ftp.listen,
        &server.ftp.implicit,
    ];
    let mut bound: Vec<_> = lists.into_iter().flatten().collect();
    let all = bound.len();
    bound.sort();
    bound.dedup();
    assert_eq!(bound.len(), all, "an address cannot be bound twice");
    if let Some(ports) = server.ftp.passive_ports {
        assert!(ports.first() >= 1024 && ports.first() <= ports.last());
        assert!(ports.len() >= 1 && ports.contains(ports.last()));
    }
    match &server.ftp.passive_address {
        PassiveAddress::Auto => {}
        PassiveAddress::Address(ip) => assert!(!ip.is_unspecified() && !ip.is_multicast()),
        PassiveAddress::Host(name) => assert!(!name.is_empty() && name.is_ascii()),
    }
    let (file, dir) = (server.file_mode.bits(), server.dir_mode.bits());
    assert!(file & !0o777 == 0 && file & 0o600 == 0o600);
    assert!(dir & !0o3777 == 0 && dir & 0o700 == 0o700);
}

fn check_limits(server: &Server) {
    let limits = &server.limits;
    let counts = [
        limits.sessions,
        limits.sessions_per_address,
        limits.sessions_per_user,
        limits.before_login,
        limits.attempts,
        limits.ban_after,
        limits.ban_address_after,
    ];
    assert!(counts.iter().all(|count| *count >= 1));
    let durations = [
        limits.login,
        limits.idle,
        limits.stall,
        limits.drain,
        limits.ban,
        server.stages.ttl,
        server.stages.idle,
        server.ftp.data_timeout,
        server.recount.unwrap_or(*DURATIONS.start()),
    ];
    assert!(durations.iter().all(|d| DURATIONS.contains(d)));
    let quotas = server.quota.users.values().chain([&server.quota.default]);
    let mut sizes = quotas.map(|quota| quota.get());
    assert!(sizes.all(|size| size <= Bytes::MAX.get()));
    assert!(server.stages.free_space_floor <= Bytes::MAX);
    assert!((Iterations::MIN..=Iterations::MAX).contains(&server.scram_iterations));
    server.quota.users.keys().for_each(check_name);
}

fn check_name(name: &UserName) {
    assert_eq!(name.as_str().parse().as_ref(), Ok(name));
}

fn client(text: &str) -> Result<(), Complaint> {
    let file = Path::new("/etc/skiff/client.ron");
    let client = match Client::parse(text, file) {
        Ok(client) => client,
        Err(complaint) => return Err(told(complaint, file, text)),
    };
    assert!(DURATIONS.contains(&client.timeout));
    assert!(!client.server.host.is_empty() && client.server.port != 0);
    assert!(!client.server.host.contains(char::is_whitespace));
    client.user.iter().for_each(check_name);
    Ok(())
}

fn store(content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let _ = users(&text);
}

fn users(text: &str) -> Result<(), Complaint> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.ron");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let store = match UserStore::load(&file) {
        Ok(store) => store,
        Err(complaint) => return Err(told(complaint, &file, text)),
    };
    for (name, account) in store.iter() {
        check_name(name);
        check_account(account);
    }
    // It is written as it was read.
    UserStore::edit(&file, |_| Ok::<_, Complaint>(())).unwrap();
    let again = UserStore::load(&file).unwrap();
    assert!(store.iter().map(plain).eq(again.iter().map(plain)));
    assert_eq!(store.usual_iterations(), again.usual_iterations());
    Ok(())
}

fn check_account(account: &Account) {
    match account.proof().unwrap() {
        Proof::Scram(scram) => {
            assert!((8..=64).contains(&scram.salt.len()));
            assert!((Iterations::MIN..=Iterations::MAX).contains(&scram.iterations));
        }
        Proof::Hash(hash) => assert!(hash.memory() <= 256 << 10),
    }
    let quota = account.quota.map_or(0, |quota| quota.get());
    assert!(quota <= Bytes::MAX.get());
}

/// All of an account, to be compared.
fn plain((name, account): (&UserName, &Account)) -> (String, Vec<u8>, Vec<[u8; 32]>) {
    let shown = format!("{name} {account:?}");
    match account.proof().unwrap() {
        Proof::Scram(scram) => {
            let keys = vec![scram.stored_key, scram.server_key];
            (shown, scram.salt.clone(), keys)
        }
        Proof::Hash(hash) => (shown, hash.as_str().into(), Vec::new()),
    }
}

/// What holds for every complaint: one line, which begins with the file and a place in it.
fn told(complaint: Complaint, file: &Path, text: &str) -> Complaint {
    let line = complaint.to_string();
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.starts_with(&*file.to_string_lossy()), "{line}");
    assert_eq!(complaint.file(), file);
    if let Some(place) = complaint.place() {
        let lines = text.split('\n').count();
        assert!((1..=lines).contains(&place.line), "{line}");
        let width = text.split('\n').nth(place.line - 1).unwrap();
        let columns = 1..=width.chars().count() + 1;
        assert!(columns.contains(&place.column), "{line}");
    }
    complaint
}

/// One key of a sample with another value: it is taken, or the complaint has the key in it.
fn one_key(sample: &str, check: fn(&str) -> Result<(), Complaint>, input: &mut Input<'_>) {
    let keys: Vec<_> = sample.lines().filter_map(key_of).collect();
    let (line, key) = *input.pick(&keys);
    let value = value(input);
    let changed = format!("{key}: {value},");
    let text = sample.replacen(line, &changed, 1);
    if let Err(complaint) = check(&text) {
        let complaint = complaint.to_string();
        assert!(complaint.contains(key), "{changed} gave {complaint}");
    }
}

/// A line of a sample that shows a key with its default, and the key.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let shown = line.trim_start().strip_prefix("//")?;
    let (key, value) = shown.split_once(": ")?;
    let is_key = |c: u8| c.is_ascii_lowercase() || c == b'_';
    (key.bytes().all(is_key) && value.ends_with(',')).then_some((line.trim_start(), key))
}

/// A value that is well formed, of any kind.
fn value(input: &mut Input<'_>) -> String {
    let units = [
        "", "B", "MB", "KiB", "T", "ms", "s", "min", "h", "d", ":", "-",
    ];
    match input.byte() % 8 {
        0 => input.number().to_string(),
        1 => format!("-{}", input.number()),
        2 => format!("{:?}", String::from_utf8_lossy(input.chunk())),
        3 => format!("\"{}{}\"", input.number(), input.pick(&units)),
        4 => {
            let mut port = || u32::from(input.byte()) << 8 | u32::from(input.byte());
            format!("\"{}-{}\"", port(), port())
        }
        5 => {
            let words = [
                "None", "Never", "On", "Off", "Require", "true", "Prefer", "[]",
            ];
            (*input.pick(&words)).to_owned()
        }
        6 => format!("[{:?}]", String::from_utf8_lossy(input.chunk())),
        _ => format!("\"127.0.0.{}:{}\"", input.byte(), input.number()),
    }
}

/// An account with one key of another value.
fn one_user(input: &mut Input<'_>) {
    let keys = [
        "home", "quota", "entries", "access", "standing", "ftp", "passwd",
    ];
    let key = input.pick(&keys);
    let value = value(input);
    let zeros = "A".repeat(43);
    let scram = format!(
        "salt: \"AAAAAAAAAAAAAAAAAAAAAA==\", iterations: {}, stored_key: \"{zeros}=\", server_key: \"{zeros}=\"",
        input.pick(&[10_000_u64, 9_999, 10_000_001, 600_000]),
    );
    let text = format!("(users: {{\"tom\": (scram: ({scram}), {key}: {value})}})");
    if let Err(complaint) = users(&text) {
        let complaint = complaint.to_string();
        let is_named = complaint.contains(key) || complaint.contains("iterations");
        assert!(is_named, "{text} gave {complaint}");
    }
}
