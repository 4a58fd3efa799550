//! Tests the FTP server in memory, against a scripted client: a simulated disk, data connections in
//! memory, time that only a test advances.

#[cfg(test)]
mod ftp {
    mod bulk;
    mod cuts;
    mod disk;
    mod file;
    mod jobs;
    mod lane;
    mod listed;
    mod rig;
    mod said;
    mod world;

    mod aborts;
    mod downloads;
    mod ends;
    mod facts;
    mod listings;
    mod login;
    mod meanwhile;
    mod names;
    mod order;
    mod ports;
    mod privacy;
    mod refusals;
    mod rights;
    mod stopping;
    mod table;
    mod timers;
    mod uploads;
}
