//! Tests downloads against a scripted server.

use super::*;
use crate::client::Dialogue;
use crate::client::script::Script;
use crate::path::PathArg;

const ALL: &[u8] = b"seven b";
const SEVEN: Stamp = Stamp(1_767_323_045);
const PUBLISH: Effect = Effect::Publish {
    modified: Some(SEVEN),
};

fn get(turn: Turn, local: LocalCopy) -> Script {
    get_asked(CommandTiming::Now, turn, local)
}

fn get_asked(command: CommandTiming, turn: Turn, local: LocalCopy) -> Script {
    get_with(command, turn, local, Replace::Yes)
}

fn get_with(command: CommandTiming, turn: Turn, local: LocalCopy, replace: Replace) -> Script {
    let mut out = Vec::new();
    let order = GetOrder {
        what: Retrieve {
            path: PathArg::new("a.iso").unwrap(),
            digest: Algorithm::Md5,
            turn,
        },
        command,
        local,
        replace,
    };
    let dialogue = Dialogue::get(order, &mut out);
    Script::new(dialogue, out)
}

fn fresh() -> Script {
    get(Turn::Negotiate, LocalCopy::default())
}

fn with_part(part: u64) -> Script {
    get(Turn::Negotiate, LocalCopy { whole: None, part })
}

fn receive(from: u64) -> Task {
    Task::Receive {
        from,
        at_most: 7,
        hashing: Hashing::By(Algorithm::Md5),
    }
}

fn digest(to: u64) -> Task {
    Task::Digest {
        to,
        algorithm: Algorithm::Md5,
    }
}

fn sent() -> String {
    format!("226 size=7 md5={} all sent", Algorithm::Md5.of(ALL))
}

/// Up to the frames of a download of all.
fn receiving() -> Script {
    let mut script = fresh();
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here it comes");
    script
        .effect(Effect::Use(LocalFile::EmptyPart))
        .sends("200");
    script.hears("200 size=7 sending all").begins(receive(0));
    script
}

#[test]
fn nothing_is_here() {
    let mut script = receiving();
    script.ended(ALL).nothing();
    script.hears(&sent()).effect(PUBLISH);
    script.event(Event::Published).sends("227");
    assert!(matches!(script.outcome(), Outcome::Verified(sent) if sent.size == Some(7)));
}

#[test]
fn the_same_size_and_time_is_here() {
    let mut script = get(
        Turn::Negotiate,
        LocalCopy {
            whole: Some((7, SEVEN)),
            part: 3,
        },
    );
    script.sends("RETR a.iso");
    script
        .hears("150 size=7 mtime=20260102030405 here")
        .sends("400");
    assert_eq!(
        script.outcome(),
        Outcome::AlreadyThere { size: 7, sum: None }
    );
}

#[test]
fn the_same_size_of_another_time_is_compared() {
    let mut script = get(
        Turn::Negotiate,
        LocalCopy {
            whole: Some((7, Stamp(0))),
            part: 0,
        },
    );
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script
        .effect(Effect::Use(LocalFile::Whole))
        .begins(digest(7));
    let md5 = Algorithm::Md5.of(ALL);
    script.ended(ALL).sends(&format!("210 offset=7 md5={md5}"));
    script
        .hears("210 offset=7 sending the rest")
        .begins(receive(7));
    script.ended(ALL).nothing();
    script.hears(&sent()).sends("227");
    assert_eq!(
        script.outcome(),
        Outcome::AlreadyThere {
            size: 7,
            sum: Some(md5)
        }
    );
}

#[test]
fn the_same_size_with_other_bytes_is_fetched_beside_it() {
    let mut script = get(
        Turn::Negotiate,
        LocalCopy {
            whole: Some((7, Stamp(0))),
            part: 0,
        },
    );
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script
        .effect(Effect::Use(LocalFile::Whole))
        .begins(digest(7));
    script.ended(b"other b").sends(&format!(
        "210 offset=7 md5={}",
        Algorithm::Md5.of(b"other b")
    ));
    script.hears("200 size=7 the parts differ: sending all");
    script
        .effect(Effect::Note(Note::WholeDiffers))
        .effect(Effect::Use(LocalFile::EmptyPart));
    script.begins(receive(0));
}

/// A download of seven bytes over a file of `size` bytes that may not be replaced.
fn get_beside(size: u64) -> Script {
    let whole = Some((size, Stamp(0)));
    let local = LocalCopy { whole, part: 3 };
    let mut script = get_with(CommandTiming::Now, Turn::Negotiate, local, Replace::Never);
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script
}

#[test]
fn a_file_of_another_size_is_left_where_it_may_not_be_replaced() {
    let mut script = get_beside(5);
    script.sends("401");
    assert_eq!(script.outcome(), Outcome::LocalDiffers { size: 7 });
}

