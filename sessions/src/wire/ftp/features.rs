//! Writes FEAT's reply (RFC 2389): rows of the verb table, and what differs by session.

use super::reply_line::Line;
use super::verbs::{ALGORITHMS, TLS, VERBS, algorithm_name};
use crate::digest::Algorithm;
use crate::wire::listing::{Fact, FactSet};
use crate::wire::reply::{Features, TlsOffer};

/// Features that belong to no verb: names are UTF-8 where their owners write it (RFC 2640), and
/// paths are made of names and `/` (RFC 3659 section 6).
const FEATURES_WITHOUT_VERB: [&str; 2] = ["TVFS", "UTF8"];

pub(super) fn push(features: &Features, code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text("features").end();
    if features.tls == TlsOffer::Offered {
        push_all(TLS.map(|(_, line)| line), out);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::wire::ftp::codes::encode;
    use crate::wire::ftp::verbs::{NOT_IMPLEMENTED, is_known};
    use crate::wire::reply::{HelpTopic, Reply};

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        encode(reply, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn features(tls: TlsOffer) -> Reply {
        Reply::Features(Features {
            tls,
            facts: FactSet::ALL,
            algorithm: Algorithm::Sha256,
        })
    }

    fn overview(tls: TlsOffer) -> Reply {
        let topic = HelpTopic::Overview;
        Reply::Help { topic, tls }
    }

    fn help(verb: &str) -> Reply {
        Reply::Help {
            topic: HelpTopic::Verb(verb.into()),
            tls: TlsOffer::Offered,
        }
    }

    #[test]
    fn features_are_the_table_s() {
        let text = written(&features(TlsOffer::Offered));
        let told: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(' '))
            .collect();
        for verb in VERBS {
            let line = verb.feature;
            assert!(
                line.is_none_or(|line| told.contains(&line)),
                "{}",
                verb.name
            );
            assert!(line.is_none_or(|line| line.starts_with(verb.name)));
            assert!(line.is_none() || verb.help != NOT_IMPLEMENTED);
        }
        for line in ["AUTH TLS", "PBSZ", "PROT"] {
            assert!(told.contains(&line), "{line}");
        }
        let not_verbs = ["TVFS", "UTF8"];
        for line in &told {
            let verb = line.split(' ').next().unwrap();
            assert!(is_known(verb) || not_verbs.contains(&verb), "{line}");
        }
        let unique: BTreeSet<_> = told.iter().collect();
        assert_eq!(unique.len(), told.len());
    }

    #[test]
    fn help_lists_every_verb() {
        let overview = written(&overview(TlsOffer::Offered));
        let words: BTreeSet<_> = overview.split_whitespace().collect();
        for verb in VERBS {
            let starred = format!("{}*", verb.name);
            let name = if verb.help == NOT_IMPLEMENTED {
                &*starred
            } else {
                verb.name
            };
            assert!(words.contains(name), "{name}");
            let own = written(&help(verb.name));
            assert!(own.starts_with("214"), "{own}");
        }
        let site = written(&help("site"));
        for word in ["HELP", "QUOTA", "STAGES", "UTIME", "CHMOD", "SYMLINK"] {
            assert!(site.contains(&format!(" SITE {word}")), "{word}");
        }
    }

    /// Verbs that RFC 959 and RFC 1123 have, which FEAT does not list, and those that are told of by
    /// another line.
    const WITHOUT_FEATURE: [&str; 41] = [
        "USER", "PASS", "CWD", "XCWD", "CDUP", "XCUP", "REIN", "QUIT", "PORT", "PASV", "TYPE",
        "STRU", "MODE", "RETR", "STOR", "STOU", "APPE", "ALLO", "RNFR", "RNTO", "ABOR", "DELE",
        "RMD", "XRMD", "MKD", "XMKD", "PWD", "XPWD", "LIST", "NLST", "SITE", "SYST", "STAT",
        "HELP", "NOOP", "FEAT", "OPTS", "MLSD", "ACCT", "SMNT", "CCC",
    ];

    /// A verb is done if HELP says so, and then FEAT tells of it, if it is not one that every server
    /// has; whether TLS is offered or not.
    #[test]
    fn help_and_features_say_the_same() {
        for tls in [TlsOffer::Offered, TlsOffer::Absent] {
            let features = written(&features(tls));
            let told: BTreeSet<_> = features
                .lines()
                .filter_map(|line| line.strip_prefix(' ')?.split(' ').next())
                .collect();
            let overview = written(&overview(tls));
            let words: BTreeSet<_> = overview.split_whitespace().collect();
            for verb in VERBS {
                let is_done = words.contains(verb.name);
                let own = written(&Reply::Help {
                    topic: HelpTopic::Verb(verb.name.into()),
                    tls,
                });
                assert_eq!(!own.contains(NOT_IMPLEMENTED), is_done, "{}", verb.name);
                let is_told = told.contains(verb.name);
                let needs_none = WITHOUT_FEATURE.contains(&verb.name);
                assert_eq!(is_told, is_done && !needs_none, "{} {tls:?}", verb.name);
            }
        }
    }
}
