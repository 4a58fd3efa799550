//! Keeps the sessions that have not logged in, in the order in which they came. Where there is no
//! room for a newcomer, the oldest of the network that has most of them goes: whoever holds many
//! connections open and says nothing pushes out himself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::network::ClientNetwork;
use crate::transport::ids::ConnectionId;

/// The number of a session among those that have not logged in; later ones have greater numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival(u64);

#[derive(Default)]
pub(super) struct BeforeLogin {
    next: u64,
    count: usize,
    networks: HashMap<ClientNetwork, BTreeMap<Arrival, ConnectionId>>,
    /// The networks by the number of their sessions; among equals, the one whose oldest session is
    /// older comes last.
    by_count: BTreeSet<(usize, Reverse<Arrival>, ClientNetwork)>,
}

impl BeforeLogin {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, network: ClientNetwork, id: ConnectionId) -> Arrival {
        let arrival = Arrival(self.next);
        self.next += 1;
        self.change(network, |sessions| {
            sessions.insert(arrival, id);
        });
        self.count += 1;
        arrival
    }

    pub(super) fn remove(&mut self, network: ClientNetwork, arrival: Arrival) {
        let mut removed = None;
        self.change(network, |sessions| removed = sessions.remove(&arrival));
        self.count -= usize::from(removed.is_some());
    }

    /// Removes the oldest session of the network that has most of them.
    pub(super) fn take_oldest(&mut self) -> Option<ConnectionId> {
        let (_, _, network) = *self.by_count.last()?;
        self.take_oldest_of(network)
    }

    pub(super) fn take_oldest_of(&mut self, network: ClientNetwork) -> Option<ConnectionId> {
        let (&arrival, &id) = self.networks.get(&network)?.first_key_value()?;
        self.remove(network, arrival);
        Some(id)
    }

    fn change(
        &mut self,
        network: ClientNetwork,
        change: impl FnOnce(&mut BTreeMap<Arrival, ConnectionId>),
    ) {
        let sessions = self.networks.entry(network).or_default();
        if let Some(key) = key(network, sessions) {
            self.by_count.remove(&key);
        }
        change(sessions);
        match key(network, sessions) {
            Some(key) => {
                self.by_count.insert(key);
            }
            None => {
                self.networks.remove(&network);
            }
        }
    }
}

fn key(
    network: ClientNetwork,
    sessions: &BTreeMap<Arrival, ConnectionId>,
) -> Option<(usize, Reverse<Arrival>, ClientNetwork)> {
    let (&oldest, _) = sessions.first_key_value()?;
    Some((sessions.len(), Reverse(oldest), network))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> ClientNetwork {
        ClientNetwork::of([192, 0, 2, last].into())
    }

    fn id(index: u32) -> ConnectionId {
        ConnectionId {
            index,
            generation: 1,
        }
    }

    #[test]
    fn the_oldest_of_whoever_has_most_goes_first() {
        let mut waiting = BeforeLogin::default();
        let honest = waiting.add(network(1), id(0));
        let many: Vec<_> = (1..4).map(|n| waiting.add(network(2), id(n))).collect();
        assert_eq!(waiting.take_oldest(), Some(id(1)));
        assert_eq!(waiting.take_oldest(), Some(id(2)));
        // Among equals the oldest.
        assert_eq!(waiting.take_oldest(), Some(id(0)));
        waiting.remove(network(1), honest);
        waiting.remove(network(2), many[0]);
        assert_eq!(waiting.len(), 1);
        waiting.remove(network(2), many[2]);
        assert_eq!((waiting.len(), waiting.take_oldest()), (0, None));
        assert!(waiting.networks.is_empty() && waiting.by_count.is_empty());
    }

    #[test]
    fn the_oldest_of_one_network() {
        let mut waiting = BeforeLogin::default();
        waiting.add(network(1), id(0));
        waiting.add(network(1), id(1));
        assert_eq!(waiting.take_oldest_of(network(2)), None);
        assert_eq!(waiting.take_oldest_of(network(1)), Some(id(0)));
        assert_eq!(waiting.len(), 1);
    }
}
