//! Finds the users of the system to whom the files of homes and shared folders belong.

use std::sync::Arc;

use skiff_conf::{Account, FileOwner, FileOwners, Server, UserName};
use skiff_vfs::{HomeRules, Owner};

use crate::system_users::{LookUpError, SystemUser};

/// Why nobody can work in a home that has an owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnerError {
    #[error(
        "its owner is {0}, and file_owners is Daemon; say file_owners: Accounts in server.ron, or \
         take the owner out"
    )]
    NotAsked(FileOwner),
    #[error("its owner: {0}")]
    LookUp(#[from] LookUpError),
    #[error("its owner {0} cannot have files")]
    NoUser(FileOwner),
}

/// The owner that the account of `name` says.
pub(crate) fn named_owner(name: &UserName, account: &Account) -> Option<FileOwner> {
    let owner = account.owner.as_ref();
    owner.map(|owner| owner.of_account(name))
}

/// The ids of `owner`, as the system has them now; reads files.
pub(crate) fn look_up(config: &Server, owner: &FileOwner) -> Result<Owner, OwnerError> {
    if config.file_owners == FileOwners::Daemon {
        return Err(OwnerError::NotAsked(owner.clone()));
    }
    let found = SystemUser::find(owner.user(), owner.group(), None)?;
    let known = Owner::new(found.uid, found.gid, &found.groups);
    known.ok_or_else(|| OwnerError::NoUser(owner.clone()))
}

/// The rules with the ids of `owner`.
pub(crate) fn owned(
    config: &Server,
    rules: &HomeRules,
    owner: Option<&FileOwner>,
) -> Result<HomeRules, OwnerError> {
    let owner = owner.map(|owner| look_up(config, owner)).transpose()?;
    Ok(HomeRules {
        owner: owner.map(Arc::new),
        ..rules.clone()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_owner_is_looked_up_where_the_settings_ask_for_owners() {
        let rules: HomeRules = skiff_vfs::Limit::new(1, 1).into();
        let owner: FileOwner = "54321:54322".parse().unwrap();
        let path = Path::new("/server.ron");
        let without = Server::parse("()", path).unwrap();
        let with = Server::parse("(file_owners: Accounts)", path).unwrap();
        let error = owned(&without, &rules, Some(&owner)).unwrap_err();
        assert!(error.to_string().contains("file_owners: Accounts"));
        assert_eq!(owned(&without, &rules, None).unwrap(), rules);
        let found = owned(&with, &rules, Some(&owner)).unwrap().owner.unwrap();
        assert_eq!((found.uid(), found.gid()), (54_321, 54_322));
        for (bad, told) in [
            ("nobody-here", "nobody-here is not"),
            ("54321", "its group too"),
        ] {
            let error = owned(&with, &rules, Some(&bad.parse().unwrap())).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
