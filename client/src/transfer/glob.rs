//! Matches names against patterns: `*`, `?` and `[...]` as in glob(7), without braces. A match takes
//! no more steps than the pattern's length times the name's.

/// One component of a path, compiled. A character of it that was quoted stands for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Literal(Unit),
    /// `?`
    AnyOne,
    /// `*`
    AnyNumber,
    /// `[a-z]`: ranges whose ends belong to them.
    Class {
        negated: bool,
        ranges: Vec<(Unit, Unit)>,
    },
}

/// A character, or a byte that is not part of valid UTF-8 (above all characters).
type Unit = u32;

/// The first unit that is a byte.
const FIRST_BYTE: Unit = char::MAX as Unit + 1;

impl Pattern {
    /// Compiles one component; `is_live` says of an offset whether what stands there was typed
    /// outside quotes.
    pub(crate) fn compile(component: &[u8], is_live: impl Fn(usize) -> bool) -> Self {
        let units: Vec<(Unit, bool)> = units(component)
            .map(|(unit, at)| (unit, is_live(at)))
            .collect();
        let mut tokens = Vec::with_capacity(units.len());
        let mut rest = &units[..];
        while let [(unit, live), behind @ ..] = rest {
            rest = behind;
            let token = match (char::from_u32(*unit), live) {
                (Some('?'), true) => Token::AnyOne,
                (Some('*'), true) => Token::AnyNumber,
                (Some('['), true) => match read_class(behind) {
                    Some((class, behind)) => {
                        rest = behind;
                        class
                    }
                    None => Token::Literal(*unit),
                },
                _ => Token::Literal(*unit),
            };
            // Several stars are one.
            if token != Token::AnyNumber || tokens.last() != Some(&Token::AnyNumber) {
                tokens.push(token);
            }
        }
        Self(tokens)
    }

    /// False where the component stands for itself.
    pub(crate) fn is_pattern(&self) -> bool {
        let is_literal = |token: &Token| matches!(token, Token::Literal(_));
        !self.0.iter().all(is_literal)
    }

    /// True where the whole name fits. A dot at its beginning is matched by a dot only.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let name: Vec<Unit> = units(name).map(|(unit, _)| unit).collect();
        let dot = Unit::from('.');
        if name.first() == Some(&dot) && self.0.first() != Some(&Token::Literal(dot)) {
            return false;
        }
        let (mut token_at, mut name_at) = (0, 0);
        // The last star, and how far the name was when it was met: only that one is tried again.
        let mut star: Option<(usize, usize)> = None;
        while name_at < name.len() {
            match self.0.get(token_at) {
                Some(Token::AnyNumber) => {
                    star = Some((token_at, name_at));
                    token_at += 1;
                    continue;
                }
                Some(token) if token.matches(name[name_at]) => {
                    token_at += 1;
                    name_at += 1;
                    continue;
                }
                _ => {}
            }
            let Some((star_at, taken)) = star else {
                return false;
            };
            star = Some((star_at, taken + 1));
            token_at = star_at + 1;
            name_at = taken + 1;
        }
        let rest = self.0.get(token_at..).unwrap_or_default();
        rest.iter().all(|token| *token == Token::AnyNumber)
    }
}

impl Token {
    fn matches(&self, unit: Unit) -> bool {
        match self {
            Self::Literal(own) => *own == unit,
            Self::AnyOne | Self::AnyNumber => true,
            Self::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(from, to)| (from..=to).contains(&&unit));
                inside != *negated
            }
        }
    }
}

