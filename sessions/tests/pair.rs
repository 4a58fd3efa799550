//! Tests both ends of the native dialect in memory: the server's conversation over a simulated
//! disk, the client's dialogues over simulated files, two byte queues between them, and time that
//! only a test advances.

#[cfg(test)]
mod pair {
    mod client;
    mod cuts;
    mod disk;
    mod drive;
    mod errands;
    mod file;
    mod known;
    mod local;
    mod rig;
    mod said;
    mod server;
    mod wire;

    mod ahead;
    mod broken;
    mod content;
    mod digests;
    mod downloads;
    mod entrance;
    mod events;
    mod frames;
    mod half_close;
    mod halted;
    mod order;
    mod passwords;
    mod ranges;
    mod refused;
    mod rights;
    mod states;
    mod stopping;
    mod timers;
    mod tree;
    mod uploads;
    mod writers;
}