#[test]
fn a_file_of_the_same_size_is_left_where_it_may_not_be_replaced() {
    let mut script = get_beside(7);
    script
        .effect(Effect::Use(LocalFile::Whole))
        .begins(digest(7));
    script.ended(b"other b").sends(&format!(
        "210 offset=7 md5={}",
        Algorithm::Md5.of(b"other b")
    ));
    script
        .hears("200 size=7 the parts differ: sending all")
        .sends("ABOR")
        .sends("NOOP")
        .begins(Task::Discard);
    script.event(Event::Ended(End::PeerAborted)).nothing();
    script.hears("550 aborted").nothing();
    assert_eq!(
        script.hears("200 ok").outcome(),
        Outcome::LocalDiffers { size: 7 }
    );
}

/// Up to the answer on the part's digest.
fn resuming() -> Script {
    let mut script = with_part(3);
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script.effect(Effect::Ask(Question::ResumeDownload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .effect(Effect::Use(LocalFile::Part))
        .begins(digest(3));
    script.event(Event::Tick).sends("111");
    script.ended(&ALL[..3]).sends(&format!(
        "210 offset=3 md5={}",
        Algorithm::Md5.of(&ALL[..3])
    ));
    script
}

#[test]
fn a_part_is_gone_on_with() {
    let mut script = resuming();
    script.hears("111 done=1 of=3 hashing").works(1, 3);
    script
        .hears("210 offset=3 sending the rest")
        .begins(receive(3));
    script.ended(ALL).nothing();
    script.hears(&sent()).effect(PUBLISH);
    script.event(Event::Published).sends("227");
    assert!(matches!(script.outcome(), Outcome::Verified(_)));
}

#[test]
fn a_part_of_another_file_is_dropped() {
    let mut script = resuming();
    script.hears("200 size=7 the parts differ: sending all");
    script
        .effect(Effect::Note(Note::PartDiffers))
        .effect(Effect::Use(LocalFile::EmptyPart));
    script.begins(receive(0));
}

#[test]
fn an_offset_that_was_not_asked_for_is_no_answer() {
    assert!(matches!(
        resuming().hears("210 offset=4 sending").outcome(),
        Outcome::OutOfOrder(_)
    ));
}

#[test]
fn the_user_gives_up() {
    let mut script = with_part(3);
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script.effect(Effect::Ask(Question::ResumeDownload { have: 3, of: 7 }));
    script.event(Event::Decided(Decision::No)).sends("401");
    assert_eq!(script.outcome(), Outcome::ResumeDeclined);
}

#[test]
fn a_part_longer_than_the_file_is_no_part_of_it() {
    let mut script = with_part(8);
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script
        .effect(Effect::Use(LocalFile::EmptyPart))
        .sends("200");
}

#[test]
fn refusals() {
    for code in [403, 404, 550, 551] {
        let mut script = fresh();
        script.sends("RETR a.iso");
        script.hears(&format!("{code} no")).ends_with_code(code);
    }
}

#[test]
fn with_no_turn() {
    let mut script = get(Turn::Skipped, LocalCopy::default());
    script
        .effect(Effect::Use(LocalFile::EmptyPart))
        .sends("RETR start=0 a.iso");
    script
        .hears("150 size=7 mtime=20260102030405 here")
        .begins(receive(0));
    script.ended(ALL).nothing();
    script.hears(&sent()).effect(PUBLISH);
}

/// One whose command was sent before, with others behind it.
fn ahead() -> Script {
    let mut script = get_asked(
        CommandTiming::SentAhead,
        Turn::Skipped,
        LocalCopy::default(),
    );
    script.effect(Effect::Use(LocalFile::EmptyPart)).nothing();
    script
}

/// Two more answers, with their frames, come before that to NOOP.
fn eats_two_more(script: &mut Script) -> Outcome {
    for _ in 0..2 {
        script
            .hears("150 size=7 mtime=20260102030405 here it comes")
            .begins(Task::Discard);
        script.ended_plain().nothing();
        script.hears(&sent()).nothing();
    }
    script.hears("226 nothing to abort").nothing();
    script.hears("200 ok").outcome()
}

#[test]
fn sent_ahead() {
    let mut script = ahead();
    script
        .hears("150 size=7 mtime=20260102030405 here it comes")
        .begins(receive(0));
    script.ended(ALL).nothing();
    script.hears(&sent()).effect(PUBLISH);
    script.event(Event::Published).sends("227");
    assert!(matches!(script.outcome(), Outcome::Verified(_)));
}

#[test]
fn a_failure_eats_what_was_sent_ahead() {
    let mut unnamed = ahead();
    unnamed
        .event(Event::LocalFailed)
        .sends("ABOR")
        .sends("NOOP");
    assert_eq!(eats_two_more(&mut unnamed), Outcome::LocalFailed);

    let mut stopped = ahead();
    stopped
        .hears("150 size=7 mtime=20260102030405 here it comes")
        .begins(receive(0));
    stopped
        .event(Event::Ended(End::Stopped))
        .sends("ABOR")
        .sends("NOOP")
        .begins(Task::Discard);
    stopped.ended_plain().nothing();
    stopped.hears(&sent()).nothing();
    assert_eq!(eats_two_more(&mut stopped), Outcome::Stopped);

    let mut unpublished = ahead();
    unpublished
        .hears("150 size=7 mtime=20260102030405 here it comes")
        .begins(receive(0));
    unpublished.ended(ALL).nothing();
    unpublished.hears(&sent()).effect(PUBLISH);
    unpublished
        .event(Event::LocalFailed)
        .sends("550")
        .sends("ABOR")
        .sends("NOOP");
    assert_eq!(eats_two_more(&mut unpublished), Outcome::LocalFailed);
}

#[test]
fn the_digests_differ() {
    let mut script = receiving();
    script.ended(b"other b").nothing();
    script.hears(&sent()).sends("550").effect(Effect::DropPart);
    assert!(matches!(script.outcome(), Outcome::Differs(_)));
}

#[test]
fn a_226_without_a_digest_is_not_believed() {
    let mut script = receiving();
    script.ended(ALL).nothing();
    script
        .hears("226 size=7 all sent")
        .sends("550")
        .effect(Effect::DropPart);
    assert!(matches!(script.outcome(), Outcome::Differs(_)));
}

#[test]
fn it_cannot_be_stored() {
    let mut script = receiving();
    script.ended(ALL).nothing();
    script.hears(&sent()).effect(PUBLISH);
    script.event(Event::LocalFailed).sends("550");
    assert_eq!(script.outcome(), Outcome::LocalFailed);
}

#[test]
fn the_part_cannot_be_made() {
    let mut script = fresh();
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script
        .effect(Effect::Use(LocalFile::EmptyPart))
        .sends("200");
    script.event(Event::LocalFailed).sends("401");
    assert_eq!(script.outcome(), Outcome::LocalFailed);
}

#[test]
fn the_servers_file_changed() {
    let mut script = receiving();
    script.event(Event::Ended(End::PeerAborted)).nothing();
    script
        .hears("550 the file changed while it was read")
        .ends_with_code(550);
}

/// What ends the bulk data here, and how the dialogue ends then.
#[test]
fn what_stops_a_receiver() {
    let ends = [
        (End::Stopped, Outcome::Stopped),
        (End::Refused(Refusal::DiskFull), Outcome::LocalFailed),
        (
            End::Refused(Refusal::TooLong),
            Outcome::BadData(Refusal::TooLong),
        ),
    ];
    for (end, outcome) in ends {
        let mut script = receiving();
        script.event(Event::Stop).nothing();
        script
            .event(Event::Ended(end))
            .sends("ABOR")
            .sends("NOOP")
            .begins(Task::Discard);
        script.event(Event::Ended(End::PeerAborted)).nothing();
        script.hears("550 aborted").nothing();
        assert_eq!(script.hears("200 ok").outcome(), outcome);
    }
}

#[test]
fn stopped_when_all_was_sent_already() {
    let mut script = receiving();
    script
        .event(Event::Ended(End::Stopped))
        .sends("ABOR")
        .sends("NOOP")
        .begins(Task::Discard);
    script.ended_plain().nothing();
    script.hears(&sent()).nothing();
    script.hears("226 nothing to abort").nothing();
    assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
}

#[test]
fn stopped_before_the_frames() {
    let mut script = resuming();
    script.event(Event::Stop).sends("ABOR").sends("NOOP");
    script
        .hears("210 offset=3 sending the rest")
        .begins(Task::Discard);
    script.event(Event::Ended(End::PeerAborted)).nothing();
    script.hears("550 aborted").nothing();
    assert_eq!(script.hears("200 ok").outcome(), Outcome::Stopped);
}

#[test]
fn stopped_while_hashing() {
    let mut script = with_part(3);
    script.sends("RETR a.iso");
    script.hears("150 size=7 mtime=20260102030405 here");
    script.effect(Effect::Ask(Question::ResumeDownload { have: 3, of: 7 }));
    script
        .event(Event::Decided(Decision::Yes))
        .effect(Effect::Use(LocalFile::Part))
        .begins(digest(3));
    script.event(Event::Stop).nothing();
    script.event(Event::Ended(End::Stopped)).sends("401");
    assert_eq!(script.outcome(), Outcome::Stopped);
}

#[test]
fn the_connection_is_lost() {
    let mut script = receiving();
    assert_eq!(
        script.event(Event::Ended(End::LaneLost)).outcome(),
        Outcome::Lost
    );
}
