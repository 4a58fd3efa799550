//! Hooks: programs that are run once something has happened, beside a daemon with all its walls.

mod camera;
mod failures;
mod handover;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Daemon, Ftp, md5, until, write_settings};

/// Writes down what it reads, with one variable of its environment.
const NOTE: &str = r#"{ printf '%s ' "$SKIFF_PATH"; cat; } > $at/note.$$ && cat $at/note.$$ >> $at/noted && rm $at/note.$$"#;

/// A folder with a program that does what the script says, with `$at` for the folder.
fn folder_with(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_script(folder.path(), script);
    folder
}

fn write_script(folder: &Path, script: &str) {
    let path = folder.join("hook");
    let script = script.replace("$at", folder.to_str().unwrap());
    // What runs of the old one goes on with it.
    let new = folder.join("hook.new");
    std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// The list `on` with the program for each of these events, and more keys for each.
fn on(folder: &Path, events: &[&str], more: &str) -> String {
    let run = folder.join("hook");
    let hooks = events
        .iter()
        .map(|event| format!("(event: {event}, run: [{run:?}], {more})"));
    format!("on: [{}],", hooks.collect::<Vec<_>>().join(", "))
}

/// A demo with FTP, whose hooks for these events do what the script says.
fn with(script: &str, events: &[&str], more: &str) -> Daemon {
    let folder = folder_with(script);
    let on = on(folder.path(), events, more);
    write_settings(
        folder.path(),
        &format!("ftp: (listen: [], tls: Optional), {on}"),
    );
    Daemon::with_ftp_in(folder)
}

/// What the program has noted: SKIFF_PATH, and the object.
fn noted(folder: &Path) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(folder.join("noted")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.ends_with('}'));
    let parts = lines.map(|line| line.split_once(" {").unwrap());
    parts
        .map(|(path, rest)| {
            let object = serde_json::from_str(&format!("{{{rest}")).unwrap();
            (path.to_owned(), object)
        })
        .collect()
}

/// Waits until it has noted so many.
#[track_caller]
fn wait_noted(daemon: &Daemon, count: usize) -> Vec<(String, Value)> {
    until("what the hook notes", || {
        let noted = noted(daemon.folder());
        assert!(noted.len() <= count, "{noted:?}");
        (noted.len() == count).then_some(noted)
    })
}

const ALL: [&str; 5] = ["Upload", "Download", "Delete", "Rename", "Login"];

/// What the hook has noted last, of so many events.
#[track_caller]
fn last(daemon: &Daemon, count: usize) -> Value {
    let (path, object) = wait_noted(daemon, count).pop().unwrap();
    assert_eq!(object["path"], path.as_str());
    object
}

#[track_caller]
fn assert_told(object: &Value, event: &str, path: &str) {
    assert_eq!(object["event"], event, "{object}");
    assert_eq!(object["path"], path, "{object}");
}

