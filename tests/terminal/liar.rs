//! A server, most times without TLS, that knows tom's password and else says what a test has it say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use base64ct::{Base64, Encoding};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use skiff_sessions::scram::{Binding, ClientFirst, ServerProof, Verifier};

use crate::harness::{PASSWORD, PATIENCE};

/// One connection to a server that lies.
pub(super) struct Liar(BufReader<TcpStream>);

/// A server for one connection; the test waits for its end.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    script: JoinHandle<()>,
}

impl Serving {
    #[track_caller]
    pub(super) fn end(self) {
        if let Err(panic) = self.script.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Serves one connection by `script`.
pub(super) fn serve(script: impl FnOnce(Liar) + Send + 'static) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = thread::spawn(move || {
        let socket = listener.accept().unwrap().0;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        script(Liar(BufReader::new(socket)));
    });
    Serving { address, script }
}

/// The same, with the login and the question for the directory answered well.
pub(super) fn serve_session(script: impl FnOnce(Liar) + Send + 'static) -> Serving {
    serve(|mut liar| {
        liar.logs_in();
        liar.answers("PWD", "257 /");
        script(liar);
    })
}

/// Serves one login over TLS without knowing the password: the client's proof is answered by
/// `last`.
pub(super) fn serve_impostor(last: &'static str) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"skiff/1".to_vec()];
    let script = thread::spawn(move || {
        let socket = listener.accept().unwrap().0;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = BufReader::new(StreamOwned::new(tls, socket));
        let mut line = String::new();
        tls.read_line(&mut line).unwrap();
        let first = ClientFirst::parse(&scram_of(line.trim_end())).unwrap();
        let binding = Binding::TlsExporter([0; 32]);
        let (_, challenge) = challenge(first, &binding);
        tls.get_mut().write_all(challenge.as_bytes()).unwrap();
        tls.read_line(&mut line).unwrap();
        tls.get_mut()
            .write_all(format!("{last}\r\n").as_bytes())
            .unwrap();
        // Until the client has closed, well or not.
        let _ = tls.read_to_end(&mut Vec::new());
    });
    Serving { address, script }
}

/// The line with the challenge for tom, and what checks the proof.
fn challenge(first: ClientFirst, binding: &Binding) -> (ServerProof, String) {
    let salt = b"sixteen bytes ..".to_vec();
    let verifier = Verifier::derive(PASSWORD, salt, 10_000).unwrap();
    let challenged = first.challenge(&verifier, binding, "server-nonce");
    let (proof, challenge) = challenged.unwrap();
    let challenge = Base64::encode_string(&challenge);
    (proof, format!("331 scram={challenge} v=1 go on\r\n"))
}

impl Liar {
    /// The next line; empty when the client has closed.
    pub(super) fn hears_line(&mut self) -> String {
        let mut line = String::new();
        // A reset is an end too.
        let _ = self.0.read_line(&mut line);
        line.trim_end().to_owned()
    }

    #[track_caller]
    pub(super) fn hears(&mut self, wanted: &str) {
        assert_eq!(self.hears_line(), wanted);
    }

    pub(super) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\r\n").as_bytes());
    }

    /// The client may have closed.
    pub(super) fn sends(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Says the same line until the client has closed.
    pub(super) fn says_for_ever(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        while self.0.get_mut().write_all(line.as_bytes()).is_ok() {}
    }

    #[track_caller]
    pub(super) fn answers(&mut self, heard: &str, said: &str) {
        self.hears(heard);
        self.says(said);
    }

    /// Sends frames until the client says something, or has closed.
    pub(super) fn sends_until_heard(&mut self, frame: &[u8]) {
        let bytes = framed(frame);
        self.0.get_ref().set_nonblocking(true).unwrap();
        let mut at = 0;
        let mut byte = [0];
        while self.0.buffer().is_empty() && self.0.get_ref().peek(&mut byte).is_err() {
            match self.0.get_mut().write(&bytes[at..]) {
                Ok(count) => at = (at + count) % bytes.len(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    thread::yield_now();
                }
                Err(_) => break,
            }
        }
        self.0.get_ref().set_nonblocking(false).unwrap();
        self.sends(&bytes[at..]);
    }

    /// Takes an upload without a turn; returns its first line.
    #[track_caller]
    pub(super) fn takes_file(&mut self) -> String {
        let line = self.hears_line();
        loop {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).unwrap();
            match u32::from_be_bytes(length) {
                0 => break,
                length => {
                    let mut frame = vec![0; length as usize];
                    self.0.read_exact(&mut frame).unwrap();
                }
            }
        }
        assert!(self.hears_line().starts_with("225 "));
        line
    }

    /// Answers ABOR and NOOP within frames.
    #[track_caller]
    pub(super) fn stops(&mut self) {
        self.hears("ABOR");
        self.hears("NOOP");
        self.sends(&[0xff; 4]);
        self.says("550 why=aborted aborted");
        self.says("200 ok");
    }

    /// A whole listing of these lines, which ends with `end`.
    pub(super) fn lists(&mut self, lines: &[&str], end: &str) {
        self.says("150 here it comes");
        for line in lines {
            self.sends(&framed(format!("{line}\r\n").as_bytes()));
        }
        self.sends(&[0; 4]);
        self.says(end);
    }

    /// Answers until the client has closed: `answer` gets each line.
    pub(super) fn answers_all(&mut self, answer: impl Fn(&mut Self, &str)) {
        loop {
            let line = self.hears_line();
            if line.is_empty() {
                return;
            }
            match line.as_str() {
                "220" => return self.says("221 goodbye"),
                line => answer(self, line),
            }
        }
    }

    /// Up to the client's proof, which is returned with what it is checked by.
    pub(super) fn hears_proof(&mut self) -> (ServerProof, Vec<u8>) {
        let first = ClientFirst::parse(&scram_of(&self.hears_line())).unwrap();
        let (proof, challenge) = challenge(first, &Binding::None);
        self.sends(challenge.as_bytes());
        let last = scram_of(&self.hears_line());
        (proof, last)
    }

    fn logs_in(&mut self) {
        self.logs_in_with("");
    }

    /// The same with more words in the 230.
    pub(super) fn logs_in_with(&mut self, words: &str) {
        let (proof, last) = self.hears_proof();
        let signature = Base64::encode_string(&proof.verify(&last).unwrap());
        self.says(&format!("230 scram={signature} {words}welcome"));
    }

    /// Reads until the client has closed.
    pub(super) fn hears_the_end(&mut self) {
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes(), data].concat()
}

fn scram_of(line: &str) -> Vec<u8> {
    let words = line.split(' ');
    let mut values = words.filter_map(|word| word.strip_prefix("scram="));
    Base64::decode_vec(values.next().expect("a message of SCRAM")).unwrap()
}
