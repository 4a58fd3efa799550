//! Tests logins with the hashes of other servers.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use skiff_conf::{Account, CertificateRule, Complaint, Server, StoreError};

use super::*;
use crate::accounts::client_certificate::Shown;
use crate::accounts::verdict::{LoginBy, Proven, Verdict};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Made by mkpasswd.
const OF_SECRET: &str = "$2b$05$Qqnr1kivnGDXqbUFksU8F.HzDTqk6M//nMQr0W6gL4qSRX6B6jH.6";

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Complaint(#[from] Complaint),
    #[error(transparent)]
    Refused(#[from] StoreError),
}

/// A store with tom, who has this hash; `body` runs where it may block.
fn with_tom(hash: &str, body: impl FnOnce(&Worker, &Accounts) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("server.ron");
    std::fs::write(&settings, "(scram_iterations: 10000)").unwrap();
    let config = Arc::new(Server::load(&settings).unwrap());
    std::fs::create_dir(&config.homes).unwrap();
    UserStore::edit(&config.users, |store| {
        let account = Account::with_hash(hash.parse().unwrap());
        store.add("tom".parse().unwrap(), account)?;
        Ok::<_, Failed>(())
    })
    .unwrap();
    let accounts = Accounts::new(config, [0; 32]).unwrap();
    let ran = Worker::spawn("test", move |worker| body(worker, &accounts));
    ran.unwrap().join().unwrap();
}

fn logs_in(accounts: &Accounts, worker: &Worker, password: &[u8]) -> bool {
    accounts.check(worker, "tom", HERE, password, None) == Some(Standing::Known)
}

fn stored(accounts: &Accounts) -> Account {
    let store = UserStore::load(&accounts.path()).unwrap();
    store.get("tom").unwrap().clone()
}

fn native(accounts: &Accounts, worker: &Worker) -> Standing {
    accounts.find(worker, "tom", HERE).unwrap().1
}

struct Certificate;

impl Shown for Certificate {
    fn fingerprint(&self) -> [u8; 32] {
        [7; 32]
    }

    fn names(&self, user: &str) -> bool {
        user == "tom"
    }
}

/// The session stays when a login by password changes the hash.
#[test]
fn a_certificate_stands_for_the_password_of_a_hash() {
    with_tom(OF_SECRET, |worker, accounts| {
        let shown: MaybeShown<'_> = Some(&Certificate);
        let recognized = |shown| accounts.recognize(worker, "tom", HERE, shown);
        assert_eq!(recognized(shown), Some(Standing::Decoy));
        UserStore::edit(&accounts.path(), |store| {
            let account = store.get_mut(&"tom".parse().unwrap())?;
            account.certificate = Some(CertificateRule::Instead);
            Ok::<_, Failed>(())
        })
        .unwrap();
        assert_eq!(recognized(None), Some(Standing::Decoy));
        assert_eq!(recognized(shown), Some(Standing::Known));
        let session = accounts.resolve(worker, "tom").ok().unwrap();
        assert!(logs_in(accounts, worker, b"secret"));
        assert!(stored(accounts).hash.is_none());
        let proven = Proven {
            keys: &[session.key],
            elsewhere: None,
        };
        let now = accounts.now(worker).unwrap();
        let by = LoginBy::Certificate(shown);
        let judged = now.judge("tom", HERE, proven, by);
        assert!(matches!(judged, Verdict::Stays { .. }));
    });
}

#[test]
fn a_hash_becomes_a_verifier_at_the_first_login_by_ftp() {
    with_tom(OF_SECRET, |worker, accounts| {
        assert!(!logs_in(accounts, worker, b"wrong") && !logs_in(accounts, worker, b""));
        assert_eq!(native(accounts, worker), Standing::Decoy);
        assert!(
            stored(accounts).hash.is_some(),
            "a wrong password changed it"
        );
        assert!(logs_in(accounts, worker, b"secret"));
        let account = stored(accounts);
        assert!(account.hash.is_none() && account.scram.is_some());
        assert!(logs_in(accounts, worker, b"secret") && !logs_in(accounts, worker, b"wrong"));
        let (verifier, standing) = accounts.find(worker, "tom", HERE).unwrap();
        assert_eq!(standing, Standing::Known);
        assert!(verifier.check("secret").is_ok());
    });
}

#[test]
fn the_password_is_known_for_a_while_before_and_after_the_change() {
    with_tom(OF_SECRET, |worker, accounts| {
        let hash = login_key(stored(accounts).proof().unwrap());
        let known = |key| {
            let tag = accounts.password_cache.tag("tom", &key, b"secret");
            accounts.password_cache.has(&tag)
        };
        assert!(!known(hash));
        assert!(logs_in(accounts, worker, b"secret"));
        assert!(known(hash) && known(login_key(stored(accounts).proof().unwrap())));
    });
}

#[test]
fn a_password_that_scram_cannot_have_stays_a_hash() {
    // Made by the crypt of Perl.
    let hash = "$1$abcdefgh$3P2T72wBG7hqgt/A534ui0";
    with_tom(hash, |worker, accounts| {
        assert!(logs_in(accounts, worker, b"pass w\xf6rd"));
        assert!(stored(accounts).hash.is_some());
        assert!(logs_in(accounts, worker, b"pass w\xf6rd"));
    });
}

fn judged(accounts: &Accounts, worker: &Worker, keys: &[LoginKey]) -> Verdict {
    let now = accounts.now(worker).unwrap();
    let elsewhere = None;
    now.judge(
        "tom",
        HERE,
        Proven { keys, elsewhere },
        LoginBy::Password(None),
    )
}

/// A session by the hash is under way when the store can be written again.
#[test]
fn the_change_at_a_later_login_ends_no_session() {
    with_tom(OF_SECRET, |worker, accounts| {
        let path = accounts.path();
        let right = std::fs::read(&path).unwrap();
        spoil(&path);
        assert!(
            logs_in(accounts, worker, b"secret"),
            "by the last good store"
        );
        let keys = [accounts.resolve(worker, "tom").ok().unwrap().key];
        std::fs::write(&path, &right).unwrap();
        assert!(matches!(
            judged(accounts, worker, &keys),
            Verdict::Stays { .. }
        ));
        // What was remembered of the password would hide the second login's change.
        accounts.password_cache.forget_all();
        assert!(logs_in(accounts, worker, b"secret"));
        assert!(stored(accounts).scram.is_some());
        assert!(matches!(
            judged(accounts, worker, &keys),
            Verdict::Stays { .. }
        ));
        UserStore::edit(&path, |store| {
            let account = store.get_mut(&"tom".parse().unwrap())?;
            let other = derive("other", Iterations::MIN).unwrap();
            account.set_password(other);
            Ok::<_, Failed>(())
        })
        .unwrap();
        assert_eq!(judged(accounts, worker, &keys), Verdict::Ends);
    });
}

fn spoil(path: &Path) {
    std::fs::write(path, "(users: {\"tom\": (scramm: 1)})").unwrap();
}

#[test]
fn a_change_by_the_operator_meanwhile_is_kept() {
    with_tom(OF_SECRET, |_, accounts| {
        let hash: PasswordHash = OF_SECRET.parse().unwrap();
        let other: PasswordHash = "$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/".parse().unwrap();
        UserStore::edit(&accounts.path(), |store| {
            store.get_mut(&"tom".parse().unwrap())?.hash = Some(other.clone());
            Ok::<_, Failed>(())
        })
        .unwrap();
        let changed = accounts.change_hash("tom", &hash, b"secret");
        assert!(matches!(changed, Ok(None)), "{changed:?}");
        assert_eq!(stored(accounts).hash, Some(other));
    });
}

#[test]
fn the_hashes_that_are_remembered_are_bounded() {
    let mut kept = KeptHashes::default();
    for number in 0..2 * KEPT_MAX {
        kept.note_kept(&number.to_string(), [1; 32]);
    }
    assert_eq!(kept.0.len(), KEPT_MAX);
    kept.note_changed("7", [2; 32], [3; 32]);
    assert!(!kept.is_proven("7", &[[2; 32]], &[3; 32]), "another hash");
    kept.note_changed("7", [1; 32], [3; 32]);
    assert!(kept.is_proven("7", &[[1; 32]], &[3; 32]));
    assert!(!kept.is_proven("8", &[[1; 32]], &[3; 32]), "another user");
}
