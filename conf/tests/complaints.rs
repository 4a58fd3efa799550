//! Tests that each mistake in a settings file gives one line with file, place, key and remedy.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use skiff_conf::{Client, Server};

/// What is said of `line`, alone on the third line of an otherwise right file.
fn server(line: &str) -> String {
    let text = format!("(\n  durability: None,\n{line}\n)\n");
    let complaint = Server::parse(&text, Path::new("server.ron")).unwrap_err();
    complaint.to_string()
}

fn client(line: &str) -> String {
    let text = format!("(\n  tls: Off,\n{line}\n)\n");
    Client::parse(&text, Path::new("client.ron"))
        .unwrap_err()
        .to_string()
}

#[test]
fn unknown_keys() {
    assert_eq!(
        server("  quota: (defualt: \"1MB\"),"),
        "server.ron:3:11: unknown key \"defualt\" in quota; did you mean \"default\"?"
    );
    assert_eq!(
        server("  homez: \"homes\","),
        "server.ron:3:3: unknown key \"homez\"; did you mean \"homes\"?"
    );
    assert_eq!(
        server("  log: (banana: 1),"),
        "server.ron:3:9: unknown key \"banana\" in log; write one of access, level, format, xferlog"
    );
    assert_eq!(
        client("  timeoot: \"3s\","),
        "client.ron:3:3: unknown key \"timeoot\"; did you mean \"timeout\"?"
    );
}

#[test]
fn one_password_from_one_place() {
    assert_eq!(
        client("  password_file: \"pw\",\n  password_command: \"pass nas\","),
        "client.ron:4:3: password_command: password_file is there too; keep one of them"
    );
}

#[test]
fn addresses() {
    assert_eq!(
        server("  native: (listen: [\"127.0.0.1:1\", \"0.0.0.0:80010\"]),"),
        "server.ron:3:36: native.listen: \"0.0.0.0:80010\" is not an address; \
         write IP:PORT such as \"0.0.0.0:8001\" or \"[::]:8001\""
    );
    assert_eq!(
        server("  native: (tls: Off, listen: []),"),
        "server.ron:3:22: native.listen: no address; write at least one such as \"0.0.0.0:8001\""
    );
    assert_eq!(
        server("  native: (listen: [\"[::]:1\", \"[::0]:1\"]),"),
        "server.ron:3:12: native.listen: [::]:1 stands twice; keep one of them"
    );
    assert_eq!(
        server("  limits: (exempt: [\"10.0.0.0/99\"]),"),
        "server.ron:3:21: limits.exempt: \"10.0.0.0/99\" is not an address or a network; \
         write one such as \"192.0.2.7\" or \"10.0.0.0/8\""
    );
    assert_eq!(
        client("  server: \"files.example:0\","),
        "client.ron:3:11: server: \"files.example:0\" is not a server; \
         write HOST or HOST:PORT such as \"127.0.0.1:8001\""
    );
}

#[test]
fn metrics_addresses() {
    assert_eq!(
        server("  metrics: (listen: \"0.0.0.0:9121\"),"),
        "server.ron:3:21: metrics.listen: \"0.0.0.0:9121\" is not an address of this machine \
         alone, and metrics ask nobody for a password; write \"127.0.0.1:9121\" or \
         \"unix:/run/skiff/metrics.sock\", and let a web server with TLS and a login pass them on"
    );
    assert_eq!(
        server("  metrics: (listen: \"9121\"),"),
        "server.ron:3:21: metrics.listen: \"9121\" is not an address for metrics; write one of \
         this machine alone, such as \"127.0.0.1:9121\", or \"unix:/run/skiff/metrics.sock\""
    );
    assert_eq!(
        server("  metrics: (listen: \"unix:\"),"),
        "server.ron:3:21: metrics.listen: \"unix:\" is not the path of a Unix socket, which has \
         1 to 107 bytes (unix(7)); write one such as \"unix:/run/skiff/metrics.sock\""
    );
    assert_eq!(
        server("  native: (listen: [\"0.0.0.0:1\"]), metrics: (listen: \"127.0.0.1:1\"),"),
        "server.ron:3:46: metrics.listen: 127.0.0.1:1 clashes with 0.0.0.0:1 of native.listen; \
         choose another port"
    );
}

