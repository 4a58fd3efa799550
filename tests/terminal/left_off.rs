//! What is told of files that were under way when their upload ended early.

use std::fs;
use std::path::Path;

use super::desk::{Desk, finish};
use super::liar::{Serving, serve, serve_session};
use super::line::Line;
use crate::harness::{Daemon, md5, noise, until};

const FILES: usize = 10;
const SIZE: usize = 5_000;
const BIG: usize = 2_000_000;

fn make_tree(desk: &Desk) {
    fs::create_dir(desk.path("t")).unwrap();
    for n in 0..FILES {
        desk.write(&format!("t/{n}"), &noise(n as u64, SIZE));
    }
}

fn stored(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len() as usize)
        .filter(|&length| length == SIZE || length == BIG)
        .count()
}

/// How many the line tells to be so; 0 where it does not.
fn told(said: &str, what: &str) -> usize {
    // A screen breaks lines anywhere.
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let (said, what) = (squeeze(said), squeeze(what));
    let Some((before, _)) = said.split_once(&what) else {
        return 0;
    };
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// A server that takes all files, answers to none of them, and is gone.
fn serve_no_answers() -> Serving {
    serve_session(|mut liar| {
        liar.answers("STAT t", "213 type=dir size=0 mtime=20260102030405 /t");
        liar.hears("LIST t");
        liar.lists(&[], "226 hidden=0 done");
        for n in 0..FILES {
            let line = liar.takes_file();
            assert!(line.ends_with(&format!(" go=1 t/{n}")), "{line}");
        }
    })
}

#[test]
fn files_whose_answers_were_lost_count_as_sent_once_they_are_found() {
    let first = serve_no_answers();
    let second = serve(|mut liar| {
        liar.logs_in_with("");
        for n in 0..FILES {
            let line = liar.hears_line();
            assert!(line.ends_with(&format!(" t/{n}")), "{line}");
            let sum = md5(&noise(n as u64, SIZE));
            liar.says(&format!("200 size={SIZE} md5={sum} there already"));
        }
        liar.answers_all(|_, line| panic!("{line}"));
    });
    let line = Line::to(first.address);
    let desk = Desk::new();
    make_tree(&desk);
    let child = desk.begin(line.address(), &["--tls", "off", "-c", "put -r t"]);
    // It is connected by now, or would be in vain.
    first.end();
    line.lead_to(second.address);
    let ran = finish(child, "");
    second.end();
    assert_eq!(ran.code, 0, "{}", ran.complained);
    let said = format!("{}{}", ran.said, ran.complained);
    assert_eq!(told(&said, " files sent"), FILES, "{said}");
    assert_eq!(told(&said, " unchanged"), 0, "{said}");
}

#[test]
fn of_files_without_an_answer_nothing_is_claimed() {
    let server = serve_no_answers();
    let desk = Desk::new();
    make_tree(&desk);
    let words = ["--tls", "off", "--retry", "0", "-c", "put -r t"];
    let ran = desk.batch(server.address, &words, "");
    server.end();
    assert_eq!(ran.code, 3, "{}", ran.complained);
    let said = ran.complained;
    assert_eq!(told(&said, " files sent"), 0, "{said}");
    let unknown = told(&said, " were under way, and may be stored");
    assert_eq!(unknown, FILES, "{said}");
}

/// At ten moments, near and far.
#[test]
fn what_ctrl_c_leaves_is_told_as_it_is() {
    for change in [Line::narrow, Line::stretch] {
        let daemon = Daemon::demo();
        let home = daemon.home("tom");
        let line = Line::to(daemon.address());
        let desk = Desk::new();
        make_tree(&desk);
        desk.write("t/big", &noise(7, BIG));
        let mut tom = desk.log_in(line.address());
        let mut peer = daemon.login("tom");
        for moment in 0..10 {
            change(&line);
            line.overheard();
            let target = format!("t{moment}");
            tom.start_command(&format!("put -r t {target}"));
            let mut heard = 0;
            until("a part of the tree", || {
                heard += line.overheard().len();
                (heard >= 300 + moment * 9_000).then_some(())
            });
            tom.press("C-c");
            let said = tom.answer();
            line.widen();
            assert_eq!(tom.ask("pwd"), "257 /");
            let sent = told(&said, " file sent") + told(&said, " files sent");
            let unknown = told(&said, " was under way, and may be stored")
                + told(&said, " were under way, and may be stored");
            let kept = peer.list("STAGES");
            let kept = kept
                .keys()
                .filter(|path| path.contains(&format!("/{target}/")));
            let kept = kept.count();
            let is = stored(&home.join(&target));
            assert!(
                (sent..=sent + unknown).contains(&is),
                "{target}, {is} are: {said}"
            );
            let in_part = told(&said, " kept in part");
            assert!(
                (in_part..=in_part + unknown).contains(&kept),
                "{target}, {kept}: {said}"
            );
        }
    }
}
