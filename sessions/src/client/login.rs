//! Logs the client in with SCRAM (PROTOCOL.md section 4): 230 is believed only if the server's
//! signature is right.

use zeroize::Zeroizing;

use super::{Effect, Event, Outcome, finish, ignore_or_refuse};
use crate::scram::{AwaitSignature, Binding, ClientLogin, KeyDerivation, ScramError};
use crate::wire::command::Command;
use crate::wire::native::replies::ReplyLine;

/// The user who logs in, and the channel that the login is bound to.
pub struct Credentials {
    pub user: String,
    pub password: Zeroizing<String>,
    /// Fresh and unguessable, printable ASCII without a comma.
    pub nonce: String,
    pub binding: Binding,
}

/// The server's 230, and what a change of the password is proven by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    pub answered: ReplyLine,
    pub derivation: KeyDerivation,
}

pub(super) enum Login {
    Named {
        scram: ClientLogin,
        password: Zeroizing<String>,
    },
    Proved {
        signature: AwaitSignature,
    },
}

impl Login {
    pub(super) fn begin(
        credentials: Credentials,
        out: &mut Vec<Effect>,
    ) -> Result<Self, ScramError> {
        let Credentials {
            user,
            password,
            nonce,
            binding,
        } = credentials;
        let (scram, first) = ClientLogin::new(&user, &nonce, binding)?;
        out.push(Effect::Send(Command::Login { first }));
        Ok(Self::Named { scram, password })
    }

    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::Named { scram, password }, Event::Answered(challenge))
                if challenge.code == 331 =>
            {
                prove(scram, &password, &challenge, out)
            }
            (Self::Proved { signature }, Event::Answered(answered)) if answered.code == 230 => {
                let checked = signature.check(answered.scram.as_deref().unwrap_or_default());
                let welcome = |derivation| {
                    Outcome::LoggedIn(Welcome {
                        answered,
                        derivation,
                    })
                };
                finish(checked.map_or_else(Outcome::LoginFailed, welcome), out)
            }
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }
}

fn prove(
    scram: ClientLogin,
    password: &str,
    challenge: &ReplyLine,
    out: &mut Vec<Effect>,
) -> Option<Login> {
    match scram.answer(challenge.scram.as_deref().unwrap_or_default(), password) {
        Ok((signature, last)) => {
            out.push(Effect::Send(Command::Prove { last }));
            Some(Login::Proved { signature })
        }
        Err(error) => finish(Outcome::LoginFailed(error), out),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Dialogue;
    use crate::digest::Algorithm;
    use crate::scram::{ClientFirst, ServerProof, Verifier};
    use crate::wire::native::codes::encode;
    use crate::wire::reply::{LoginRefusal, Reply};

    const SALT: &[u8] = b"sixteen bytes ..";

    /// A server that knows the account, up to its challenge.
    fn challenged(password: &str) -> (Dialogue, ServerProof, Vec<Effect>) {
        let mut out = Vec::new();
        let credentials = Credentials {
            user: "tom".into(),
            password: Zeroizing::new(password.into()),
            nonce: "client-nonce".into(),
            binding: Binding::TlsExporter([7; 32]),
        };
        let mut dialogue = Dialogue::login(credentials, &mut out).unwrap();
        let Some(Effect::Send(Command::Login { first })) = out.pop() else {
            panic!("no USER");
        };
        let verifier = Verifier::derive("123", SALT.to_vec(), 10_000).unwrap();
        let first = ClientFirst::parse(&first).unwrap();
        let binding = Binding::TlsExporter([7; 32]);
        let (proof, challenge) = first
            .challenge(&verifier, &binding, "server-nonce")
            .unwrap();
        dialogue.handle(heard(&Reply::Challenge { scram: challenge }), &mut out);
        (dialogue, proof, out)
    }

    fn heard(reply: &Reply) -> Event {
        let mut line = Vec::new();
        encode(reply, &mut line);
        Event::Answered(ReplyLine::decode(line.trim_ascii_end()).unwrap())
    }

    fn proof_in(out: &mut Vec<Effect>) -> Vec<u8> {
        match out.pop() {
            Some(Effect::Send(Command::Prove { last })) => last,
            other => panic!("{other:?}"),
        }
    }

    fn outcome(out: &mut Vec<Effect>) -> Outcome {
        match out.pop() {
            Some(Effect::Done(outcome)) => *outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_prove_themselves() {
        let (mut dialogue, server, mut out) = challenged("123");
        let scram = server.verify(&proof_in(&mut out)).unwrap();
        dialogue.handle(
            heard(&Reply::LoggedIn {
                scram,
                digest: Algorithm::Md5,
                idle: Duration::from_secs(900),
            }),
            &mut out,
        );
        let Outcome::LoggedIn(welcome) = outcome(&mut out) else {
            panic!("not logged in");
        };
        let derivation = KeyDerivation {
            salt: SALT.to_vec(),
            iterations: 10_000,
        };
        assert_eq!(welcome.derivation, derivation);
    }

    #[test]
    fn a_wrong_password() {
        let (mut dialogue, server, mut out) = challenged("124");
        assert!(server.verify(&proof_in(&mut out)).is_err());
        dialogue.handle(
            heard(&Reply::LoginRefused(LoginRefusal::Credentials)),
            &mut out,
        );
        assert!(matches!(outcome(&mut out), Outcome::Replied(answered) if answered.code == 530));
    }

    #[test]
    fn a_230_without_the_right_signature_is_not_believed() {
        for scram in [
            &b"v=AAAA"[..],
            b"",
            b"v=yVHXqXbWY2Ehbk1uJ6QaBQ5x3Ql3jTn5yP4pSgKD5Rk=",
        ] {
            let (mut dialogue, _, mut out) = challenged("123");
            proof_in(&mut out);
            dialogue.handle(
                heard(&Reply::LoggedIn {
                    scram: scram.to_vec(),
                    digest: Algorithm::Md5,
                    idle: Duration::from_secs(900),
                }),
                &mut out,
            );
            assert!(matches!(outcome(&mut out), Outcome::LoginFailed(_)));
        }
    }

    #[test]
    fn a_230_before_the_proof_is_not_believed() {
        let mut out = Vec::new();
        let credentials = Credentials {
            user: "tom".into(),
            password: Zeroizing::new("123".into()),
            nonce: "n".into(),
            binding: Binding::None,
        };
        let mut dialogue = Dialogue::login(credentials, &mut out).unwrap();
        dialogue.handle(
            heard(&Reply::LoggedIn {
                scram: Vec::new(),
                digest: Algorithm::Md5,
                idle: Duration::from_secs(900),
            }),
            &mut out,
        );
        assert!(matches!(outcome(&mut out), Outcome::OutOfOrder(_)));
    }

    #[test]
    fn a_challenge_that_asks_for_a_cheap_proof_gets_none() {
        let mut out = Vec::new();
        let credentials = Credentials {
            user: "tom".into(),
            password: Zeroizing::new("123".into()),
            nonce: "n".into(),
            binding: Binding::None,
        };
        let mut dialogue = Dialogue::login(credentials, &mut out).unwrap();
        let scram = b"r=n+server,s=c2FsdHNhbHRzYWx0c2FsdA==,i=9999".to_vec();
        dialogue.handle(heard(&Reply::Challenge { scram }), &mut out);
        assert_eq!(
            outcome(&mut out),
            Outcome::LoginFailed(ScramError::Iterations(9999))
        );
    }
}
