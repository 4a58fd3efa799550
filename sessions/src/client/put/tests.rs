//! Tests uploads against a scripted server.

use super::*;
use crate::client::Dialogue;
use crate::client::script::Script;
use crate::digest::Algorithm;
use crate::path::PathArg;

const ALL: &[u8] = b"seven b";

fn put(replace: Replace) -> Script {
    let mut out = Vec::new();
    let order = Store {
        path: PathArg::new("a.iso").unwrap(),
        size: 7,
        modified: None,
        digest: Algorithm::Md5,
        declared: None,
        replace,
        turn: Turn::Negotiate,
    };
    let dialogue = Dialogue::put(order, &mut out);
    Script::new(dialogue, out)
}

fn asked() -> Script {
    let mut script = put(Replace::Never);
    script.sends("STOR size=7 a.iso");
    script
}

fn sending(from: u64) -> Task {
    let until = Until::Offset(7);
    Task::Send {
        from,
        until,
        hashing: Hashing::By(Algorithm::Md5),
        stop: StopLine::FinalReply,
    }
}

fn digest(to: u64) -> Task {
    Task::Digest {
        to,
        algorithm: Algorithm::Md5,
    }
}

fn all_sent() -> String {
    format!("225 md5={}", Algorithm::Md5.of(ALL))
}

fn stored(bytes: &[u8]) -> String {
    format!(
        "226 size=7 md5={} stored and verified",
        Algorithm::Md5.of(bytes)
    )
}

fn part_of(bytes: &[u8]) -> String {
    format!(
        "210 have={} md5={} resume?",
        bytes.len(),
        Algorithm::Md5.of(bytes)
    )
}

fn stop_at_once(script: &mut Script) {
    script.event(Event::Stop).nothing();
    script.event(Event::Ended(End::Stopped)).nothing();
    assert_eq!(script.hears("550 aborted").outcome(), Outcome::Stopped);
}

#[test]
fn nothing_is_there() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.ended(ALL).sends(&all_sent());
    script.hears("111 done=7 of=7 storing").works(7, 7);
    assert!(matches!(
        script.hears(&stored(ALL)).outcome(),
        Outcome::Verified(_)
    ));
}

#[test]
fn a_226_with_another_digest_is_not_believed() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.ended(ALL).sends(&all_sent());
    assert!(matches!(
        script.hears(&stored(b"other b")).outcome(),
        Outcome::Differs(_)
    ));
}

#[test]
fn not_verified_there() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.ended(ALL).sends(&all_sent());
    script
        .hears("550 not verified: the digests differ")
        .ends_with_code(550);
}