#[test]
fn ftp_addresses() {
    assert_eq!(
        server("  ftp: (listen: [\"0.0.0.0\"]),"),
        "server.ron:3:18: ftp.listen: \"0.0.0.0\" is not an address; \
         write IP:PORT such as \"0.0.0.0:2121\" or \"[::]:2121\""
    );
    assert_eq!(
        server("  ftp: (implicit: [\"localhost:990\"]),"),
        "server.ron:3:20: ftp.implicit: \"localhost:990\" is not an address; \
         write IP:PORT such as \"0.0.0.0:990\" or \"[::]:990\""
    );
    assert_eq!(
        server("  ftp: (listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"]),"),
        "server.ron:3:9: ftp.listen: 127.0.0.1:1 stands twice; keep one of them"
    );
    assert_eq!(
        server("  ftp: (implicit: [\"[::]:1\", \"[::]:1\"]),"),
        "server.ron:3:9: ftp.implicit: [::]:1 stands twice; keep one of them"
    );
    assert_eq!(
        server("  ftp: (tls: Off, implicit: [\"0.0.0.0:990\"]),"),
        "server.ron:3:19: ftp.implicit: is all TLS, but ftp.tls is Off; \
         make it Require, or leave this list empty"
    );
}

#[test]
fn certificates() {
    for (line, key, whole) in [
        ("tls: (key: \"x\"),", "tls.key", "tls.certificate"),
        ("tls: (names: [\"a\"]),", "tls.names", "tls.certificate"),
        (
            "tls: (others: [(certificate: \"a\", key: \"b\")]),",
            "tls.others",
            "tls.certificate",
        ),
        (
            "tls: (client_crl: \"x\"),",
            "tls.client_crl",
            "tls.client_ca",
        ),
    ] {
        assert_eq!(
            server(line),
            format!(
                "server.ron:3:7: {key}: goes with {whole}, which is not there; \
                 write both, or neither"
            )
        );
    }
    assert_eq!(
        server("  tls: (certificat: \"x\"),"),
        "server.ron:3:9: unknown key \"certificat\" in tls; did you mean \"certificate\"?"
    );
    assert_eq!(
        server("  tls: (minimum: \"1.1\"),"),
        "server.ron:3:18: tls.minimum: \"1.1\" is not a version of TLS that is spoken; \
         write \"1.2\" or \"1.3\""
    );
    assert_eq!(
        server("  tls: (names: [\"192.0.2.7\"]),"),
        "server.ron:3:17: tls.names: \"192.0.2.7\" is not a name of this server; \
         write one such as \"ftp.example.org\" or \"*.example.org\""
    );
    assert_eq!(
        server("  tls: (others: [(certificate: \"a\")]),"),
        "server.ron:3:9: tls.others: the key \"key\" is missing; add it"
    );
}

#[test]
fn addresses_that_clash() {
    assert_eq!(
        server("  native: (listen: [\"0.0.0.0:21\"]), ftp: (listen: [\"127.0.0.1:21\"]),"),
        "server.ron:3:43: ftp.listen: 127.0.0.1:21 clashes with 0.0.0.0:21 of native.listen; \
         choose another port"
    );
    assert_eq!(
        server("  ftp: (implicit: [\"0.0.0.0:2121\"]),"),
        "server.ron:3:9: ftp.implicit: 0.0.0.0:2121 clashes with 0.0.0.0:2121 of ftp.listen; \
         choose another port"
    );
    assert_eq!(
        server("  native: (listen: [\"[::1]:990\"]), ftp: (implicit: [\"[::1]:990\"]),"),
        "server.ron:3:42: ftp.implicit: [::1]:990 clashes with [::1]:990 of native.listen; \
         choose another port"
    );
    // Against a default, which has no line.
    assert_eq!(
        server("  native: (listen: [\"0.0.0.0:2121\"]),"),
        "server.ron: ftp.listen: 0.0.0.0:2121 clashes with 0.0.0.0:2121 of native.listen; \
         choose another port"
    );
}

