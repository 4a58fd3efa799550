//! `skiffd`: sockets, threads and time around the sessions. The reactor waits,
//! the workers work.

mod accesslog;
mod accounts;
pub mod cli;
mod connection;
mod daemon;
mod endpoints;
mod event_loop;
mod reactor;
mod tls;
mod transport;
mod workers;
