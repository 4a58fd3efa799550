//! Identifies connections and their sockets in mio's tokens, by slab key and generation: a key is
//! reused, its generation is not.

use mio::Token;

/// A connection, unique for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct ConnectionId {
    pub(crate) index: u32,
    /// Never 0: tokens below 2^32 belong to the reactor itself.
    pub(crate) generation: u32,
}

/// The socket of a connection that a token stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Socket {
    Control,
    /// The data connection, or the listener that it is accepted from.
    Data,
}

/// Set in tokens of data connections; a slab never has so many keys.
const DATA_BIT: u64 = 1 << 31;

impl ConnectionId {
    pub(crate) fn token(self, socket: Socket) -> Token {
        let bit = match socket {
            Socket::Control => 0,
            Socket::Data => DATA_BIT,
        };
        Token((self.number() | bit) as usize)
    }

    /// `None` for tokens of the reactor itself.
    pub(crate) fn from_token(token: Token) -> Option<(Self, Socket)> {
        let number = token.0 as u64;
        let socket = if number & DATA_BIT == 0 {
            Socket::Control
        } else {
            Socket::Data
        };
        Some((Self::from_number(number & !DATA_BIT)?, socket))
    }

    /// The id as one number, by which uploads name their owner.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        let generation = (number >> 32) as u32;
        (generation != 0).then_some(Self {
            index: number as u32,
            generation,
        })
    }
}

/// Hands out generations; wraps after 2^32 connections, skipping 0.
#[derive(Default)]
pub(crate) struct Generations(u32);

impl Generations {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(1).max(1);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for (index, generation) in [(0, 1), (7, 9), (u32::MAX >> 1, u32::MAX)] {
            let id = ConnectionId { index, generation };
            for socket in [Socket::Control, Socket::Data] {
                let token = id.token(socket);
                assert_eq!(ConnectionId::from_token(token), Some((id, socket)));
            }
            assert_eq!(ConnectionId::from_number(id.number()), Some(id));
        }
        assert_eq!(ConnectionId::from_token(Token(3)), None);
    }

    #[test]
    fn generations_pass_over_zero() {
        let mut generations = Generations(u32::MAX);
        assert_eq!(generations.next(), 1);
        assert_eq!(generations.next(), 2);
    }
}
