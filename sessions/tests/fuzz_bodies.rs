//! Runs the bodies of the fuzz targets with fixed seeds, and with the seed corpora.

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use bodies::conversation::{conversation, talk_of};
use bodies::ftp::{ftp, ftp_dialogue_of};
use bodies::input::{bytes_of, choices_of, seeds};
use bodies::paths::paths;
use bodies::replies::replies;
use bodies::scram::scram;
use bodies::session::session;
use bodies::{frames, ftp_lines, ftp_talk_of, lines, proxy_header, proxy_header_of};

type Body = fn(&[u8]);

#[test]
fn every_seed_of_the_corpora() {
    let targets: [(&str, Body); 10] = [
        ("conversation", conversation),
        ("frames", frames),
        ("ftp", ftp),
        ("ftp_lines", ftp_lines),
        ("lines", lines),
        ("paths", paths),
        ("proxy_header", proxy_header),
        ("replies", replies),
        ("scram", scram),
        ("session", session),
    ];
    for (target, body) in targets {
        for seed in seeds(target) {
            body(&seed);
        }
    }
}

#[test]
fn lines_of_noise_and_of_words() {
    for seed in 0..300 {
        lines(&bytes_of(seed, 400));
        lines(&talk_of(seed, 60));
    }
    lines(&vec![b'x'; 20_000]);
}

#[test]
fn ftp_lines_of_noise_and_of_words() {
    for seed in 0..1000 {
        ftp_lines(&bytes_of(seed, 400));
        ftp_lines(&ftp_talk_of(seed, 60));
    }
    ftp_lines(&[&[b'x'; 20_000][..], b"\nABOR\n"].concat());
}

#[test]
fn headers_of_proxies_and_of_noise() {
    for seed in 0..20_000 {
        proxy_header(&proxy_header_of(seed));
        proxy_header(&bytes_of(seed, 40));
    }
    proxy_header(&[&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat());
}

#[test]
fn frames_of_noise_and_of_small_lengths() {
    for seed in 0..300 {
        let noise = bytes_of(seed, 400);
        frames(&noise);
        let small: Vec<u8> = noise
            .chunks(9)
            .flat_map(|data| [&[0, 0, 0, 5], data].concat())
            .collect();
        frames(&small);
    }
}

#[test]
fn conversations_of_noise_and_of_words() {
    for seed in 0..2000 {
        conversation(&bytes_of(seed, 300));
        conversation(&talk_of(seed, 80));
    }
}

#[test]
fn ftp_conversations_of_noise_and_of_words() {
    for seed in 0..2000 {
        ftp(&bytes_of(seed, 300));
        ftp(&ftp_dialogue_of(seed, 60));
    }
}

#[test]
fn paths_of_noise_and_of_few_letters() {
    for seed in 0..2000 {
        paths(&bytes_of(seed, 300));
        // Letters, slashes and dots, in pieces of seven.
        let letters = bytes_of(seed, 300);
        let text = letters
            .iter()
            .map(|b| b"ab/../%2F.//\r\xff-"[usize::from(b % 15)]);
        let sized = text.enumerate().map(|(i, b)| if i % 9 < 2 { 7 } else { b });
        let data: Vec<u8> = sized.collect();
        paths(&data);
    }
}

#[test]
fn replies_of_noise_and_of_choices() {
    for seed in 0..2000 {
        replies(&bytes_of(seed, 300));
        replies(&[&[2], &*choices_of(seed, 300, 40)].concat());
    }
}

#[test]
fn forged_logins() {
    for seed in 0..400 {
        scram(&bytes_of(seed, 60));
        scram(&choices_of(seed, 60, 6));
    }
}

#[test]
fn sessions_of_noise_and_of_events() {
    for seed in 0..3000 {
        session(&bytes_of(seed, 300));
        session(&choices_of(seed, 300, 128));
    }
}
