//! A server without TLS that knows tom's password and else says what a test has it say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use base64ct::{Base64, Encoding};
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
        let salt = b"sixteen bytes ..".to_vec();
        let verifier = Verifier::derive(PASSWORD, salt, 10_000).unwrap();
        let (proof, challenge) = first
            .challenge(&verifier, &Binding::None, "server-nonce")
            .unwrap();
        let challenge = Base64::encode_string(&challenge);
        self.says(&format!("331 scram={challenge} v=1 go on"));
        let last = scram_of(&self.hears_line());
        (proof, last)
    }

    fn logs_in(&mut self) {
        let (proof, last) = self.hears_proof();
        let signature = Base64::encode_string(&proof.verify(&last).unwrap());
        self.says(&format!("230 scram={signature} welcome"));
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
