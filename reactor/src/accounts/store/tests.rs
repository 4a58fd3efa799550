//! Tests the accounts: their passwords, their changes, and from where and when they are open.

use skiff_sessions::scram::{KeyDerivation, prove_change};
use skiff_sessions::wire::command::NewVerifier;

use super::*;

const BINDING: Binding = Binding::TlsExporter([7; 32]);
const ROUNDS: u32 = 10_000;
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A store with tom, whose password is "old"; `body` runs where it may block.
fn with_tom(body: impl FnOnce(&Worker, &Accounts) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("server.ron");
    std::fs::write(&settings, "(scram_iterations: 10000)").unwrap();
    let config = Arc::new(Server::load(&settings).unwrap());
    UserStore::edit(&config.users, |store| {
        let new = derived("old", [1; 16]);
        let scram = skiff_conf::Verifier {
            salt: new.salt.clone(),
            iterations: skiff_conf::Iterations::new(ROUNDS).unwrap(),
            stored_key: new.stored_key,
            server_key: new.server_key,
        };
        let added = store.add("tom".parse().unwrap(), Account::new(scram));
        added.map_err(NotChanged::from)
    })
    .unwrap_or_else(|_| panic!("no store"));
    let accounts = Accounts::new(config, [0; 32]).unwrap();
    let ran = Worker::spawn("test", move |worker| body(worker, &accounts));
    ran.unwrap().join().unwrap();
}

#[test]
fn where_a_home_is_is_known_before_it_is_made() {
    with_tom(|worker, accounts| {
        let root = accounts.homes(worker, Some("tom")).remove(0).root;
        assert!(!root.exists());
        let device = accounts.device_of(worker, "tom");
        let above = root.ancestors().find(|above| above.exists()).unwrap();
        let expected = std::os::unix::fs::MetadataExt::dev(&above.metadata().unwrap());
        assert_eq!(device, Some(expected));
        assert_eq!(accounts.device_of(worker, "nobody"), None);
    });
}

fn derived(password: &str, salt: [u8; 16]) -> Verifier {
    Verifier::derive(password, salt.to_vec(), ROUNDS).unwrap()
}

/// A change to "new" by whoever says that the password is `old`, under the salt `salt`.
fn change(old: &str, salt: [u8; 16]) -> PasswordChange {
    let new = derived("new", [2; 16]);
    let derivation = KeyDerivation {
        salt: salt.to_vec(),
        iterations: ROUNDS,
    };
    PasswordChange {
        proof: prove_change(old, &derivation, &BINDING, &new).unwrap(),
        new: NewVerifier {
            salt: new.salt.clone(),
            iterations: new.iterations,
            stored_key: new.stored_key,
            server_key: new.server_key,
        },
    }
}

fn set(accounts: &Accounts, change: impl FnOnce(&mut Account)) {
    let edited: Result<(), NotChanged> = UserStore::edit(&accounts.path(), |store| {
        change(store.get_mut(&"tom".parse().unwrap())?);
        Ok(())
    });
    assert!(edited.is_ok());
}

fn knows(accounts: &Accounts, worker: &Worker, password: &str) -> bool {
    accounts.check(worker, "tom", HERE, password.as_bytes(), None) == Some(Standing::Known)
}

#[test]
fn a_slip_in_the_file_changes_no_account() {
    use std::os::unix::fs::PermissionsExt;
    with_tom(|worker, accounts| {
        let (path, right) = (accounts.path(), std::fs::read(accounts.path()).unwrap());
        let is_unchanged = || knows(accounts, worker, "old") && !knows(accounts, worker, "no");
        std::fs::write(&path, "(users: {\"tom\": (scramm: 1)})").unwrap();
        assert!(is_unchanged(), "a mistyped key");
        std::fs::remove_file(&path).unwrap();
        assert!(is_unchanged(), "no file");
        std::fs::write(&path, &right).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(is_unchanged(), "a file that others may read");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        set(accounts, |account| {
            account.standing = AccountStatus::Disabled;
        });
        assert!(!knows(accounts, worker, "old"), "a good file counts again");
    });
}

/// The cache of proven passwords knows it for a minute.
#[test]
fn the_old_password_is_wrong_at_once_although_it_was_cached() {
    with_tom(|worker, accounts| {
        assert!(knows(accounts, worker, "old"));
        let (old, _) = accounts.find(worker, "tom", HERE).unwrap();
        let tag = accounts.password_cache.tag("tom", &old.stored_key, b"old");
        assert!(accounts.password_cache.has(&tag), "it is not cached");
        let changed = accounts.set_password(worker, "tom", &change("old", [1; 16]), &BINDING);
        assert_eq!(changed, Ok(()));
        assert!(!knows(accounts, worker, "old"));
        assert!(knows(accounts, worker, "new"));
    });
}

#[test]
fn a_wrong_proof_changes_nothing() {
    with_tom(|worker, accounts| {
        let wrong = Err(Refusal::WrongPassword);
        let guess = change("guess", [1; 16]);
        let other = Binding::TlsExporter([8; 32]);
        assert_eq!(
            accounts.set_password(worker, "tom", &guess, &BINDING),
            wrong
        );
        let right = change("old", [1; 16]);
        assert_eq!(accounts.set_password(worker, "tom", &right, &other), wrong);
        assert!(knows(accounts, worker, "old") && !knows(accounts, worker, "new"));
        // The operator was faster: the proof is of a password that is no more.
        set(accounts, |tom| {
            tom.scram.as_mut().unwrap().stored_key[0] ^= 1;
        });
        assert_eq!(
            accounts.set_password(worker, "tom", &right, &BINDING),
            wrong
        );
    });
}

#[test]
fn what_the_operator_says_holds_at_once() {
    with_tom(|worker, accounts| {
        let right = change("old", [1; 16]);
        let asked = || accounts.set_password(worker, "tom", &right, &BINDING);
        let fixed = Err(Refusal::PasswordFixed);
        set(accounts, |tom| {
            tom.access = Some(skiff_conf::Access::ReadOnly);
        });
        assert_eq!(asked(), fixed);
        set(accounts, |tom| tom.access = None);
        set(accounts, |tom| tom.passwd = Some(PasswordRight::Fixed));
        assert_eq!(asked(), fixed);
        // Nothing is told of the proof either.
        let guess = change("guess", [1; 16]);
        assert_eq!(
            accounts.set_password(worker, "tom", &guess, &BINDING),
            fixed
        );
        set(accounts, |tom| tom.standing = AccountStatus::Disabled);
        assert_eq!(asked(), Err(Refusal::NoAccount));
        set(accounts, |tom| {
            tom.standing = AccountStatus::Enabled;
            tom.access = Some(skiff_conf::Access::ReadOnly);
            tom.passwd = Some(PasswordRight::Changeable);
        });
        assert_eq!(asked(), Ok(()));
        assert!(knows(accounts, worker, "new"));
    });
}
