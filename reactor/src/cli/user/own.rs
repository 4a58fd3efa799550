//! A value of an account that may be the server's default: `800MB`, or `default`.

/// An account's own limit, or the server's default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Own<T> {
    Default,
    Set(T),
}

impl<T> Own<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Set(value) => Some(value),
        }
    }
}

pub(super) fn parse_own<T: std::str::FromStr>(text: &str) -> Result<Own<T>, T::Err> {
    match text {
        "default" => Ok(Own::Default),
        _ => text.parse().map(Own::Set),
    }
}
