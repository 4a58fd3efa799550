//! Finds the shared folders of an account, and what each may hold.

use std::path::PathBuf;

use skiff_conf::{
    Account, Age, FolderName, FolderQuota, Server, SharedFolder, UserName, UserStore,
};
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_vfs::{HomeRules, Limit, Retention, WhenFull};

use super::owners::named_owner;
use super::store::{UserHome, limit};

/// The limit of entries of a folder with a quota of its own is that of homes; the word stands for
/// the folder where homes have a user: no user's name has a blank.
const HOLDER: &str = "folder ";

/// Where a shared folder appears, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FolderPlace {
    /// `/NAME`.
    pub(crate) at: VirtualPath,
    /// The home that it is or lies in; its user is whose quota the files count against.
    pub(crate) home: UserHome,
    /// Where the folder is below that directory; empty for the directory itself.
    pub(crate) inside: PathBuf,
}

/// What the home of `name` may hold, and for how long.
pub(super) fn rules(config: &Server, name: &UserName, account: &Account) -> HomeRules {
    HomeRules {
        limit: limit(config, name, account),
        retention: retention(account.keep.as_ref(), account.ring.unwrap_or_default()),
        // Looked up when the home is opened.
        owner: None,
    }
}

fn retention(keep: Option<&Age>, ring: skiff_conf::WhenFull) -> Retention {
    Retention {
        keep: keep.map(Age::get),
        when_full: match ring {
            skiff_conf::WhenFull::Refuse => WhenFull::Refuse,
            skiff_conf::WhenFull::RemoveOldest => WhenFull::RemoveOldest,
        },
    }
}

/// The shared folders of the account of `name`.
pub(super) fn places(
    config: &Server,
    store: &UserStore,
    name: &UserName,
    account: &Account,
) -> Vec<FolderPlace> {
    let folders = config.folders.iter();
    let own = folders.filter(|(_, folder)| folder.is_for(name, account));
    own.filter_map(|(at, folder)| place(config, store, at, folder))
        .collect()
}

/// What the holder of a shared folder may store; `None` where that is no folder.
pub(super) fn rules_of_folder(config: &Server, holder: &str) -> Option<HomeRules> {
    let name = holder.strip_prefix(HOLDER)?;
    let mut folders = config.folders.iter();
    let (_, folder) = folders.find(|(at, _)| at.as_str() == name)?;
    own_rules(config, folder)
}

/// Where it appears.
pub(super) fn path_of(name: &FolderName) -> Option<VirtualPath> {
    VirtualPath::root().join(&PathArg::new(name.as_str())?).ok()
}

fn place(
    config: &Server,
    store: &UserStore,
    name: &FolderName,
    folder: &SharedFolder,
) -> Option<FolderPlace> {
    let at = path_of(name)?;
    let FolderQuota::Owner(owner) = &folder.quota else {
        return Some(FolderPlace {
            at,
            home: home_of_folder(config, name, folder)?,
            inside: PathBuf::new(),
        });
    };
    let Some((owner, account)) = store.find(owner.as_str()) else {
        log::error!("the shared folder {name} is left out: its owner {owner} is no user");
        return None;
    };
    let root = config.home(owner, account);
    match folder.path.strip_prefix(&root) {
        Ok(inside) if !inside.as_os_str().is_empty() => Some(FolderPlace {
            at,
            inside: inside.to_owned(),
            home: UserHome {
                user: owner.to_string(),
                rules: rules(config, owner, account),
                owner: named_owner(owner, account),
                root,
            },
        }),
        _ => {
            let path = folder.path.display();
            log::error!(
                "the shared folder {name} is left out: {path} does not lie in the home of its \
                 owner {owner}"
            );
            None
        }
    }
}

fn own_rules(config: &Server, folder: &SharedFolder) -> Option<HomeRules> {
    match &folder.quota {
        FolderQuota::Own(bytes) => Some(HomeRules {
            limit: Limit::new(bytes.get(), config.quota.entries.get()),
            retention: retention(folder.keep.as_ref(), folder.ring),
            owner: None,
        }),
        FolderQuota::Owner(_) => None,
    }
}

/// The shared folders with a quota of their own, each as a home.
pub(super) fn homes_of_folders(config: &Server) -> impl Iterator<Item = UserHome> {
    let folders = config.folders.iter();
    folders.filter_map(|(name, folder)| home_of_folder(config, name, folder))
}

fn home_of_folder(config: &Server, name: &FolderName, folder: &SharedFolder) -> Option<UserHome> {
    Some(UserHome {
        user: format!("{HOLDER}{name}"),
        root: folder.path.clone(),
        rules: own_rules(config, folder)?,
        owner: folder.owner.clone(),
    })
}
