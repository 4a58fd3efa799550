//! The server's directories: cd, ls, pwd, rename, delete, mkdir.

use skiff_sessions::client::Dialogue;
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::answers::Answered;
use skiff_sessions::wire::reply::Facts;

use super::lexer::Word;
use super::spec::Given;
use super::targets::remote;
use crate::net::command_error::{Done, Failure};
use crate::net::session::{Shell, Waiting, path_in, replied};
use crate::terminal::format::{escape_name, format_entry, format_reply};
use crate::terminal::output::print_line;
use crate::terminal::progress::Progress;

/// A directory up to this many entries is shown in order, a larger one as it comes.
const SORTED_MAX: usize = 10_000;

pub(crate) fn cd(shell: &mut Shell, given: &Given) -> Done {
    let word = given.words.first().cloned().unwrap_or_else(|| "/".into());
    let answered = shell.demand(word.bytes(), Command::ChangeDirectory(remote(&word)?))?;
    let path = path_in(&answered);
    shell.cwd = match path {
        Some(path) => path,
        None => shell.working_directory()?.1,
    };
    print_line(format_args!("250 {}", escape_name(&shell.cwd)));
    Ok(())
}

pub(crate) fn pwd(shell: &mut Shell, _: &Given) -> Done {
    let (answered, path) = shell.working_directory()?;
    shell.cwd = path;
    print_line(format_reply(&answered));
    Ok(())
}

pub(crate) fn ls(shell: &mut Shell, given: &Given) -> Done {
    let word = given.words.first();
    let path = word.map(remote).transpose()?;
    let what = word.map(Word::bytes).unwrap_or_default();
    let mut lines = Lines::default();
    let ended = shell.list(what, Command::List(path), |name, facts| {
        lines.add(name, facts);
    })?;
    lines.flush();
    if let Some(hidden) = ended.hidden.filter(|&hidden| hidden > 0) {
        print_line(format_args!(
            "{hidden} names hold line ends and are not shown"
        ));
    }
    Ok(())
}

pub(crate) fn rename(shell: &mut Shell, given: &Given) -> Done {
    let [from, to] = &given.words[..] else {
        return Ok(());
    };
    let (source, target) = (remote(from)?, remote(to)?);
    let mut waiting = Waiting {
        progress: Progress::new(shell.progress_style, from.bytes()),
    };
    let outcome = shell.talk(|out| Dialogue::rename(source, target, out), &mut waiting)?;
    let answered = replied(outcome)?;
    match answered.code {
        250 => tell(&answered),
        401 => Err(Failure::reply(to.bytes(), &answered)),
        _ => Err(Failure::reply(from.bytes(), &answered)),
    }
}

pub(crate) fn delete(shell: &mut Shell, given: &Given) -> Done {
    on_path(shell, given, Command::Delete)
}

pub(crate) fn mkdir(shell: &mut Shell, given: &Given) -> Done {
    on_path(shell, given, Command::MakeDirectory)
}

fn on_path(shell: &mut Shell, given: &Given, command: fn(PathArg) -> Command) -> Done {
    for word in &given.words {
        let answered = shell.demand(word.bytes(), command(remote(word)?))?;
        tell(&answered)?;
    }
    Ok(())
}

fn tell(answered: &Answered) -> Done {
    print_line(format_reply(answered));
    Ok(())
}

/// Lines in order as long as they are few; more are not kept.
#[derive(Default)]
struct Lines {
    kept: Vec<(Vec<u8>, Facts)>,
    streaming: Streaming,
}

#[derive(Default, PartialEq, Eq)]
enum Streaming {
    #[default]
    NotYet,
    Begun,
}

impl Lines {
    fn add(&mut self, name: &[u8], facts: &Facts) {
        if self.streaming == Streaming::Begun {
            return print_line(format_entry(name, facts));
        }
        self.kept.push((name.to_vec(), *facts));
        if self.kept.len() > SORTED_MAX {
            self.streaming = Streaming::Begun;
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.kept
            .sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (name, facts) in self.kept.drain(..) {
            print_line(format_entry(&name, &facts));
        }
    }
}