#[test]
fn ftp_data_connections() {
    let range = "is not a range of ports; write FIRST-LAST such as \"61000-61099\", \
                 from 1024 to 65535, the lower one first";
    for wrong in ["61099-61000", "80-90", "50000", "50000-70000"] {
        assert_eq!(
            server(&format!("  ftp: (passive_ports: \"{wrong}\"),")),
            format!("server.ron:3:24: ftp.passive_ports: \"{wrong}\" {range}")
        );
    }
    assert_eq!(
        server("  ftp: (passive_ports: 50000),"),
        "server.ron:3:24: ftp.passive_ports: write a text in double quotes"
    );
    let address = "is not an address that clients can call; \
                   write \"auto\", or one such as \"203.0.113.7\" or \"ftp.example.org\"";
    for wrong in ["0.0.0.0", "::", "203.0.113", "ftp example"] {
        assert_eq!(
            server(&format!("  ftp: (passive_address: \"{wrong}\"),")),
            format!("server.ron:3:26: ftp.passive_address: \"{wrong}\" {address}")
        );
    }
    assert_eq!(
        server("  ftp: (data_timeout: \"20\"),"),
        "server.ron:3:23: ftp.data_timeout: \"20\" is not a duration; \
         write a whole number and ms, s, min, h or d, such as \"10min\""
    );
}

#[test]
fn rules_for_some_clients() {
    assert_eq!(
        server("  ftp: (tls_for: [(tls: Off)]),"),
        "server.ron:3:9: ftp.tls_for: a rule names neither a network nor a listener; write \
         network: \"10.0.5.0/24\", or listen: with an address of ftp.listen"
    );
    assert_eq!(
        server("  ftp: (tls_for: [(listen: \"0.0.0.0:2122\", tls: Off)]),"),
        "server.ron:3:9: ftp.tls_for: 0.0.0.0:2122 is no address of ftp.listen; \
         did you mean \"0.0.0.0:2121\"?"
    );
    assert_eq!(
        server("  ftp: (tls_for: [(network: \"10.0.5\", tls: Off)]),"),
        "server.ron:3:29: ftp.tls_for.network: \"10.0.5\" is not an address or a network; \
         write one such as \"192.0.2.7\" or \"10.0.0.0/8\""
    );
    assert_eq!(
        server("  ftp: (tls_for: [(network: \"10.0.5.0/24\", tls: Of)]),"),
        "server.ron:3:49: ftp.tls_for.tls: \"Of\" is not known; did you mean \"Off\"?"
    );
    assert_eq!(
        server("  ftp: (tls_for: [(network: \"10.0.5.0/24\")]),"),
        "server.ron:3:9: ftp.tls_for: the key \"tls\" is missing; add it"
    );
}

#[test]
fn proxies() {
    assert_eq!(
        server("  proxy_protocol: (listen: [\"0.0.0.0:2121\"]),"),
        "server.ron:3:20: proxy_protocol.listen: nobody may connect there; \
         name the proxies in proxy_protocol.from"
    );
    assert_eq!(
        server("  proxy_protocol: (from: [\"192.0.2.7\"]),"),
        "server.ron:3:20: proxy_protocol.from: no listener is for them; \
         name some in proxy_protocol.listen"
    );
    assert_eq!(
        server("  proxy_protocol: (listen: [\"0.0.0.0:2122\"], from: [\"192.0.2.7\"]),"),
        "server.ron:3:20: proxy_protocol.listen: 0.0.0.0:2122 is no address of native.listen, \
         ftp.listen or ftp.implicit; did you mean \"0.0.0.0:2121\"?"
    );
    assert_eq!(
        server("  proxy_protocol: (listn: []),"),
        "server.ron:3:20: unknown key \"listn\" in proxy_protocol; did you mean \"listen\"?"
    );
    assert_eq!(
        server("  proxy_protocol: (listen: [\"0.0.0.0:2121\"], from: [\"proxy\"]),"),
        "server.ron:3:53: proxy_protocol.from: \"proxy\" is not an address or a network; \
         write one such as \"192.0.2.7\" or \"10.0.0.0/8\""
    );
}

