//! Handles commands before the login, and logs in with SCRAM (RFC 5802 section 3; PROTOCOL.md
//! section 4).

use super::context::{Account, Context};
use super::continuations::AfterJob;
use super::job::{Completion, Job, Standing};
use super::parameters::Parameters;
use super::penalty::{self, Attempt};
use super::session::{Effect, State};
use super::{immediate, password_login, security};
use crate::path::VirtualPath;
use crate::scram::{Binding, ClientFirst, ScramError, ServerProof};
use crate::wire::command::Command;
use crate::wire::reply::{CloseReason, LoginRefusal, Operation, Refusal, Reply};

/// A client-first-message whose account is being looked up.
pub(super) struct Request {
    first: ClientFirst,
}

/// The challenge was sent; the client's proof is next.
pub(super) struct AwaitProof {
    user: String,
    standing: Standing,
    proof: ServerProof,
}

/// Handles a command before the login.
pub(super) fn on_command(state: State, command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Login { first } => begin(&first, cx),
        Command::Prove { .. } => {
            cx.reply(Reply::BadSequence);
            state
        }
        Command::Help(topic) => immediate::help(state, topic, cx),
        Command::User(user) => password_login::user(user, cx),
        Command::Password(_) => {
            cx.reply(Reply::BadSequence);
            state
        }
        other => answer_without_login(state, other, cx),
    }
}

/// Handles a command that may be given with and without a login: AUTH, PBSZ, PROT, CCC, REIN and
/// immediate ones; HOST before only.
pub(super) fn answer_without_login(state: State, command: Command, cx: &mut Context<'_>) -> State {
    match command {
        Command::Security(security) => security::on_command(state, security, cx),
        Command::Reinitialize => reinitialize(cx),
        Command::Host(name) => {
            let reply = immediate::host(name, cx);
            cx.reply(reply);
            state
        }
        other => {
            cx.reply(immediate::answer(other, cx));
            state
        }
    }
}

fn begin(first: &[u8], cx: &mut Context<'_>) -> State {
    match ClientFirst::parse(first) {
        Ok(first) => {
            let job = cx.start_job(Job::FindAccount {
                user: first.user().to_owned(),
            });
            State::working(job, AfterJob::Challenge(Box::new(Request { first })))
        }
        Err(error) => refuse_login(error, String::new(), cx),
    }
}

impl Request {
    pub(super) fn on_completed(self, completion: Completion, cx: &mut Context<'_>) -> State {
        let user = self.first.user().to_owned();
        let (verifier, standing) = match completion {
            Completion::Account { verifier, standing } => (verifier, standing),
            Completion::Refused(why) => return refuse_home(why, cx),
            _ => return refuse_home(Refusal::Fault, cx),
        };
        let nonce = cx.shared.nonce();
        match self
            .first
            .challenge(&verifier, &cx.shared.setup.binding, &nonce)
        {
            Ok((proof, scram)) => {
                cx.reply(Reply::Challenge { scram });
                State::Proof(Box::new(AwaitProof {
                    user,
                    standing,
                    proof,
                }))
            }
            Err(error) => refuse_login(error, user, cx),
        }
    }
}

impl AwaitProof {
    pub(super) fn on_command(self: Box<Self>, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Prove { last } => self.check(&last, cx),
            Command::Login { first } => begin(&first, cx),
            other => on_command(State::Proof(self), other, cx),
        }
    }

    /// Checks the proof, a decoy's too, so that both cost the same time.
    fn check(self, last: &[u8], cx: &mut Context<'_>) -> State {
        match (self.proof.verify(last), self.standing) {
            (Ok(scram), Standing::Known) => {
                let job = cx.start_job(Job::OpenHome);
                State::working(
                    job,
                    AfterJob::Welcome {
                        user: self.user,
                        scram,
                    },
                )
            }
            (Ok(_), Standing::Decoy) => {
                penalty::fail(self.user, Attempt::Login(LoginRefusal::Credentials), cx)
            }
            (Err(error), _) => refuse_login(error, self.user, cx),
        }
    }
}

/// Ends the login: the home is open, or is refused.
pub(super) fn welcome(
    user: String,
    scram: Vec<u8>,
    completion: Completion,
    cx: &mut Context<'_>,
) -> State {
    match completion {
        Completion::HomeOpen(terms) => {
            cx.shared.account = Some(Account { user, terms });
            let digest = cx.shared.setup.dialect_rules.digest;
            let idle = cx.shared.setup.limits.idle;
            cx.conclude(Reply::LoggedIn {
                scram,
                digest,
                idle,
            })
        }
        Completion::Refused(why) => refuse_home(why, cx),
        _ => refuse_home(Refusal::Fault, cx),
    }
}

/// Answers a login that was proven but whose home does not open, or that nobody could judge. What is
/// no fault of the account is 421: the client comes again.
pub(super) fn refuse_home(why: Refusal, cx: &mut Context<'_>) -> State {
    match why {
        Refusal::NoHome => cx.close_with(CloseReason::NoHome),
        Refusal::NoAccounts => cx.close_with(CloseReason::NoAccounts),
        Refusal::Overloaded => cx.close_with(CloseReason::Overloaded),
        Refusal::TooManySessions => cx.close_with(CloseReason::TooManyOfUser),
        why => {
            cx.reply(Reply::Refused {
                operation: Operation::Login,
                why,
            });
            State::New
        }
    }
}

/// Refuses a login. A client that asks for a mechanism that is not offered here has shown nothing of
/// a password, and is told at once what to ask for.
fn refuse_login(error: ScramError, user: String, cx: &mut Context<'_>) -> State {
    let why = match error {
        ScramError::BindingRequired | ScramError::BindingUnsupported => {
            cx.reply(Reply::LoginRefused(match cx.shared.setup.binding {
                Binding::TlsExporter(_) => LoginRefusal::PlusOnly,
                Binding::None => LoginRefusal::PlainOnly,
            }));
            return State::New;
        }
        ScramError::BindingMismatch => LoginRefusal::ChannelBinding,
        ScramError::TooLong(_) | ScramError::Malformed(_) | ScramError::Authzid => {
            LoginRefusal::Message
        }
        ScramError::MandatoryExtension(_) | ScramError::BadNonce => LoginRefusal::Message,
        ScramError::NonceMismatch(_) => LoginRefusal::Message,
        ScramError::WrongProof | ScramError::BadUser => LoginRefusal::Credentials,
        // Said of a client's own password, or of a server.
        ScramError::EmptySalt | ScramError::Iterations(_) => LoginRefusal::Credentials,
        ScramError::EmptyPassword | ScramError::BadPassword => LoginRefusal::Credentials,
        ScramError::Refused | ScramError::WrongSignature => LoginRefusal::Credentials,
    };
    penalty::fail(user, Attempt::Login(why), cx)
}

/// REIN: resets the session as if it had just been made; TLS stays (RFC 959 section 4.1.1).
fn reinitialize(cx: &mut Context<'_>) -> State {
    cx.effects.push(Effect::CloseData);
    if cx.shared.account.take().is_some() {
        cx.effects.push(Effect::Logout);
    }
    cx.shared.cwd = VirtualPath::root();
    cx.shared.parameters = Parameters::of(cx.shared.initial_privacy);
    cx.shared.login_due = cx.now + cx.shared.setup.limits.login;
    cx.reply(Reply::Reinitialized);
    State::New
}
