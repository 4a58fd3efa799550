//! Writes FEAT's reply (RFC 2389): rows of the verb table, and what differs by session.

use super::reply_line::Line;
use super::verbs::{ALGORITHMS, VERBS, algorithm_name};
use crate::digest::Algorithm;
use crate::wire::listing::{Fact, FactSet};
use crate::wire::reply::{Features, TlsOffer};

/// Features that belong to no verb: names are UTF-8 where their owners write it (RFC 2640), and
/// paths are made of names and `/` (RFC 3659 section 6).
const FEATURES_WITHOUT_VERB: [&str; 2] = ["TVFS", "UTF8"];

/// Features of TLS (RFC 4217 section 6).
const TLS: [&str; 3] = ["AUTH TLS", "PBSZ", "PROT"];

pub(super) fn push(features: &Features, code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text("features").end();
    if features.tls == TlsOffer::Offered {
        push_all(TLS, out);
    }
    push_all(VERBS.iter().filter_map(|verb| verb.feature), out);
    Line::between(out)
        .text("HASH ")
        .text(digests(features.algorithm))
        .end();
    Line::between(out)
        .text("MLST ")
        .text(facts(features.facts))
        .end();
    push_all(FEATURES_WITHOUT_VERB, out);
    Line::last(code, out).text("end").end();
}

fn push_all(lines: impl IntoIterator<Item = &'static str>, out: &mut Vec<u8>) {
    for line in lines {
        Line::between(out).text(line).end();
    }
}

/// The digest algorithms, with a star behind the chosen one (draft-bryan-ftp-hash).
fn digests(chosen: Algorithm) -> String {
    ALGORITHMS
        .map(|algorithm| format!("{}{}", algorithm_name(algorithm), star(algorithm == chosen)))
        .join(";")
}

/// The facts, with a star behind each chosen one (RFC 3659 section 7.8).
fn facts(chosen: FactSet) -> String {
    Fact::ALL
        .map(|fact| format!("{}{};", fact.name(), star(chosen.has(fact))))
        .concat()
}

fn star(chosen: bool) -> &'static str {
    if chosen { "*" } else { "" }
}
