//! Runs the bodies of the fuzz targets with fixed seeds.

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use bodies::ftp::{ftp, ftp_dialogue_of};
use bodies::{bytes_of, conversation, frames, ftp_lines, ftp_talk_of, lines, talk_of};

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