#[test]
fn a_part_is_gone_on_with() {
    let mut script = asked();
    script
        .hears(&part_of(&ALL[..3]))
        .effect(Effect::Ask(Question::ResumeUpload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .begins(digest(3));
    script.event(Event::Tick).sends("111");
    script.ended(&ALL[..3]).sends("211");
    script.hears("212 offset=3 send").begins(sending(3));
    script.ended(ALL).sends(&all_sent());
    assert!(matches!(
        script.hears(&stored(ALL)).outcome(),
        Outcome::Verified(_)
    ));
}

#[test]
fn a_part_of_another_file_is_started_over() {
    let mut script = asked();
    script
        .hears(&part_of(b"oth"))
        .effect(Effect::Ask(Question::ResumeUpload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .begins(digest(3));
    script
        .ended(&ALL[..3])
        .effect(Effect::Note(Note::PartDiffers))
        .sends("200");
    script.hears("212 offset=0 send").begins(sending(0));
}

#[test]
fn a_part_longer_than_the_file_is_no_part_of_it() {
    let mut script = asked();
    script
        .hears(&part_of(b"longer than seven"))
        .effect(Effect::Note(Note::PartDiffers))
        .sends("200");
    script.hears("212 offset=0 send").begins(sending(0));
}

#[test]
fn an_offset_that_was_not_asked_for_is_no_answer() {
    let mut script = asked();
    script
        .hears(&part_of(&ALL[..3]))
        .effect(Effect::Ask(Question::ResumeUpload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .begins(digest(3));
    script.ended(&ALL[..3]).sends("211");
    assert!(matches!(
        script.hears("212 offset=2 send").outcome(),
        Outcome::OutOfOrder(_)
    ));
}

#[test]
fn the_user_gives_up() {
    let mut script = asked();
    script
        .hears(&part_of(&ALL[..3]))
        .effect(Effect::Ask(Question::ResumeUpload { have: 3, of: 7 }));
    script.event(Event::Decided(Decision::No)).sends("410");
    assert_eq!(script.outcome(), Outcome::ResumeDeclined);
}

#[test]
fn refusals() {
    for code in [403, 404, 551] {
        asked().hears(&format!("{code} no")).ends_with_code(code);
    }
}

#[test]
fn the_same_file_is_there() {
    let mut script = asked();
    let md5 = Algorithm::Md5.of(ALL);
    script
        .hears(&format!("200 size=7 md5={md5} already there"))
        .begins(digest(7));
    let outcome = script.ended(ALL).outcome();
    assert_eq!(
        outcome,
        Outcome::AlreadyThere {
            size: 7,
            sum: Some(md5)
        }
    );
}

#[test]
fn another_file_of_that_size_is_replaced_when_wanted() {
    let mut script = asked();
    let there = format!(
        "200 size=7 md5={} already there",
        Algorithm::Md5.of(b"other b")
    );
    script.hears(&there).begins(digest(7));
    script.ended(ALL).effect(Effect::Ask(Question::Replace));
    script
        .event(Event::Decided(Decision::Yes))
        .sends("STOR size=7 replace=1 a.iso");
    script.hears("150 send").begins(sending(0));
}

#[test]
fn another_file_stays_when_wanted() {
    let mut script = asked();
    script
        .hears("550 why=exists another file is there")
        .effect(Effect::Ask(Question::Replace));
    script.event(Event::Decided(Decision::No));
    assert!(matches!(script.outcome(), Outcome::NotReplaced(why) if why.code == 550));
}

#[test]
fn what_is_no_file_cannot_be_replaced() {
    for refusal in [
        "550 why=is-a-directory it is a directory",
        "550 why=not-a-file neither a file nor a directory",
        "550 why=something-new of a newer server",
        "550 without a cause",
    ] {
        asked().hears(refusal).ends_with_code(550);
    }
}

#[test]
fn a_refusal_is_final_when_replacing() {
    let mut script = put(Replace::Yes);
    script.sends("STOR size=7 replace=1 a.iso");
    script.hears("550 why=exists busy").ends_with_code(550);
}

#[test]
fn a_part_told_by_another_digest_is_not_gone_on_with() {
    let mut script = asked();
    let sum = Algorithm::Sha256.of(&ALL[..3]);
    let outcome = script
        .hears(&format!("210 have=3 sha256={sum} resume?"))
        .outcome();
    assert!(matches!(outcome, Outcome::OutOfOrder(_)), "{outcome:?}");
}

#[test]
fn the_server_fails_in_the_middle() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.event(Event::Ended(End::Stopped)).nothing();
    script
        .hears("550 the server's disk is full")
        .ends_with_code(550);
}

#[test]
fn our_file_cannot_be_read_to_its_end() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script
        .event(Event::Ended(End::Refused(
            crate::wire::reply::Refusal::Changed,
        )))
        .nothing();
    assert_eq!(script.hears("550 aborted").outcome(), Outcome::LocalFailed);
}

#[test]
fn stopped_while_sending() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    stop_at_once(&mut script);
}

#[test]
fn stopped_before_the_server_is_ready() {
    let mut script = asked();
    script.event(Event::Stop).nothing();
    script.hears("150 send").begins(sending(0));
    stop_at_once(&mut script);
}

#[test]
fn stopped_while_hashing_the_part() {
    let mut script = asked();
    script
        .hears(&part_of(&ALL[..3]))
        .effect(Effect::Ask(Question::ResumeUpload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .begins(digest(3));
    script.event(Event::Ended(End::Stopped)).sends("410");
    assert_eq!(script.outcome(), Outcome::Stopped);
}

#[test]
fn stopped_while_the_server_stores() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.ended(ALL).sends(&all_sent());
    script.event(Event::Stop).sends("ABOR").sends("NOOP");
    script.hears("550 aborted").nothing();
    assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
}

#[test]
fn stopped_too_late() {
    let mut script = asked();
    script.hears("150 send").begins(sending(0));
    script.ended(ALL).sends(&all_sent());
    script.event(Event::Stop).sends("ABOR").sends("NOOP");
    script.hears(&stored(ALL)).nothing();
    script.hears("226 nothing to abort").nothing();
    assert!(matches!(
        script.hears("200 ok").outcome(),
        Outcome::Verified(_)
    ));
}
