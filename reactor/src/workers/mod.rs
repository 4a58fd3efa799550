//! x

pub(crate) mod burst;
pub(crate) mod inline;
pub(crate) mod jobs;
mod listing_text;
pub(crate) mod open_file;
pub(crate) mod parking;
pub(crate) mod pool;
mod refusal;
pub(crate) mod schedule;
pub(crate) mod sendfile_pacer;
mod short_upload;
mod small_file;
pub(crate) mod work_item;
pub(crate) mod yielding;