#[test]
fn each_event_of_skiff_is_told() {
    let daemon = with(NOTE, &ALL, "");
    let home = daemon.home("tom");
    let host = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let mut tom = daemon.login("tom");
    let login = last(&daemon, 1);
    assert_told(&login, "Login", "/");
    assert_eq!(login["file"], home.to_str().unwrap());
    tom.put("", "a file", b"12345");
    let upload = last(&daemon, 2);
    assert_told(&upload, "Upload", "/a file");
    assert_eq!(upload["user"], "tom");
    assert_eq!(upload["file"], host("a file"));
    assert_eq!(upload["size"], 5);
    assert_eq!(upload["md5"], md5(b"12345"));
    assert_eq!(upload["address"], "127.0.0.1");
    assert_eq!(upload["try"], 1);
    let time = upload["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    assert_eq!(tom.get("a file"), b"12345");
    let download = last(&daemon, 3);
    assert_told(&download, "Download", "/a file");
    assert_eq!(download["size"], 5);
    assert_eq!(download["md5"], upload["md5"]);
    tom.ask("RNFR a file", 350);
    tom.ask("351 b", 250);
    let rename = last(&daemon, 4);
    assert_told(&rename, "Rename", "/a file");
    assert_eq!(rename["to"], "/b");
    assert_eq!(rename["to_file"], host("b"));
    tom.ask("DELE b", 250);
    assert_told(&last(&daemon, 5), "Delete", "/b");
}

#[test]
fn each_event_of_ftp_is_told() {
    let daemon = with(NOTE, &ALL, "");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_told(&last(&daemon, 1), "Login", "/");
    for (name, size, count) in [("long", 100_000, 2), ("short", 1, 4), ("empty", 0, 6)] {
        assert_eq!(tom.upload(&format!("STOR {name}"), &vec![b'7'; size]), 226);
        let upload = last(&daemon, count);
        assert_told(&upload, "Upload", &format!("/{name}"));
        assert_eq!(upload["size"], size);
        assert_eq!(upload["md5"], Value::Null);
        let (code, text) = tom.listing(&format!("RETR {name}"));
        assert_eq!((code, text.len()), (226, size));
        let download = last(&daemon, count + 1);
        assert_told(&download, "Download", &format!("/{name}"));
        assert_eq!(download["size"], size);
    }
    assert_eq!(tom.ask("RNFR long"), 350);
    assert_eq!(tom.ask("RNTO c"), 250);
    let rename = last(&daemon, 8);
    assert_told(&rename, "Rename", "/long");
    assert_eq!(rename["to"], "/c");
    let to = daemon.home("tom").join("c");
    assert_eq!(rename["to_file"], to.to_str().unwrap());
    assert_eq!(tom.ask("DELE c"), 250);
    assert_told(&last(&daemon, 9), "Delete", "/c");
    assert_eq!(tom.ask("MKD d"), 257);
    assert_eq!(tom.ask("RMD d"), 250);
    assert_told(&last(&daemon, 10), "Delete", "/d");
}

/// Without fsync, the worker that has received a short file publishes it at once.
#[test]
fn a_short_upload_that_need_not_be_on_the_disk_is_told_once() {
    let folder = folder_with(NOTE);
    let on = on(folder.path(), &["Upload"], "");
    let keys = format!("ftp: (listen: [], tls: Optional), durability: None, {on}");
    write_settings(folder.path(), &keys);
    let daemon = Daemon::with_ftp_in(folder);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    for (count, line, size) in [(1, "STOR a", 3), (2, "APPE a", 6), (3, "STOR b", 3)] {
        assert_eq!(tom.upload(line, b"123"), 226);
        let upload = last(&daemon, count);
        assert_told(&upload, "Upload", &format!("/{}", &line[5..]));
        assert_eq!(upload["size"], size);
    }
}

#[test]
fn what_did_not_happen_is_not_told() {
    let daemon = with(NOTE, &["Upload", "Delete", "Rename", "Login"], "");
    assert_eq!(Ftp::try_login(daemon.ftp_address(), "tom", "wrong").1, 530);
    let mut sam = Ftp::login(daemon.ftp_address(), "sam");
    assert_eq!(sam.ask("DELE nothing"), 550);
    assert_eq!(sam.ask("RNFR nothing"), 550);
    assert_eq!(sam.upload("STOR no/folder", b"1"), 550);
    assert_eq!(sam.upload("STOR it", b"1"), 226);
    let noted = wait_noted(&daemon, 2);
    let events: Vec<_> = noted.iter().map(|(_, it)| it["event"].as_str()).collect();
    assert!(
        events.contains(&Some("Login")) && events.contains(&Some("Upload")),
        "{noted:?}"
    );
}

#[test]
fn a_hook_is_for_whom_it_names() {
    let daemon = with(NOTE, &["Upload"], "users: [\"sam\"]");
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR of-tom", b"1"), 226);
    let mut sam = Ftp::login(daemon.ftp_address(), "sam");
    assert_eq!(sam.upload("STOR of-sam", b"1"), 226);
    assert_eq!(wait_noted(&daemon, 1)[0].0, "/of-sam");
}

#[test]
fn names_of_a_shared_folder_are_those_that_the_user_sees() {
    let folder = folder_with(NOTE);
    let shared = folder.path().join("media");
    std::fs::create_dir(&shared).unwrap();
    let on = on(folder.path(), &["Upload", "Rename"], "");
    write_settings(
        folder.path(),
        &format!(
            "ftp: (listen: [], tls: Optional), {on} \
             folders: {{\"Media\": (path: {shared:?}, users: [\"tom\"])}},"
        ),
    );
    let daemon = Daemon::with_ftp_in(folder);
    let mut tom = Ftp::login(daemon.ftp_address(), "tom");
    assert_eq!(tom.upload("STOR Media/film", b"1"), 226);
    let (path, upload) = wait_noted(&daemon, 1).pop().unwrap();
    assert_eq!(path, "/Media/film");
    let host = |name: &str| shared.join(name).to_str().unwrap().to_owned();
    assert_eq!(upload["file"], host("film"));
    assert_eq!(tom.ask("RNFR Media/film"), 350);
    assert_eq!(tom.ask("RNTO Media/show"), 250);
    let (_, rename) = wait_noted(&daemon, 2).pop().unwrap();
    assert_eq!(
        (&rename["to"], &rename["to_file"]),
        (&"/Media/show".into(), &host("show").into())
    );
}

/// Bytes that are not UTF-8 are whole in the environment.
#[test]
fn a_name_of_any_bytes_reaches_the_program() {
    let daemon = with(
        "test -e \"$SKIFF_FILE\" && cat >> $at/noted.raw && printf '%s' \"$SKIFF_PATH\" > $at/path",
        &["Upload"],
        "",
    );
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=1 caf%e9", 150);
    tom.fill(b"1", b"1");
    let path = until("the path", || {
        std::fs::read(daemon.folder().join("path"))
            .ok()
            .filter(|it| !it.is_empty())
    });
    assert_eq!(path, b"/caf\xe9");
}

/// A file that is there as its final name is what the hook of a drop box hears of.
#[test]
fn a_taken_name_of_a_drop_box_is_told_as_it_became() {
    let daemon = with(NOTE, &["Upload"], "");
    daemon.user(&["set", "sam", "--access", "drop-box"], "");
    let mut sam = Ftp::login(daemon.ftp_address(), "sam");
    for _ in 0..2 {
        assert_eq!(sam.upload("STOR scan.pdf", b"1"), 226);
    }
    let noted = wait_noted(&daemon, 2);
    let mut files: Vec<_> = noted
        .iter()
        .map(|(_, it)| it["file"].as_str().unwrap())
        .collect();
    files.sort_unstable();
    files.dedup();
    assert_eq!(files.len(), 2, "{noted:?}");
    for file in files {
        assert!(Path::new(file).exists(), "{file}");
    }
}
