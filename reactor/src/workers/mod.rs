//! x

pub(crate) mod inline;
pub(crate) mod jobs;
pub(crate) mod open_file;
pub(crate) mod parking;
pub(crate) mod pool;
pub(crate) mod schedule;
pub(crate) mod sendfile_pacer;
pub(crate) mod short_upload;
pub(crate) mod work_item;
pub(crate) mod yielding;
