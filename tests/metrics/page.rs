//! The page for people, while things happen.

use super::*;
use crate::harness::noise;

/// A name that a browser must not take for anything else.
const EVIL: &str = "<script>alert(1)<!--\"'&.txt";
const HARMLESS: &str = "&lt;script&gt;alert(1)&lt;!--&quot;&#39;&amp;.txt";

#[test]
fn transfers_quotas_and_bans_are_shown_and_names_are_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "ftp: (listen: [], tls: Optional), limits: (ban_after: 1, exempt: []),";
    write_settings(folder.path(), &format!("{TCP} {keys}"));
    let daemon = Daemon::with_ftp_in(folder);
    let door = Door::of(&daemon);
    let mut jerry = daemon.login("jerry");
    jerry.put("", "file", &noise(1, 100_000_000 / 250));
    let mut tom = daemon.login("tom");
    tom.ask("MKD <b>bold", 257);
    tom.ask("CWD <b>bold", 250);
    tom.ask(&format!("STOR size=1000 {EVIL}"), 150);
    tom.frame(&[7; 250]);
    let markup = "<img src=x onerror=alert(2)>";
    let (mut sam, code) = Ftp::try_login(daemon.ftp_address(), markup, "wrong");
    assert!(code == 530 || code == 421, "{code}");
    let banned = Ftp::try_login(daemon.ftp_address(), markup, "wrong").1;
    assert_eq!(banned, 421);
    let page = until("the upload on the page", || {
        let page = door.get("/");
        page.body.contains("250 B of 1.0 kB").then_some(page)
    });
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = &page.body;
    for part in [
        "<meta http-equiv=\"refresh\" content=\"5\">",
        "name=\"viewport\"",
        HARMLESS,
        "in /&lt;b&gt;bold",
        "value=\"25\"",
        "<b>jerry</b> 400 kB of 400 MB, 0&nbsp;%",
        "<b>&lt;img src=x onerror=alert(2)&gt;</b> at 127.0.0.1",
        "<tr><th>user banned</th><td>1</td></tr>",
        "<tr><th>bans of users</th><td>1</td></tr>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for markup in ["<script", "<img", "<b>bold"] {
        assert!(!html.contains(markup), "{markup}: {html}");
    }
    drop((tom, jerry));
    let _ = sam.ask("QUIT");
}
