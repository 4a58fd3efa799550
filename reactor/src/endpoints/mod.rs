//! x

pub(crate) mod passive_ports;