#[test]
fn banners_and_passive_addresses() {
    assert_eq!(
        server("  ftp: (banner: \" \"),"),
        "server.ron:3:17: ftp.banner: \" \" is not a text of 1 to 1000 bytes without \
         control characters; write one such as \"welcome to files.example\", with \\n between lines"
    );
    assert_eq!(
        server("  ftp: (passive_address_for: [(network: \"10.0.0.0/8\")]),"),
        "server.ron:3:9: ftp.passive_address_for: the key \"address\" is missing; add it"
    );
    assert_eq!(
        server("  ftp: (passive_address_for: [(network: \"10.0.0.0/8\", address: \"0.0.0.0\")]),"),
        "server.ron:3:64: ftp.passive_address_for.address: \"0.0.0.0\" is not an address that \
         clients can call; write \"auto\", or one such as \"203.0.113.7\" or \"ftp.example.org\""
    );
}

#[test]
fn ftp_words() {
    assert_eq!(
        server("  ftp: (tls: On),"),
        "server.ron:3:14: ftp.tls: \"On\" is not known; write one of Require, Optional, Off"
    );
    assert_eq!(
        server("  ftp: (data_tls_resumption: require),"),
        "server.ron:3:30: ftp.data_tls_resumption: \"require\" is not known; \
         did you mean \"Require\"?"
    );
    assert_eq!(
        server("  ftp: (data_close_notify: Off),"),
        "server.ron:3:28: ftp.data_close_notify: \"Off\" is not known; \
         write one of Require, Prefer, Warn"
    );
    assert_eq!(
        server("  ftp: (pasive_ports: \"61000-61099\"),"),
        "server.ron:3:9: unknown key \"pasive_ports\" in ftp; did you mean \"passive_ports\"?"
    );
    assert_eq!(
        server("  ftp: false,"),
        "server.ron:3:8: ftp: write keys and values in parentheses: ( .. )"
    );
}

#[test]
fn sizes_and_durations() {
    assert_eq!(
        server("  quota: (default: \"800 apples\"),"),
        "server.ron:3:20: quota.default: \"800 apples\" is not a size; \
         write a whole number and a unit such as \"800MB\""
    );
    assert_eq!(
        server("  quota: (users: {\"tom\": 800}),"),
        "server.ron:3:26: quota.users[\"tom\"]: \
         800 bytes? write \"800MB\", or \"800B\" if you mean it"
    );
    assert_eq!(
        server("  quota: (default: \"0\"),"),
        "server.ron:3:20: quota.default: \
         0 bytes? write \"unlimited\", or \"0B\" if nothing may be stored"
    );
    assert_eq!(
        server("  quota: (users: {\"tom\": \"1MB\", \"jerry\": \"1.5GB\"}),"),
        "server.ron:3:42: quota.users[\"jerry\"]: \"1.5GB\" is not a size; \
         write a whole number and a unit such as \"800MB\""
    );
    assert_eq!(
        server("  limits: (idle: \"15m\"),"),
        "server.ron:3:18: limits.idle: \"15m\" is not a duration; \
         write a whole number and ms, s, min, h or d, such as \"10min\""
    );
    assert_eq!(
        server("  stage_ttl: 24,"),
        "server.ron:3:14: stage_ttl: write a text in double quotes"
    );
    for (value, found) in [("\"1 week\"", "1 week"), ("Daily", "Daily"), ("24", "24")] {
        let said = server(&format!("  recount: {value},"));
        let right = format!(
            ": recount: \"{found}\" is not a duration such as \"24h\"; write one, or Never"
        );
        assert!(
            said.starts_with("server.ron:3:") && said.ends_with(&right),
            "{said}"
        );
    }
}

