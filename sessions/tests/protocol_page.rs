//! Tests that PROTOCOL.md tells the truth: its test vectors, features, verbs and limits.

#![allow(clippy::unwrap_used, reason = "a test may")]

use base64ct::{Base64, Encoding};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::path::{PathArg, SENT_PATH_MAX};
use skiff_sessions::scram::{
    Binding, ClientFirst, ClientLogin, KeyDerivation, Verifier, prove_change,
};
use skiff_sessions::wire::command::{
    Answer, Command, NewVerifier, PasswordChange, Replace, Store, Turn,
};
use skiff_sessions::wire::line::LINE_MAX;
use skiff_sessions::wire::native::frames::{ABORT, END, FRAME_MAX};
use skiff_sessions::wire::native::replies::IDLE_USUAL;
use skiff_sessions::wire::native::verbs::VERBS;
use skiff_sessions::wire::native::{codes, commands};
use skiff_sessions::wire::reply::Reply;
use skiff_sessions::wire::stamp::Stamp;

const PAGE: &str = include_str!("../PROTOCOL.md");

#[track_caller]
fn page_has(text: &str) {
    assert!(PAGE.contains(text), "the page lacks:\n{text}");
}

fn client_line(command: &Command) -> String {
    let mut line = Vec::new();
    commands::encode(command, &mut line);
    format!("C  {}\n", String::from_utf8(line).unwrap().trim_end())
}

fn server_line(reply: &Reply) -> String {
    let mut line = Vec::new();
    codes::encode(reply, &mut line);
    format!("S  {}\n", String::from_utf8(line).unwrap().trim_end())
}

fn text(message: &[u8]) -> String {
    format!("   {}\n", String::from_utf8(message.to_vec()).unwrap())
}

#[test]
fn the_login_of_the_page() {
    let binding = Binding::TlsExporter(std::array::from_fn(|n| n as u8));
    let salt: Vec<u8> = (0x40..0x50).collect();
    let verifier = Verifier::derive("pencil", salt, 10_000).unwrap();
    let client = ClientLogin::new("tom", "rOprNGfwEbeRWgbNEkqO", binding.clone());
    let (login, first) = client.unwrap();
    let challenge = ClientFirst::parse(&first).unwrap();
    let server_nonce = "3rfcNHYJY1ZVvWVs7j";
    let challenge = challenge.challenge(&verifier, &binding, server_nonce);
    let (proof, challenge) = challenge.unwrap();
    let (signature, last) = login.answer(&challenge, "pencil").unwrap();
    let welcome = proof.verify(&last).unwrap();
    signature.check(&welcome).unwrap();

    let lines = [
        client_line(&Command::Login {
            first: first.clone(),
        }),
        text(&first),
        server_line(&Reply::Challenge {
            scram: challenge.clone(),
        }),
        text(&challenge),
        client_line(&Command::Prove { last: last.clone() }),
        text(&last),
        server_line(&Reply::LoggedIn {
            scram: welcome.clone(),
            digest: Algorithm::Md5,
            idle: IDLE_USUAL,
        }),
        text(&welcome),
    ];
    page_has(&lines.concat());
    for key in [verifier.stored_key, verifier.server_key] {
        page_has(&Base64::encode_string(&key));
    }
}

#[test]
fn the_change_of_a_password_of_the_page() {
    let channel: [u8; 32] = std::array::from_fn(|n| n as u8);
    let derivation = KeyDerivation {
        salt: (0x40..0x50).collect(),
        iterations: 10_000,
    };
    let new = Verifier::derive("another", (0x50..0x60).collect(), 10_000).unwrap();
    let binding = Binding::TlsExporter(channel);
    let proof = prove_change("pencil", &derivation, &binding, &new).unwrap();
    let base64 = Base64::encode_string;
    let message = format!(
        "skiff-passwd-1,c={},s={},i=10000,stored={},server={}",
        base64(&channel),
        base64(&new.salt),
        base64(&new.stored_key),
        base64(&new.server_key),
    );
    let new = NewVerifier {
        salt: new.salt.clone(),
        iterations: new.iterations,
        stored_key: new.stored_key,
        server_key: new.server_key,
    };
    let lines = [
        client_line(&Command::SetPassword(Box::new(PasswordChange {
            new,
            proof,
        }))),
        text(message.as_bytes()),
        server_line(&Reply::PasswordChanged),
    ];
    page_has(&lines.concat());
}

#[test]
fn the_upload_of_the_page() {
    let content = b"hello, skiff\n";
    let sum = Algorithm::Sha256.of(content);
    let store = Store {
        path: PathArg::new(&b"caf\xe9 100%.txt"[..]).unwrap(),
        size: content.len() as u64,
        modified: Some(Stamp(1_767_323_045)),
        digest: Algorithm::Sha256,
        declared: None,
        replace: Replace::Never,
        turn: Turn::Negotiate,
    };
    let hex = |bytes: &[u8]| {
        let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("C  {}\n", words.join(" "))
    };
    let (one, two) = content.split_at(5);
    let frame = |part: &[u8]| hex(&[&(part.len() as u32).to_be_bytes()[..], part].concat());
    let size = content.len() as u64;
    let lines = [
        client_line(&Command::Store(store)),
        server_line(&Reply::SendNow),
        frame(one),
        frame(two),
        hex(&END),
        client_line(&Command::Answer(Answer::AllSent { sum })),
        server_line(&Reply::Stored { size, sum }),
    ];
    page_has(&lines.concat());
    page_has(&Algorithm::Md5.of(content).to_string());
    assert_eq!(ABORT, [0xff; 4]);
}

#[test]
fn each_feature_has_a_row() {
    let mut line = Vec::new();
    codes::encode(&Reply::Challenge { scram: vec![1] }, &mut line);
    let line = String::from_utf8(line).unwrap();
    let (_, features) = line.split_once(" features=").unwrap();
    let features = features.split(' ').next().unwrap();
    assert!(features.split(',').count() > 10);
    for feature in features.split(',') {
        page_has(&format!("| `{feature}` |"));
    }
    page_has(&format!(" v=1 features={features} "));
}

#[test]
fn each_verb_has_a_row_and_each_token_stands_in_it() {
    for verb in VERBS {
        if verb.name.parse::<u16>().is_ok() {
            assert!(
                PAGE.contains(&format!("| {} |", verb.name)),
                "{}",
                verb.name
            );
            continue;
        }
        let row = PAGE
            .lines()
            .filter(|line| line.starts_with(&format!("| {} |", verb.name)));
        let row: String = row.collect();
        assert!(!row.is_empty(), "{} has no row", verb.name);
        let words = verb
            .syntax
            .split(|c: char| !(c.is_ascii_lowercase() || c == '='));
        for token in words.filter(|word| word.ends_with('=')) {
            let told = row.contains(token) || (verb.name == "STOR" && PAGE.contains(token));
            assert!(told, "{} says nothing of {token}", verb.name);
        }
    }
}

#[test]
fn the_limits_of_the_page() {
    for number in [LINE_MAX, SENT_PATH_MAX, FRAME_MAX as usize] {
        let plain = number.to_string();
        let grouped = format!("{},{:03}", number / 1000, number % 1000);
        let grouped = grouped.replace("1048,", "1,048,");
        assert!(PAGE.contains(&plain) || PAGE.contains(&grouped), "{number}");
    }
}
