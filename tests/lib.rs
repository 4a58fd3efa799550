//! Whole processes on loopback.