#[test]
fn numbers() {
    assert_eq!(
        server("  scram_iterations: 9999,"),
        "server.ron:3:21: scram_iterations: 9999 is not from 10000 to 10000000"
    );
    assert_eq!(
        server("  limits: (attempts: 0),"),
        "server.ron:3:22: limits.attempts: 0 would let nobody in; write 1 or more"
    );
    assert_eq!(
        server("  ftp: (passive_share: 0),"),
        "server.ron:3:24: ftp.passive_share: 0 is no share; \
         write a number of per cent from 1 to 100"
    );
    assert_eq!(
        server("  limits: (ban_address_after: 0),"),
        "server.ron:3:31: limits.ban_address_after: 0 would let nobody in; write 1 or more"
    );
    assert_eq!(
        server("  log: (format: Xml),"),
        "server.ron:3:17: log.format: \"Xml\" is not known; write one of Line, Json"
    );
    assert_eq!(
        server("  limits: (sessions: \"many\"),"),
        "server.ron:3:22: limits.sessions: write a whole number"
    );
    assert_eq!(
        server("  limits: (sessions: -5),"),
        "server.ron:3:23: limits.sessions: the number is negative or too large"
    );
}

#[test]
fn modes() {
    let files =
        "is not a mode for files; write octal digits in quotes such as \"0644\", at least 0600";
    for wrong in ["0944", "44", "0444", "4755", "rw-r--r--"] {
        let found = server(&format!("  file_mode: \"{wrong}\","));
        assert_eq!(
            found,
            format!("server.ron:3:14: file_mode: \"{wrong}\" {files}")
        );
    }
    let dirs = "is not a mode for directories; write octal digits in quotes such as \"0755\", at least 0700";
    assert_eq!(
        server("  dir_mode: \"0644\","),
        format!("server.ron:3:13: dir_mode: \"0644\" {dirs}")
    );
}

#[test]
fn words() {
    assert_eq!(
        server("  native: (tls: off),"),
        "server.ron:3:17: native.tls: \"off\" is not known; did you mean \"Off\"?"
    );
    assert_eq!(
        server("  log: (level: \"Info\"),"),
        "server.ron:3:16: log.level: write a word without quotes"
    );
    assert_eq!(
        server("  stage_idle: Never,"),
        "server.ron:3:15: stage_idle: write a text in double quotes"
    );
}

#[test]
fn names() {
    let grammar = "is not a user name; \
                   write 1 to 64 of A-Z a-z 0-9 . _ - @, not starting with . - or @";
    assert_eq!(
        server("  quota: (users: {\"../tom\": \"1MB\"}),"),
        format!("server.ron:3:19: quota.users: \"../tom\" {grammar}")
    );
    assert_eq!(
        server("  quota: (users: {\"tom\": \"1MB\", \"tom\": \"2MB\"}),"),
        "server.ron:3:33: quota.users: the name \"tom\" stands twice; keep one of them"
    );
    assert_eq!(
        client("  user: \"\","),
        format!("client.ron:3:9: user: \"\" {grammar}")
    );
}

