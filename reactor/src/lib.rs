//! `skiffd`: sockets, threads and time around the sessions. The reactor waits,
//! the workers work.

mod accesslog;
mod accounts;
mod admin;
mod alarm;
mod bell;
mod channel;
mod check;
pub mod cli;
mod connection;
mod courtesy;
mod daemon;
mod deadlines;
mod demo;
mod errand;
mod files;
mod guard;
mod hand;
mod hub;
mod ids;
mod init;
mod known;
mod listener;
mod logging;
mod notify;
mod passive;
mod patience;
mod reactor;
mod schedule;
mod secret;
mod short;
mod signals;
mod tls;
mod work;
mod workers;
