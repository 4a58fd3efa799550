//! The PROXY protocol: whose word is taken, what a header changes, and haproxy in front of it all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::{addresses, ftp_addresses, said_by};
use crate::harness::{Daemon, PATIENCE, until, write_settings};

/// Proxies connect to 127.0.0.2, from 127.0.0.80 and whence haproxy connects.
const SETTINGS: &str =
    "ftp: (listen: [\"127.0.0.1:0\", \"127.0.0.2:0\"], implicit: [\"127.0.0.3:0\"],
    tls: Optional, tls_for: [(network: \"192.0.2.0/24\", tls: Require)]),
    limits: (sessions_per_address: 2, ban_address_after: 1, ban_after: 1, exempt: []),
    proxy_protocol: (listen: [\"127.0.0.2:0\", \"127.0.0.3:0\"], from: [\"127.0.0.80/28\"]),";
const PROXY: [u8; 4] = [127, 0, 0, 80];
const STRANGER: [u8; 4] = [127, 0, 0, 1];

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, of a client at 203.0.113.7 who has called 198.51.100.1:21, with these bytes behind.
fn binary(more: &[u8]) -> Vec<u8> {
    let length = (12 + more.len() as u16).to_be_bytes();
    let addresses = [203, 0, 113, 7, 198, 51, 100, 1, 0x20, 0x21, 0, 21];
    [SIGNATURE, &[0x21, 0x11], &length, &addresses, more].concat()
}

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 5000 21\r\n").into_bytes()
}

/// A connection from this address.
#[track_caller]
fn call(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let caller = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&caller, &SocketAddr::new(Ipv4Addr::from(from).into(), 0)).unwrap();
    connect(&caller, &to).unwrap();
    let stream = TcpStream::from(caller);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A control connection behind this header, greeted.
struct Control(BufReader<TcpStream>);

impl Control {
    #[track_caller]
    fn behind(header: &[u8], to: SocketAddr) -> Self {
        let mut stream = call(PROXY, to);
        stream.write_all(header).unwrap();
        let mut control = Self(BufReader::new(stream));
        control.hears(220);
        control
    }

    #[track_caller]
    fn asks(&mut self, line: &str, code: u16) -> String {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        self.hears(code)
    }

    #[track_caller]
    fn hears(&mut self, code: u16) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert!(line.starts_with(&code.to_string()), "{code}: {line}");
        line
    }
}

/// All that comes until the end, which may be a reset.
fn heard(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn a_header_says_who_the_client_is() {
    let daemon = Daemon::configured(SETTINGS);
    let proxied = ftp_addresses(&daemon)[1];
    for (header, client) in [
        (line("203.0.113.5"), "address=203.0.113.5 port=5000"),
        (binary(b""), "address=203.0.113.7 port=8225"),
        (binary(&[4, 0, 2, 1, 2]), "address=203.0.113.7 port=8225"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "address=127.0.0.80 port="),
        (
            [SIGNATURE, &[0x20, 0, 0, 0]].concat(),
            "address=127.0.0.80 port=",
        ),
    ] {
        // What the client says comes right behind it, or the header in pieces.
        let mut whole = Control::behind(&[&header[..], b"NOOP\r\n"].concat(), proxied);
        whole.hears(200);
        let mut stream = call(PROXY, proxied);
        for byte in &header {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut pieces = Control(BufReader::new(stream));
        pieces.hears(220);
        until("both sessions in the log", || {
            let log = daemon.log();
            let told = log.lines().filter(|told| told.contains("connected: "));
            (told.filter(|told| told.contains(client)).count() >= 2).then_some(())
        });
        for mut control in [whole, pieces] {
            control.asks("QUIT", 221);
        }
    }
    // Limits, rules of networks and bans are about the client.
    let mut strict = Control::behind(&line("192.0.2.9"), proxied);
    strict.asks("USER tom", 530);
    let _two = [(); 2].map(|()| {
        let mut control = Control::behind(&line("203.0.113.9"), proxied);
        control.asks("USER tom", 331);
        control.asks("PASS 123", 230);
        control
    });
    assert_refused("203.0.113.9", proxied);
    let mut guesser = Control::behind(&line("203.0.113.66"), proxied);
    guesser.asks("USER tom", 331);
    guesser.asks("PASS wrong", 421);
    daemon.wait_log("banned: address=203.0.113.66");
    assert_refused("203.0.113.66", proxied);
    let mut other = Control::behind(&line("203.0.113.67"), proxied);
    other.asks("USER tom", 331);
    other.asks("PASS 123", 230);
}

#[track_caller]
fn assert_refused(client: &str, proxied: SocketAddr) {
    let mut stream = call(PROXY, proxied);
    stream.write_all(&line(client)).unwrap();
    let heard = heard(stream);
    assert!(heard.starts_with(b"421 "), "{}", heard.escape_ascii());
}

#[test]
fn strangers_and_what_is_no_header_are_closed_without_a_word() {
    let daemon = Daemon::configured(SETTINGS);
    let [direct, proxied] = ftp_addresses(&daemon)[..] else {
        panic!("two listeners");
    };
    let implicit = addresses(&daemon, "serving ftp over tls on [")[0];
    let mut causes = Vec::new();
    for (from, sent, cause) in [
        (
            STRANGER,
            line("203.0.113.5"),
            "it is no proxy that is believed",
        ),
        (STRANGER, binary(b""), ""),
        (STRANGER, b"USER tom\r\n".to_vec(), ""),
        (PROXY, b"USER tom\r\n".to_vec(), "it sends no header"),
        (PROXY, b"\x16\x03\x01\x02\x00".to_vec(), ""),
        (
            PROXY,
            b"PROXY TCP4 203.0.113.5\r\n".to_vec(),
            "is malformed",
        ),
        (PROXY, binary(&[0; 3000]), "is too long"),
        (
            PROXY,
            format!("PROXY TCP4 {}", "9".repeat(200)).into_bytes(),
            "",
        ),
        (
            PROXY,
            [SIGNATURE, &[0x21, 0x12, 0, 12], &[1; 12]].concat(),
            "is not about TCP",
        ),
    ] {
        for server in [proxied, implicit] {
            let mut stream = call(from, server);
            // It may be closed already.
            let _ = stream.write_all(&sent);
            assert_eq!(heard(stream), b"", "{}", sent.escape_ascii());
        }
        causes.push(cause);
    }
    // One that says nothing, or not all, in time; and one that only looks whether somebody is there.
    let mut half = call(PROXY, proxied);
    half.write_all(b"PROXY TCP4 203.0.").unwrap();
    let silent = call(PROXY, proxied);
    call(PROXY, proxied).shutdown(Shutdown::Both).unwrap();
    assert_eq!([heard(half), heard(silent)], [b"", b""]);
    // Each cause once at a time, so that a flood of them is none of lines.
    for cause in causes {
        daemon.wait_log(cause);
    }
    daemon.wait_log("its header of the proxy protocol does not come");
    assert!(!daemon.log().contains("connected: "), "{}", daemon.log());
    // A header at a listener that is not for proxies is a line of nonsense.
    let mut plain = call(PROXY, direct);
    plain.write_all(&line("203.0.113.5")).unwrap();
    let mut control = Control(BufReader::new(plain));
    control.hears(220);
    control.hears(500);
    daemon.wait_log("connected: session=");
    assert!(
        !daemon.log().contains("address=203.0.113.5"),
        "{}",
        daemon.log()
    );
}

#[test]
fn who_is_believed_can_be_changed() {
    let daemon = Daemon::configured(SETTINGS);
    let proxied = ftp_addresses(&daemon)[1];
    Control::behind(&line("203.0.113.5"), proxied).asks("QUIT", 221);
    let changed = SETTINGS.replace("127.0.0.80/28", "127.0.0.1");
    let keys = format!("native: (listen: [\"127.0.0.1:0\"]), {changed}");
    write_settings(daemon.folder(), &keys);
    assert!(daemon.reload().status.success());
    let mut stream = call(PROXY, proxied);
    let _ = stream.write_all(&line("203.0.113.5"));
    assert_eq!(heard(stream), b"");
}

/// Its port in the settings is 0, so the process that takes over cannot go by the one in use.
#[test]
fn a_listener_of_proxies_stays_one_when_it_is_handed_over() {
    let mut daemon = Daemon::configured(SETTINGS);
    let proxied = ftp_addresses(&daemon)[1];
    let output = daemon.upgrade(&[]);
    assert!(output.status.success(), "{output:?}");
    daemon.first_ends_well();
    Control::behind(&line("203.0.113.5"), proxied).asks("QUIT", 221);
    daemon.wait_log("connected: session=1 address=203.0.113.5");
    assert_eq!(heard(call(STRANGER, proxied)), b"");
}

#[test]
fn data_connections_come_from_the_client_or_from_the_proxy() {
    let daemon = Daemon::configured(SETTINGS);
    let proxied = ftp_addresses(&daemon)[1];
    let client = [127, 0, 7, 7];
    let mut control = Control::behind(&line("127.0.7.7"), proxied);
    control.asks("USER tom", 331);
    control.asks("PASS 123", 230);
    // PASV tells what the client has called; EPSV needs no address.
    let told = control.asks("PASV", 227);
    assert!(told.contains("(198,51,100,1,"), "{told}");
    for from in [client, PROXY] {
        let told = control.asks("EPSV", 229);
        let port: u16 = told.split('|').nth(3).unwrap().parse().unwrap();
        let to = SocketAddr::new(proxied.ip(), port);
        let stranger = call(STRANGER, to);
        let data = call(from, to);
        control.asks("NLST", 150);
        assert_eq!(heard(data), b"");
        control.hears(226);
        assert_eq!(heard(stranger), b"");
    }
    // Active ones go to the client itself, and to nobody else.
    let listener = TcpListener::bind((Ipv4Addr::from(client), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    control.asks(&format!("EPRT |1|127.0.0.80|{port}|"), 504);
    control.asks(&format!("EPRT |1|127.0.7.7|{port}|"), 200);
    control.asks("NLST", 150);
    assert_eq!(heard(listener.accept().unwrap().0), b"");
    control.hears(226);
}

#[test]
fn the_network_of_the_client_says_what_pasv_tells() {
    let settings = SETTINGS.replace(
        "ftp: (",
        "ftp: (passive_address: \"192.0.2.200\", passive_address_for: [
            (network: \"203.0.113.0/24\", address: \"192.0.2.201\"),
            (network: \"203.0.113.64/26\", address: \"auto\")], ",
    );
    let daemon = Daemon::configured(&settings);
    let proxied = ftp_addresses(&daemon)[1];
    for (client, told) in [
        ("198.51.100.9", "(192,0,2,200,"),
        ("203.0.113.9", "(192,0,2,201,"),
        ("203.0.113.65", "(198,51,100,1,"),
    ] {
        let mut control = Control::behind(&line(client), proxied);
        control.asks("USER tom", 331);
        control.asks("PASS 123", 230);
        let heard = control.asks("PASV", 227);
        assert!(heard.contains(told), "{client}: {heard}");
    }
}

/// haproxy(1) in front of a server; ends with the test.
struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address where nobody listens now.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Haproxy {
    /// Passes on to `server` what comes to `front`, and its data connections by the port `data`.
    #[track_caller]
    fn start(
        folder: &Path,
        front: SocketAddr,
        server: SocketAddr,
        version: &str,
        data: u16,
    ) -> Self {
        let settings = format!(
            "defaults
  mode tcp
  timeout connect 9s
  timeout client 9s
  timeout server 9s
  source 127.0.0.81
listen control
  bind {front}
  server one {server} {version}
listen data
  bind {}:{data}
  server one {}:{data}
",
            front.ip(),
            server.ip()
        );
        let path = folder.join("haproxy.cfg");
        std::fs::write(&path, settings).unwrap();
        let mut command = Command::new("haproxy");
        command
            .arg("-db")
            .arg("-f")
            .arg(&path)
            .stderr(Stdio::null());
        let haproxy = Self(command.spawn().expect("haproxy can be started"));
        until("haproxy", || TcpStream::connect(front).ok());
        haproxy
    }
}

#[test]
fn haproxy_speaks_for_curl_by_both_versions() {
    let data = free_port().port();
    let settings = SETTINGS.replace(
        "ftp: (",
        &format!("ftp: (passive_ports: \"{data}-{data}\", "),
    );
    let daemon = Daemon::configured(&settings);
    let proxied = ftp_addresses(&daemon)[1];
    let implicit = addresses(&daemon, "serving ftp over tls on [")[0];
    let file = daemon.folder().join("picture");
    std::fs::write(&file, b"pixels").unwrap();
    // Active data connections go past it to the client itself, passive ones come through it.
    let (active, passive) = (&["-P", "127.0.7.9"][..], &["--ssl-reqd"][..]);
    for (name, version, server, scheme, more) in [
        ("one", "send-proxy", proxied, "ftp", active),
        ("two", "send-proxy-v2", proxied, "ftp", active),
        ("three", "send-proxy", proxied, "ftp", passive),
        ("four", "send-proxy-v2", implicit, "ftps", passive),
    ] {
        let front = free_port();
        let _haproxy = Haproxy::start(daemon.folder(), front, server, version, data);
        let url = format!("{scheme}://{front}/{name}");
        let fixed = [
            "-sS",
            "-k",
            "--interface",
            "127.0.7.9",
            "-u",
            "tom:123",
            "-T",
            file.to_str().unwrap(),
            &url,
            "-w",
            "code %{response_code}",
        ];
        let said = said_by("curl", &[&fixed[..], more].concat(), "");
        assert!(said.contains("code 226"), "{name}: {said}");
        let stored = daemon.home("tom").join(name);
        assert_eq!(std::fs::read(stored).unwrap(), b"pixels");
        let told = daemon.wait_log(&format!("/{name}"));
        assert!(told.contains(" 127.0.7.9 tom STOR 226 6 "), "{told}");
    }
}
