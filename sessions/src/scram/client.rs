//! SCRAM's client: proves the password, then demands that the server prove itself.

use std::ops::RangeInclusive;

use base64ct::{Base64, Encoding};

use super::keys::{Key, prepare_user};
use super::message::{Attributes, BindingFlag, Message, check_nonce, encode_saslname, parse_count};
use super::verifier::ITERATIONS;
use super::{Binding, KeyDerivation, ScramError};

/// A login that waits for the server's challenge.
#[derive(Debug)]
pub struct ClientLogin {
    binding: Binding,
    nonce: String,
    bare: String,
}

impl ClientLogin {
    /// Starts a login: returns the client-first message. `nonce` must be fresh and unguessable.
    ///
    /// # Errors
    ///
    /// A user name that is empty or that SASLprep forbids, or a nonce that cannot be sent.
    pub fn new(user: &str, nonce: &str, binding: Binding) -> Result<(Self, Vec<u8>), ScramError> {
        check_nonce(nonce)?;
        let user = encode_saslname(&prepare_user(user)?);
        let bare = format!("n={user},r={nonce}");
        let first = format!("{}{bare}", BindingFlag::for_binding(&binding).header());
        Ok((
            Self {
                binding,
                nonce: nonce.to_owned(),
                bare,
            },
            first.into_bytes(),
        ))
    }

    /// Proves `password`: returns the client-final message. Blocks for as long as the server's
    /// iterations of PBKDF2 take.
    ///
    /// # Errors
    ///
    /// A challenge that breaks the grammar, does not extend the nonce, or asks for iterations
    /// outside of [`super::MIN_ITERATIONS`] to [`super::MAX_ITERATIONS`]; a password that is empty
    /// or that SASLprep forbids. Nothing derived from the password has been sent then.
    pub fn answer(
        self,
        server_first: &[u8],
        password: &str,
    ) -> Result<(AwaitSignature, Vec<u8>), ScramError> {
        self.answer_within(&ITERATIONS, server_first, password)
    }

    pub(super) fn answer_within(
        self,
        bounds: &RangeInclusive<u32>,
        server_first: &[u8],
        password: &str,
    ) -> Result<(AwaitSignature, Vec<u8>), ScramError> {
        let server_first = Message::ServerFirst.text(server_first)?;
        let challenge = Challenge::parse(server_first)?;
        challenge.check(&self.nonce, bounds)?;
        let salted = Key::from_password(password, &challenge.salt, challenge.iterations)?;

        let bound = BindingFlag::for_binding(&self.binding).input(&self.binding);
        let unproved = format!("c={},r={}", Base64::encode_string(&bound), challenge.nonce);
        let auth_message = format!("{},{server_first},{unproved}", self.bare);
        let auth_message = [auth_message.as_bytes()];

        let client_key = salted.client_key();
        let proof = client_key.masked_by(&client_key.stored_key().mac(&auth_message));
        let client_final = format!("{unproved},p={}", Base64::encode_string(&proof.0));
        let signature = salted.server_key().mac(&auth_message);
        let derivation = KeyDerivation {
            salt: challenge.salt,
            iterations: challenge.iterations,
        };
        Ok((
            AwaitSignature {
                signature,
                derivation,
            },
            client_final.into_bytes(),
        ))
    }
}

/// A login whose client has proved itself, and whose server has not yet.
#[derive(Debug)]
pub struct AwaitSignature {
    signature: Key,
    derivation: KeyDerivation,
}

impl AwaitSignature {
    /// Checks the server-final message. Only after `Ok` is the server the one that knows the
    /// account, and the login done; what is returned proves the password again, when it is changed.
    ///
    /// # Errors
    ///
    /// [`ScramError::WrongSignature`], [`ScramError::Refused`] where the server sent `e=`, or a
    /// message that breaks the grammar.
    pub fn check(self, server_final: &[u8]) -> Result<KeyDerivation, ScramError> {
        let message = Message::ServerFinal;
        let mut attributes = Attributes::of(message, message.text(server_final)?);
        let signature = match attributes.next()? {
            Some(('v', signature)) => message.decode_key(signature)?,
            Some(('e', _)) => return Err(ScramError::Refused),
            _ => return Err(ScramError::Malformed(message)),
        };
        attributes.finish()?;
        match signature.matches(&self.signature) {
            true => Ok(self.derivation),
            false => Err(ScramError::WrongSignature),
        }
    }
}

/// The parts of the server-first message.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> Challenge<'a> {
    fn parse(text: &'a str) -> Result<Self, ScramError> {
        let message = Message::ServerFirst;
        let mut attributes = Attributes::of(message, text);
        let nonce = attributes.expect('r')?;
        let salt = message.decode_bytes(attributes.expect('s')?)?;
        let iterations =
            parse_count(attributes.expect('i')?).ok_or(ScramError::Malformed(message))?;
        attributes.finish()?;
        Ok(Self {
            nonce,
            salt,
            iterations,
        })
    }

    /// Checks nonce and iterations. A nonce that only repeats the client's would let an old login
    /// be replayed.
    fn check(&self, own_nonce: &str, bounds: &RangeInclusive<u32>) -> Result<(), ScramError> {
        check_nonce(self.nonce)?;
        match self.nonce.strip_prefix(own_nonce) {
            Some(added) if !added.is_empty() => {}
            _ => return Err(ScramError::NonceMismatch(Message::ServerFirst)),
        }
        match bounds.contains(&self.iterations) {
            true => Ok(()),
            false => Err(ScramError::Iterations(self.iterations)),
        }
    }
}