#[test]
fn structure() {
    assert_eq!(
        server("  tls: (certificate: \"x.pem\"),"),
        "server.ron:3:9: tls.certificate: goes with tls.key, which is not there; \
         write both, or neither"
    );
    assert_eq!(
        server("  homes: \"a\",\n  homes: \"b\","),
        "server.ron:4:3: key \"homes\" stands twice; keep one of them"
    );
    assert_eq!(
        server("  homes: \"a\"\n  state: \"b\","),
        "server.ron:4:3: homes: a comma is missing before this, or a bracket is not closed"
    );
    assert_eq!(
        server("  limits: 5,"),
        "server.ron:3:11: limits: write keys and values in parentheses: ( .. )"
    );
    assert_eq!(
        server("  native: (listen: \"0.0.0.0:8001\"),"),
        "server.ron:3:20: native.listen: write a list in brackets: [ .. ]"
    );
    assert_eq!(
        server("  homes: \"a,"),
        "server.ron:3:10: homes: the text that starts here has no closing quote"
    );
}

#[test]
fn a_whole_file_that_is_no_settings() {
    let said = |text: &str| {
        Server::parse(text, Path::new("s.ron"))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said("{}"),
        "s.ron:1:1: write keys and values in parentheses: ( .. )"
    );
    assert_eq!(
        said("()\n()"),
        "s.ron:2:1: nothing may follow the last closing parenthesis"
    );
}

#[test]
fn a_complaint_is_one_line_whatever_the_value_holds() {
    let said = server("  stage_ttl: \"1\\n2\\u{7}\",");
    assert!(said.contains(r#""1\n2\u{7}""#), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn files_that_cannot_be_settings() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str| {
        let complaint = Server::load(&folder.path().join(name)).unwrap_err();
        complaint
            .to_string()
            .replace(folder.path().to_str().unwrap(), "")
    };
    assert_eq!(
        said("none.ron"),
        "/none.ron: cannot be opened: no such file or directory"
    );
    assert_eq!(said(""), "/: is not a plain file");
    std::fs::write(folder.path().join("latin.ron"), b"(homes: \"\xe9\")").unwrap();
    assert_eq!(said("latin.ron"), "/latin.ron: is not UTF-8 text at byte 9");
    std::fs::write(folder.path().join("huge.ron"), vec![b' '; (1 << 20) + 1]).unwrap();
    assert_eq!(said("huge.ron"), "/huge.ron: is larger than 1048576 bytes");
}

#[test]
fn aliases_and_the_pager() {
    assert_eq!(
        client("  aliases: {\"l l\": \"ls\"},"),
        "client.ron:3:13: aliases: \"l l\" is not such a name; \
         write A-Z a-z 0-9 . _ -, not starting with . or -"
    );
    assert_eq!(
        client("  pager: Of,"),
        "client.ron:3:10: pager: \"Of\" is not known; did you mean \"On\"?"
    );
}

#[test]
fn hosts() {
    let host = |fields: &str| client(&format!("  hosts: {{\n    \"nas\": ({fields}),\n  }},"));
    assert_eq!(
        host("servr: \"a\""),
        "client.ron:4:13: unknown key \"servr\" in hosts[\"nas\"]; did you mean \"server\"?"
    );
    assert_eq!(
        host("user: \"tom\""),
        "client.ron:4:5: hosts[\"nas\"]: the key \"server\" is missing; add it"
    );
    assert_eq!(
        host("server: \"a:0\""),
        "client.ron:4:21: hosts[\"nas\"].server: \"a:0\" is not a server; \
         write HOST or HOST:PORT such as \"127.0.0.1:8001\""
    );
    assert_eq!(
        host("server: \"a\", fingerprint: \"12\""),
        "client.ron:4:39: hosts[\"nas\"].fingerprint: \"12\" is not a fingerprint; \
         write the 64 hexadecimal digits of a certificate's SHA-256"
    );
    assert_eq!(
        host("server: \"a\", password_file: \"x\", password_command: \"y\""),
        "client.ron:4:46: hosts[\"nas\"].password_command: \
         password_file is there too; keep one of them"
    );
    assert_eq!(
        client("  hosts: {\"-x\": (server: \"a\")},"),
        "client.ron:3:11: hosts: \"-x\" is not such a name; \
         write A-Z a-z 0-9 . _ -, not starting with . or -"
    );
}
