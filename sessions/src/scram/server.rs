//! SCRAM's server: answers the first message with a challenge, and the proof with a signature.

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;

use super::keys::{Key, prepare_user};
use super::message::{Attributes, BindingFlag, Message, check_nonce, decode_saslname};
use super::{Binding, ScramError, Verifier};

/// A client's first message, read and checked.
#[derive(Debug)]
pub struct ClientFirst {
    flag: BindingFlag,
    bare: String,
    user: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads `gs2-header n=user,r=nonce`.
    ///
    /// # Errors
    ///
    /// A message that breaks the grammar or its bound, a user name that SASLprep forbids, an
    /// authzid, a mandatory extension, or a channel binding other than `tls-exporter`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ScramError> {
        let malformed = ScramError::Malformed(Message::ClientFirst);
        let text = Message::ClientFirst.text(bytes)?;
        let (flag, rest) = text.split_once(',').ok_or(malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(malformed)?;
        let flag = BindingFlag::parse(flag)?;
        match authzid {
            "" => {}
            _ if authzid.starts_with("a=") => return Err(ScramError::Authzid),
            _ => return Err(malformed),
        }
        let mut attributes = Attributes::of(Message::ClientFirst, bare);
        let user = decode_saslname(attributes.expect('n')?).ok_or(malformed)?;
        let nonce = attributes.expect('r')?.to_owned();
        attributes.finish()?;
        check_nonce(&nonce)?;
        Ok(Self {
            flag,
            bare: bare.to_owned(),
            user: prepare_user(&user)?,
            nonce,
        })
    }

    /// The name to look up: unescaped, prepared with SASLprep.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The server-first message, and what waits for its answer. `server_nonce` must be fresh and
    /// unguessable.
    ///
    /// # Errors
    ///
    /// A client whose channel binding is not the one of this connection, or a nonce that cannot
    /// be sent.
    pub fn challenge(
        self,
        verifier: &Verifier,
        binding: &Binding,
        server_nonce: &str,
    ) -> Result<(ServerProof, Vec<u8>), ScramError> {
        self.check_flag(binding)?;
        check_nonce(server_nonce)?;
        let nonce = format!("{}{server_nonce}", self.nonce);
        let salt = Base64::encode_string(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let proof = ServerProof {
            stored_key: Key(verifier.stored_key),
            server_key: Key(verifier.server_key),
            flag: self.flag,
            binding: binding.clone(),
            nonce,
            spoken: format!("{},{server_first},", self.bare),
        };
        Ok((proof, server_first.into_bytes()))
    }

    /// A `y` on a bound connection is the mark of a downgrade (RFC 5802, section 6); an `n` there
    /// would let a man in the middle relay the login.
    fn check_flag(&self, binding: &Binding) -> Result<(), ScramError> {
        match (binding, self.flag) {
            (Binding::TlsExporter(_), BindingFlag::TlsExporter) => Ok(()),
            (Binding::TlsExporter(_), _) => Err(ScramError::BindingRequired),
            (Binding::None, BindingFlag::TlsExporter) => Err(ScramError::BindingUnsupported),
            (Binding::None, _) => Ok(()),
        }
    }
}

/// The server's state while it waits for the client's proof.
#[derive(Debug)]
pub struct ServerProof {
    stored_key: Key,
    server_key: Key,
    flag: BindingFlag,
    binding: Binding,
    nonce: String,
    /// The first two parts of `AuthMessage`, each with its comma.
    spoken: String,
}

impl ServerProof {
    /// Checks the client-final message and signs the login: returns the server-final message.
    ///
    /// # Errors
    ///
    /// [`ScramError::WrongProof`] for a wrong password and for any password of a decoy; else a
    /// message that breaks the grammar, another channel or another nonce.
    pub fn verify(self, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let message = Message::ClientFinal;
        let text = message.text(client_final)?;
        let (unproved, proof) = text
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed(message))?;
        let proof = message.decode_key(proof)?;
        self.check_channel(unproved)?;

        let auth_message = [self.spoken.as_bytes(), unproved.as_bytes()];
        let client_key = proof.masked_by(&self.stored_key.mac(&auth_message));
        if !client_key.stored_key().matches(&self.stored_key) {
            return Err(ScramError::WrongProof);
        }
        let signature = self.server_key.mac(&auth_message);
        Ok(format!("v={}", Base64::encode_string(&signature.0)).into_bytes())
    }

    fn check_channel(&self, unproved: &str) -> Result<(), ScramError> {
        let mut attributes = Attributes::of(Message::ClientFinal, unproved);
        let bound = Message::ClientFinal.decode_bytes(attributes.expect('c')?)?;
        let nonce = attributes.expect('r')?;
        attributes.finish()?;
        if !bool::from(bound.ct_eq(&self.flag.input(&self.binding))) {
            return Err(ScramError::BindingMismatch);
        }
        match nonce == self.nonce {
            true => Ok(()),
            false => Err(ScramError::NonceMismatch(Message::ClientFinal)),
        }
    }
}
