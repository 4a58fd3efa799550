//! Scripts a server for tests: lines go in, and effects are checked one by one.

use std::collections::VecDeque;

use super::{Dialogue, Effect, Event, Outcome};
use crate::digest::Algorithm;
use crate::transfer::{End, Task};
use crate::wire::native::commands::encode;
use crate::wire::native::replies::ReplyLine;

pub(super) struct Script {
    dialogue: Dialogue,
    effects: VecDeque<Effect>,
}

impl Script {
    pub(super) fn new(dialogue: Dialogue, effects: Vec<Effect>) -> Self {
        Self {
            dialogue,
            effects: effects.into(),
        }
    }

    /// Delivers a line of the server; all effects before it must have been checked.
    pub(super) fn hears(&mut self, line: &str) -> &mut Self {
        self.event(Event::Answered(ReplyLine::decode(line.as_bytes()).unwrap()))
    }

    pub(super) fn event(&mut self, event: Event) -> &mut Self {
        assert!(self.effects.is_empty(), "not looked at: {:?}", self.effects);
        let mut out = Vec::new();
        self.dialogue.handle(event, &mut out);
        self.effects = out.into();
        self
    }

    /// The running task ends, with the digest of `bytes`.
    pub(super) fn ended(&mut self, bytes: &[u8]) -> &mut Self {
        let sum = Some(Algorithm::Md5.of(bytes));
        self.event(Event::Ended(End::Complete {
            position: bytes.len() as u64,
            sum,
            left_out: 0,
        }))
    }

    /// The running task ends, without a digest.
    pub(super) fn ended_plain(&mut self) -> &mut Self {
        self.event(Event::Ended(End::Complete {
            position: 99,
            sum: None,
            left_out: 0,
        }))
    }

    pub(super) fn effect(&mut self, wanted: Effect) -> &mut Self {
        assert_eq!(self.effects.pop_front(), Some(wanted));
        self
    }

    pub(super) fn sends(&mut self, line: &str) -> &mut Self {
        let Some(Effect::Send(command)) = self.effects.pop_front() else {
            panic!("{line} was not sent");
        };
        let mut sent = Vec::new();
        encode(&command, &mut sent);
        assert_eq!(String::from_utf8(sent).unwrap().trim_end(), line);
        self
    }

    pub(super) fn begins(&mut self, wanted: Task) -> &mut Self {
        self.effect(Effect::Begin(wanted))
    }

    pub(super) fn works(&mut self, done: u64, of: u64) -> &mut Self {
        self.effect(Effect::Working { done, of })
    }

    pub(super) fn nothing(&mut self) -> &mut Self {
        assert!(self.effects.is_empty(), "{:?}", self.effects);
        self
    }

    pub(super) fn ends_with_code(&mut self, code: u16) {
        let outcome = self.outcome();
        let Outcome::Replied(answered) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(answered.code, code);
    }

    /// The outcome, which must be the last effect.
    pub(super) fn outcome(&mut self) -> Outcome {
        let Some(Effect::Done(outcome)) = self.effects.pop_front() else {
            panic!("it goes on");
        };
        assert!(self.effects.is_empty(), "{:?}", self.effects);
        *outcome
    }
}
