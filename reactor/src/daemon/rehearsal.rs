//! Tries the daemon's own start, for `skiffd check`: every step of it, as the user that the daemon is
//! to be, and nothing is made or changed.
//!
//! It gives up root as the daemon does, so it runs in a process of its own.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::geteuid;
use skiff_conf::{Metrics, RunAs, Server};

use super::{
    StartError, bind_all, machinery, policy, require_access, root_makes_state, system_user,
};
use crate::accesslog::AccessLog;
use crate::accounts::lock::FolderLocks;
use crate::accounts::secret;
use crate::accounts::store::Accounts;
use crate::control::client;
use crate::endpoints::inherited::Inherited;
use crate::endpoints::{Endpoints, OperatorIdentity};
use crate::metrics::listener::Listener as MetricsListener;
use crate::tls::ServerIdentity;
use crate::walls;
use crate::walls::run_as::{self, become_for_good, require_owners};

/// Whether a daemon with these settings runs already, and holds its folders and addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Already {
    Runs,
    No,
}

/// All that would keep a daemon with these settings from starting.
pub(crate) fn rehearse(config: &Server) -> Vec<StartError> {
    let mut found = Vec::new();
    let mut note = |error: Option<StartError>| found.extend(error);
    let running = client::addresses(&config.state);
    let already = match running {
        Some(_) => Already::Runs,
        None => Already::No,
    };
    let running = running.unwrap_or_default();
    // Held to the end: they must be free together.
    let mut bound = Vec::new();
    for result in bind_all(config, &running, &mut Inherited::default()) {
        match result {
            Ok(listener) => bound.push(listener),
            Err(error) => note(Some(error)),
        }
    }
    // Those of `run_as` are read by root, those of a service manager's user are not.
    let early = config
        .run_as
        .is_some()
        .then(|| OperatorIdentity::load(config));
    let is_roots_to_make = geteuid().is_root() && root_makes_state(config);
    note(become_user(config).err());
    let identity = early.unwrap_or_else(|| OperatorIdentity::load(config));
    note(examine_state(config, already, is_roots_to_make).err());
    note(try_metrics(config, already).err());
    note(AccessLog::try_out(&config.log).err().map(StartError::from));
    note(policy(config).err());
    let standing = walls::rehearse(config).require(config.walls);
    note(standing.err().map(StartError::from));
    note(machinery(config).err());
    let accounts = Accounts::new(Arc::new(config.clone()), [0; secret::LENGTH]);
    note(accounts.err().map(StartError::from));
    match identity {
        Err(error) => note(Some(error.into())),
        Ok(identity) if ServerIdentity::is_to_be_made(config) => drop(identity),
        Ok(identity) => note(
            Endpoints::load(config, identity, None)
                .err()
                .map(StartError::from),
        ),
    }
    found
}

/// Becomes the user of `run_as`; where there is none, and root checks, the owner of the state folder,
/// as whom a service manager starts the daemon.
fn become_user(config: &Server) -> Result<(), StartError> {
    if let Some(user) = system_user(config)? {
        become_for_good(&user, config.file_owners)?;
        require_owners(config.file_owners)?;
        return require_access(config, &user);
    }
    let owner = config.state.metadata().map_or(0, |found| found.uid());
    if geteuid().is_root() && owner != 0 {
        let gid = config.state.metadata().map_or(owner, |found| found.gid());
        let run_as = RunAs {
            user: owner.to_string(),
            group: Some(gid.to_string()),
        };
        let owner = run_as::find(&run_as, config.group.as_deref())?;
        become_for_good(&owner, config.file_owners)?;
    }
    Ok(require_owners(config.file_owners)?)
}

fn examine_state(
    config: &Server,
    already: Already,
    is_roots_to_make: bool,
) -> Result<(), StartError> {
    let state = &config.state;
    let failed = |error: io::Error| StartError::Path {
        path: state.clone(),
        error,
    };
    match state.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(failed(Errno::EXIST.into())),
        Err(_) if is_roots_to_make => return Ok(()),
        Err(_) => return may_be_made(state).map_err(failed),
    }
    if already == Already::No {
        FolderLocks::try_out(state, &config.homes)?;
    }
    match secret::look(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed),
    }
}

/// A daemon that runs holds its own address.
fn try_metrics(config: &Server, already: Already) -> Result<(), StartError> {
    let Some(Metrics { listen }) = config.metrics.as_ref().filter(|_| already == Already::No)
    else {
        return Ok(());
    };
    MetricsListener::try_out(listen).map_err(|error| StartError::Metrics {
        address: listen.clone(),
        error,
    })
}

fn may_be_made(folder: &Path) -> io::Result<()> {
    let above = folder.ancestors().skip(1).find(|above| above.exists());
    let above = above.unwrap_or_else(|| Path::new("/"));
    match above.is_dir() {
        true => Ok(access(above, Access::WRITE_OK | Access::EXEC_OK)?),
        false => Err(Errno::NOTDIR.into()),
    }
}