/// Reads what stands behind a `[`, through the `]`; `None` where there is none.
fn read_class(mut rest: &[(Unit, bool)]) -> Option<(Token, &[(Unit, bool)])> {
    let live = |unit: &(Unit, bool), c: char| *unit == (Unit::from(c), true);
    let plain = |unit: &(Unit, bool), c: char| unit.0 == Unit::from(c);
    let mut negated = false;
    if let [first, behind @ ..] = rest
        && (plain(first, '!') || plain(first, '^'))
    {
        (negated, rest) = (true, behind);
    }
    let mut ranges = Vec::new();
    loop {
        match rest {
            // A `]` that comes first belongs to the class.
            [end, behind @ ..] if live(end, ']') && !ranges.is_empty() => {
                return Some((Token::Class { negated, ranges }, behind));
            }
            [from, dash, to, behind @ ..] if plain(dash, '-') && !live(to, ']') => {
                ranges.push((from.0, to.0));
                rest = behind;
            }
            [only, behind @ ..] => {
                ranges.push((only.0, only.0));
                rest = behind;
            }
            [] => return None,
        }
    }
}

/// The units of a name and the offsets where they begin.
fn units(name: &[u8]) -> impl Iterator<Item = (Unit, usize)> {
    let mut at = 0;
    name.utf8_chunks().flat_map(move |chunk| {
        let begin = at;
        at += chunk.valid().len() + chunk.invalid().len();
        let bytes_at = begin + chunk.valid().len();
        let chars = chunk.valid().char_indices();
        let chars = chars.map(move |(offset, c)| (Unit::from(c), begin + offset));
        let bytes = chunk.invalid().iter().enumerate();
        chars.chain(
            bytes.map(move |(offset, byte)| (FIRST_BYTE + Unit::from(*byte), bytes_at + offset)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_live(pattern: &[u8]) -> Pattern {
        Pattern::compile(pattern, |_| true)
    }

    #[track_caller]
    fn fits(pattern: &str, names: &[&str], others: &[&str]) {
        let compiled = all_live(pattern.as_bytes());
        for name in names {
            assert!(compiled.matches(name.as_bytes()), "{pattern} {name}");
        }
        for name in others {
            assert!(!compiled.matches(name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn stars_questions_and_classes() {
        fits("*", &["a", "a b", "年"], &[".a", "."]);
        fits("*.txt", &["a.txt", "a.b.txt"], &["a.txt2", ".txt", "txt"]);
        fits("a*b*c", &["abc", "axxbxxbc"], &["ab", "abcd"]);
        fits("?", &["a", "年"], &["", "ab", "."]);
        fits(".*", &[".a", "."], &["a"]);
        fits("[a-c]x", &["ax", "cx"], &["dx", "-x"]);
        fits("[!a-c]x", &["dx", "年x"], &["ax"]);
        fits("[^a]", &["b"], &["a"]);
        fits("[]a]", &["]", "a"], &["b"]);
        fits("[a-]", &["a", "-"], &["b"]);
        fits("[z-a]", &[], &["a", "m", "z"]);
        fits("x[a", &["x[a"], &["xa"]);
        fits("{a,b}", &["{a,b}"], &["a"]);
    }

    #[test]
    fn a_byte_that_is_no_character_is_one_unit() {
        assert!(all_live(b"?").matches(b"\xff"));
        assert!(!all_live(b"?").matches(b"\xff\xfe"));
        assert!(all_live(b"\xff*").matches(b"\xff\xe9x"));
        assert!(!all_live(b"\xff").matches("ÿ".as_bytes()));
    }

    #[test]
    fn what_is_quoted_is_itself() {
        let quoted = Pattern::compile(b"*?[a]", |_| false);
        assert!(!quoted.is_pattern());
        assert!(quoted.matches(b"*?[a]") && !quoted.matches(b"xya"));
        assert!(all_live(b"a[b]").is_pattern() && !all_live(b"a[b").is_pattern());
    }

    /// A matcher that tries all ways would not come back.
    #[test]
    fn no_pattern_takes_long() {
        let pattern = all_live("a*".repeat(120).as_bytes());
        let name = [b"a".repeat(254), b"b".to_vec()].concat();
        assert!(pattern.matches(&name));
        let pattern = all_live(format!("{}c", "*a".repeat(120)).as_bytes());
        assert!(!pattern.matches(&name));
    }
}
