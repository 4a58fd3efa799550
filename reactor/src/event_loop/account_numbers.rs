//! Gives each account the number that the schedule of the workers knows it by.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use crate::event_loop::admission::ClientNetwork;
use crate::workers::schedule::AccountNumber;

/// Numbers are keyed hashes: the same for all sessions of a user for as long as the daemon runs,
/// with nothing to be kept, and nobody can choose a name that shares the number of another.
#[derive(Default)]
pub(crate) struct AccountNumbers(RandomState);

impl AccountNumbers {
    pub(crate) fn of_user(&self, user: &str) -> AccountNumber {
        self.number(Owner::User(user))
    }

    /// Before the login, work is on the account of the network it comes from: one account for all
    /// would let a crowd that never logs in hold up every login.
    pub(crate) fn of_network(&self, address: IpAddr) -> AccountNumber {
        self.number(Owner::Network(ClientNetwork::of(address)))
    }

    fn number(&self, owner: Owner<'_>) -> AccountNumber {
        AccountNumber(self.0.hash_one(owner))
    }
}

#[derive(Hash)]
enum Owner<'a> {
    User(&'a str),
    Network(ClientNetwork),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_one_number_and_a_network_another() {
        let numbers = AccountNumbers::default();
        let network = |address: &str| numbers.of_network(address.parse().unwrap());
        assert_eq!(numbers.of_user("tom"), numbers.of_user("tom"));
        assert_ne!(numbers.of_user("tom"), numbers.of_user("jerry"));
        assert_ne!(numbers.of_user("192.0.2.1"), network("192.0.2.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::2"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(numbers.of_user(""), AccountNumber::DAEMON);
    }
}
