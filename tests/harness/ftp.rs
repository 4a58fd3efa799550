//! The far end of an FTP session in clear: enough of it to change files.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{PASSWORD, PATIENCE};

pub(crate) struct Ftp {
    control: BufReader<TcpStream>,
    server: SocketAddr,
}

impl Ftp {
    /// A session of one of the demo's users.
    #[track_caller]
    pub(crate) fn login(server: SocketAddr, user: &str) -> Self {
        Self::login_as(server, user, PASSWORD)
    }

    /// A session of a user with this password.
    #[track_caller]
    pub(crate) fn login_as(server: SocketAddr, user: &str, password: &str) -> Self {
        let (mut ftp, code) = Self::try_login(server, user, password);
        assert_eq!(code, 230);
        assert_eq!(ftp.ask("TYPE I"), 200);
        ftp
    }

    /// A session, logged in or not, and the answer to PASS.
    #[track_caller]
    pub(crate) fn try_login(server: SocketAddr, user: &str, password: &str) -> (Self, u16) {
        let control = BufReader::new(connect(server));
        let mut ftp = Self { control, server };
        assert_eq!(ftp.reply().0, 220);
        assert_eq!(ftp.ask(&format!("USER {user}")), 331);
        let code = ftp.ask(&format!("PASS {password}"));
        (ftp, code)
    }

    /// The code of the answer to a line.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> u16 {
        self.send(line);
        self.reply().0
    }

    /// The code and the text of the answer to a line.
    #[track_caller]
    pub(crate) fn told(&mut self, line: &str) -> (u16, String) {
        self.send(line);
        self.reply()
    }

    /// The code of what the server says unasked.
    #[track_caller]
    pub(crate) fn heard(&mut self) -> u16 {
        self.reply().0
    }

    /// Uploads by `line`, such as `STOR name`: the last code.
    #[track_caller]
    pub(crate) fn upload(&mut self, line: &str, data: &[u8]) -> u16 {
        let mut lane = self.passive();
        let begun = self.ask(line);
        if begun != 150 {
            return begun;
        }
        // The server may refuse the rest.
        let _ = lane.write_all(data);
        let _ = lane.shutdown(Shutdown::Write);
        self.reply().0
    }

    /// Fetches a listing by `line`, such as `LIST`: the last code and the text.
    #[track_caller]
    pub(crate) fn listing(&mut self, line: &str) -> (u16, String) {
        let mut lane = self.passive();
        assert_eq!(self.ask(line), 150);
        let mut text = String::new();
        lane.read_to_string(&mut text).unwrap();
        (self.reply().0, text)
    }

    /// A data connection for the next transfer.
    #[track_caller]
    pub(crate) fn passive(&mut self) -> TcpStream {
        self.send("EPSV");
        let (code, text) = self.reply();
        assert_eq!(code, 229, "{text}");
        let port = text.split('|').nth(3).unwrap().parse().unwrap();
        connect(SocketAddr::new(self.server.ip(), port))
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.control.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// The code and the last line of an answer, which may have more lines (RFC 959 section 4.2).
    #[track_caller]
    fn reply(&mut self) -> (u16, String) {
        loop {
            let mut line = String::new();
            let count = self.control.read_line(&mut line).unwrap();
            assert!(count > 0, "the daemon closed");
            let is_last = line.as_bytes().get(3) == Some(&b' ');
            if let (true, Ok(code)) = (is_last, line[..3].parse()) {
                return (code, line);
            }
        }
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}
