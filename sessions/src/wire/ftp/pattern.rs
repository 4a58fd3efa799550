//! Matches names against patterns of `*`, `?`, `[a-z]`, `[!a-z]` and `\` before a literal. No
//! braces, and the work is bounded: costly patterns have brought servers down.

/// Steps that one match may take: enough for every pattern of 255 characters on every name of 255.
const STEPS_MAX: u32 = 1 << 15;

/// A parsed pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Literal(Unit),
    /// `?`
    Any,
    /// `*`
    Star,
    Class(Class),
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Class {
    sense: Sense,
    ranges: Vec<(Unit, Unit)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sense {
    In,
    NotIn,
}

/// A character, or a byte that is part of none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Unit(u32);

/// Whether `name` holds a character with a meaning in patterns.
pub fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

impl Pattern {
    /// Parses a pattern. Everything is one: a bracket that does not close, or a backslash at the
    /// end, stands for itself.
    pub fn new(pattern: &[u8]) -> Self {
        let units = units(pattern);
        let (mut tokens, mut rest) = (Vec::new(), &units[..]);
        while let Some((&unit, after)) = rest.split_first() {
            let (token, after) = Token::read(unit, after);
            rest = after;
            // Two stars mean the same as one.
            if token != Token::Star || tokens.last() != Some(&Token::Star) {
                tokens.push(token);
            }
        }
        Self(tokens)
    }

    /// Whether the pattern matches `name`. A dot that begins a name is matched by a dot only. A
    /// match that takes too long fails.
    pub fn matches(&self, name: &[u8]) -> bool {
        let hidden = name.first() == Some(&b'.');
        if hidden && self.0.first() != Some(&Token::Literal(Unit::of(b'.'))) {
            return false;
        }
        self.run(name).0
    }

    /// Matches, and counts the steps. It goes back to the last star only: what stood before that
    /// has matched as early as it can, so no other choice there could help; nor could it where the
    /// name ended too early.
    fn run(&self, name: &[u8]) -> (bool, u32) {
        let (mut token, mut at) = (0, 0);
        let mut star = None;
        for step in 0..STEPS_MAX {
            let unit = name.get(at..).and_then(first_unit);
            match (self.0.get(token), unit) {
                (Some(Token::Star), _) => {
                    token += 1;
                    star = Some((token, at));
                    continue;
                }
                (Some(wanted), Some((unit, length))) if wanted.takes(unit) => {
                    token += 1;
                    at += length;
                    continue;
                }
                (Some(_), None) => return (false, step),
                (None, None) => return (true, step),
                (_, Some(_)) => {}
            }
            let Some((behind, from)) = star else {
                return (false, step);
            };
            at = from + first_unit(&name[from..]).map_or(1, |(_, length)| length);
            token = behind;
            star = Some((behind, at));
        }
        (false, STEPS_MAX)
    }
}

impl Token {
    fn read(unit: Unit, rest: &[Unit]) -> (Self, &[Unit]) {
        match unit.ascii() {
            Some(b'*') => (Self::Star, rest),
            Some(b'?') => (Self::Any, rest),
            Some(b'[') => match Class::read(rest) {
                Some((class, rest)) => (Self::Class(class), rest),
                None => (Self::Literal(unit), rest),
            },
            Some(b'\\') => match rest.split_first() {
                Some((&escaped, rest)) => (Self::Literal(escaped), rest),
                None => (Self::Literal(unit), rest),
            },
            _ => (Self::Literal(unit), rest),
        }
    }

    fn takes(&self, unit: Unit) -> bool {
        match self {
            Self::Literal(literal) => *literal == unit,
            Self::Any => true,
            Self::Star => false,
            Self::Class(class) => class.takes(unit),
        }
    }
}

impl Class {
    /// Reads a class behind its `[`; `None` where no `]` closes it. A `]` that comes first is a
    /// member.
    fn read(rest: &[Unit]) -> Option<(Self, &[Unit])> {
        let (sense, mut rest) = match rest.split_first()? {
            (first, rest) if matches!(first.ascii(), Some(b'!' | b'^')) => (Sense::NotIn, rest),
            _ => (Sense::In, rest),
        };
        let mut ranges = Vec::new();
        loop {
            let closes = rest.first()?.ascii() == Some(b']');
            if closes && !ranges.is_empty() {
                return Some((Self { sense, ranges }, &rest[1..]));
            }
            let (low, after) = member(rest)?;
            rest = after;
            let high = match rest {
                [dash, next, ..] if dash.ascii() == Some(b'-') && next.ascii() != Some(b']') => {
                    let (high, after) = member(&rest[1..])?;
                    rest = after;
                    high
                }
                _ => low,
            };
            ranges.push((low, high));
        }
    }

    fn takes(&self, unit: Unit) -> bool {
        let within = self
            .ranges
            .iter()
            .any(|&(low, high)| (low..=high).contains(&unit));
        within == (self.sense == Sense::In)
    }
}

/// One character of a class, escaped or not.
fn member(rest: &[Unit]) -> Option<(Unit, &[Unit])> {
    let (&unit, rest) = rest.split_first()?;
    if unit.ascii() == Some(b'\\') {
        let (&escaped, rest) = rest.split_first()?;
        return Some((escaped, rest));
    }
    Some((unit, rest))
}

impl Unit {
    fn of(byte: u8) -> Self {
        Self(byte.into())
    }

    fn ascii(self) -> Option<u8> {
        u8::try_from(self.0).ok().filter(u8::is_ascii)
    }
}

fn units(mut bytes: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(bytes.len());
    while let Some((unit, length)) = first_unit(bytes) {
        units.push(unit);
        bytes = &bytes[length..];
    }
    units
}

/// The first character and its length in bytes.
fn first_unit(bytes: &[u8]) -> Option<(Unit, usize)> {
    let first = *bytes.first()?;
    let width = match first {
        0..=0x7f => return Some((Unit::of(first), 1)),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let character = bytes
        .get(..width)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next());
    Some(match character {
        Some(character) => (Unit(character.into()), width),
        None => (Unit(u32::from(char::MAX) + u32::from(first)), 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern.as_bytes()).matches(name.as_bytes())
    }

    #[test]
    fn what_matches() {
        for (pattern, name) in [
            ("", ""),
            ("*", "a"),
            ("*", ""),
            ("**a**", "bab"),
            ("a?c", "abc"),
            ("?", "中"),
            ("??", "中é"),
            ("*中", "a中"),
            ("*.txt", "a.txt"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[^a-c]x", "dx"),
            ("[]a]", "]"),
            ("[!]a]", "b"),
            ("[a-]", "-"),
            ("[-a]", "-"),
            ("[à-ü]", "é"),
            ("[a\\]b]", "]"),
            ("[\\!a]", "!"),
            ("\\*", "*"),
            ("a\\", "a\\"),
            ("[a", "[a"),
            ("[", "["),
            ("[]", "[]"),
            (".*", ".a"),
            ("\\.a", ".a"),
            ("{a,b}", "{a,b}"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_does_not() {
        for (pattern, name) in [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("??", "中"),
            ("a?c", "ac"),
            ("[a-c]", "d"),
            ("[!a-c]", "b"),
            ("[c-a]", "b"),
            ("\\*", "a"),
            ("*", ".a"),
            ("?a", ".a"),
            ("[.]a", ".a"),
            ("[!b]a", ".a"),
            ("{a,b}", "a"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_one_each() {
        let matches = |pattern: &[u8], name: &[u8]| Pattern::new(pattern).matches(name);
        assert!(matches(b"?", b"\xff"));
        assert!(matches(b"*\xff", b"a\xff"));
        assert!(matches(b"[\xfe-\xff]", b"\xff"));
        assert!(!matches(b"\xfe", b"\xff"));
        assert!(matches(b"??", b"\xe4\xb8"));
        assert!(!matches(b"?", b"\xe4\xb8"));
    }

    #[test]
    fn names_that_are_no_patterns() {
        assert!(
            ["*", "a?", "[a"]
                .iter()
                .all(|name| is_pattern(name.as_bytes()))
        );
        assert!(!is_pattern(b"a-b\\.{c,d}"));
    }

    /// Tries everything.
    fn naive(pattern: &[Token], name: &[Unit]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Token::Star, rest)), None) => naive(rest, name),
            (Some((Token::Star, rest)), Some((_, shorter))) => {
                naive(rest, name) || naive(pattern, shorter)
            }
            (Some(_), None) => false,
            (Some((token, rest)), Some((&unit, shorter))) => {
                token.takes(unit) && naive(rest, shorter)
            }
        }
    }

    /// Words of a small alphabet from a seed (splitmix64).
    fn word(state: &mut u64, alphabet: &[&str], longest: u64) -> String {
        let mut next = |below: u64| {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % below
        };
        let length = next(longest + 1);
        (0..length)
            .map(|_| alphabet[next(alphabet.len() as u64) as usize])
            .collect()
    }

    #[test]
    fn as_the_naive_matcher() {
        let mut state = 1;
        let (mut yes, mut no) = (0, 0);
        for _ in 0..100_000 {
            let pieces = [
                "a", "b", "é", "*", "*", "?", "[a]", "[!aé]", "\\a", "[", "]",
            ];
            let pattern = Pattern::new(word(&mut state, &pieces, 8).as_bytes());
            let name = word(&mut state, &["a", "b", "é", "[", "]"], 8);
            let want = naive(&pattern.0, &units(name.as_bytes()));
            assert_eq!(pattern.matches(name.as_bytes()), want, "{pattern:?} {name}");
            *if want { &mut yes } else { &mut no } += 1;
        }
        assert!(yes > 5_000 && no > 5_000, "{yes} {no}");
    }

    #[test]
    fn what_it_costs_is_bounded() {
        let name = vec![b'a'; 4096];
        let stars = Pattern::new(b"*a*a*a*a*b");
        let (found, steps) = stars.run(&name);
        assert!(!found);
        assert!(steps < 3 * 4096, "{steps}");
        let long = ["*", &"a".repeat(2000), "b"].concat();
        assert_eq!(Pattern::new(long.as_bytes()).run(&name), (false, STEPS_MAX));
        assert_eq!(Pattern::new(&vec![b'*'; 8000]).0.len(), 1);
    }

    #[test]
    fn every_name_of_255_is_decided() {
        let name = vec![b'a'; 255];
        for length in 1..=253 {
            let pattern = ["*", &"a".repeat(length), "b"].concat();
            let (found, steps) = Pattern::new(pattern.as_bytes()).run(&name);
            assert!(!found && steps < STEPS_MAX, "{length}: {steps}");
        }
    }
}
