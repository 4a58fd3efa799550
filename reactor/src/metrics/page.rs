//! The page for people: who is there, what moves, what homes use, and who was not let in. It needs no
//! script, and loads itself again. Whatever a peer has chosen is escaped.

use std::fmt::{self, Write};

use skiff_vfs::Usage;

use crate::control::amounts::{size, time};
use crate::control::answer::{BanRow, SessionRow};

pub(crate) const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Rows of each list; the page says how many more there are.
pub(crate) const ROWS_MAX: usize = 100;

const STYLE: &str = "\
:root{color-scheme:light dark;accent-color:#0a7d55}\
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:100rem;\
overflow-wrap:anywhere}\
header{display:flex;flex-wrap:wrap;gap:0 1rem;align-items:baseline}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}p{margin:.25rem 0}\
ul{list-style:none;margin:0;padding:0;display:grid;gap:.5rem;\
grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr))}\
li{border:1px solid #8886;border-radius:.4rem;padding:.5rem .75rem;min-width:0}\
progress{width:100%;height:.8rem;display:block;margin:.25rem 0}\
small,.quiet{opacity:.72}small{font-size:.875rem}time{white-space:nowrap}\
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0;\
font-weight:normal}td:last-child{text-align:right;font-variant-numeric:tabular-nums}";

/// What the page tells.
pub(crate) struct Page {
    pub(crate) state: State,
    pub(crate) uptime_seconds: u64,
    pub(crate) sessions: Listed<SessionRow>,
    /// Users of open homes; `None` where no worker could look.
    pub(crate) homes: Option<Listed<(String, Usage)>>,
    /// In the last hour, by the cause.
    pub(crate) refused: Vec<(&'static str, u64)>,
    pub(crate) bans: Listed<BanRow>,
}

/// Whether the daemon takes sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Serving,
    Stopping,
}

/// The first rows of a list, and how many it has in all.
pub(crate) struct Listed<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) in_all: usize,
}

impl<T> Listed<T> {
    /// `rows` without those beyond [`ROWS_MAX`].
    pub(crate) fn first_of(mut rows: Vec<T>, in_all: usize) -> Self {
        rows.truncate(ROWS_MAX);
        Self { rows, in_all }
    }
}

/// A text with nothing that HTML takes for anything else, also within quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

impl Page {
    pub(crate) fn to_html(&self) -> String {
        let mut out = String::with_capacity(4096 + 512 * self.sessions.rows.len());
        // A write to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let count = plural(self.sessions.in_all, "session");
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"refresh\" content=\"5\">\n\
             <title>Skiff: {count}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        )?;
        let state = match self.state {
            State::Serving => "serving",
            State::Stopping => "stopping",
        };
        let up = time(self.uptime_seconds);
        writeln!(
            out,
            "<header><h1>Skiff</h1><p>{state}, up {up}, {count}</p></header>\n<main>"
        )?;
        self.write_transfers(out)?;
        self.write_sessions(out)?;
        self.write_homes(out)?;
        self.write_refused(out)?;
        out.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn write_transfers(&self, out: &mut String) -> fmt::Result {
        let all = self.sessions.rows.iter();
        let moving: Vec<_> = all.filter(|row| row.bytes.is_some()).collect();
        out.push_str("<section><h2>Transfers</h2>\n");
        if moving.is_empty() {
            out.push_str("<p class=\"quiet\">Nothing is moved.</p>\n");
        }
        list(out, &moving, |out, row| transfer(out, row))?;
        out.push_str("</section>\n");
        Ok(())
    }

    fn write_sessions(&self, out: &mut String) -> fmt::Result {
        out.push_str("<section><h2>Sessions</h2>\n");
        if self.sessions.rows.is_empty() {
            out.push_str("<p class=\"quiet\">Nobody is connected.</p>\n");
        }
        list(out, &self.sessions.rows, session)?;
        more(out, &self.sessions)?;
        out.push_str("</section>\n");
        Ok(())
    }

    fn write_homes(&self, out: &mut String) -> fmt::Result {
        out.push_str("<section><h2>Quotas in use</h2>\n");
        match &self.homes {
            None => out.push_str("<p class=\"quiet\">The workers are busy.</p>\n"),
            Some(homes) => {
                out.push_str(
                    "<p class=\"quiet\">Of homes that are open; skiffd quota shows all.</p>\n",
                );
                list(out, &homes.rows, |out, (user, usage)| {
                    home(out, user, usage)
                })?;
                more(out, homes)?;
            }
        }
        out.push_str("</section>\n");
        Ok(())
    }

    fn write_refused(&self, out: &mut String) -> fmt::Result {
        out.push_str("<section><h2>Not let in, in the last hour</h2>\n");
        let counted: Vec<_> = self.refused.iter().filter(|(_, n)| *n > 0).collect();
        match counted.is_empty() {
            true => out.push_str("<p class=\"quiet\">Nobody.</p>\n"),
            false => out.push_str("<table>\n"),
        }
        for (cause, count) in &counted {
            writeln!(out, "<tr><th>{cause}</th><td>{count}</td></tr>")?;
        }
        if !counted.is_empty() {
            out.push_str("</table>\n");
        }
        out.push_str("</section>\n<section><h2>Bans that hold</h2>\n");
        if self.bans.rows.is_empty() {
            out.push_str("<p class=\"quiet\">None.</p>\n");
        }
        list(out, &self.bans.rows, ban)?;
        more(out, &self.bans)?;
        out.push_str("</section>\n");
        Ok(())
    }
}

fn list<T>(
    out: &mut String,
    rows: &[T],
    mut write_row: impl FnMut(&mut String, &T) -> fmt::Result,
) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    out.push_str("<ul>\n");
    for row in rows {
        out.push_str("<li>");
        write_row(out, row)?;
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n");
    Ok(())
}

fn more<T>(out: &mut String, listed: &Listed<T>) -> fmt::Result {
    match listed.in_all.saturating_sub(listed.rows.len()) {
        0 => Ok(()),
        more => writeln!(out, "<p class=\"quiet\">And {more} more.</p>"),
    }
}

fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn user_of(row: &SessionRow) -> Escaped<'_> {
    Escaped(row.user.as_deref().unwrap_or("(not logged in)"))
}

fn transfer(out: &mut String, row: &SessionRow) -> fmt::Result {
    let verb = Escaped(row.verb.as_deref().unwrap_or("-"));
    let path = Escaped(row.path.as_deref().unwrap_or("-"));
    write!(out, "<b>{}</b> {verb} {path}", user_of(row))?;
    // Without a value the bar says that something goes on, and not how far it is.
    match row.percent {
        Some(percent) => write!(
            out,
            "<progress max=\"100\" value=\"{percent}\">{percent} %</progress><small>{percent} %, "
        )?,
        None => out.push_str("<progress max=\"100\"></progress><small>"),
    }
    write!(out, "{}", size(row.bytes.unwrap_or(0)))?;
    if let Some(of) = row.of {
        write!(out, " of {}", size(of))?;
    }
    if let Some(rate) = row.rate {
        write!(out, ", {}/s", size(rate))?;
    }
    write!(out, ", session&nbsp;{}</small>", row.session)
}

fn session(out: &mut String, row: &SessionRow) -> fmt::Result {
    let SessionRow {
        session,
        address,
        port,
        dialect,
        tls,
        directory,
        verb,
        idle,
        ..
    } = row;
    write!(out, "<b>{}</b>", user_of(row))?;
    if let Some(directory) = directory {
        write!(out, " in {}", Escaped(directory))?;
    }
    let tls = Escaped(tls.as_deref().unwrap_or("in clear"));
    let (address, dialect) = (Escaped(address), Escaped(dialect));
    write!(
        out,
        "<br><small>{address} port&nbsp;{port}, {dialect}, {tls}, session&nbsp;{session}, "
    )?;
    match verb {
        Some(verb) => write!(out, "{}</small>", Escaped(verb)),
        None => write!(out, "idle&nbsp;{}</small>", time(*idle)),
    }
}

fn home(out: &mut String, user: &str, usage: &Usage) -> fmt::Result {
    let (used, reserved, limit) = (usage.used.bytes, usage.reserved.bytes, usage.limit.bytes);
    let user = Escaped(user);
    write!(out, "<b>{user}</b> {}", size(used))?;
    if reserved > 0 {
        write!(out, " and {} reserved", size(reserved))?;
    }
    if limit >= skiff_conf::ByteQuota::UNLIMITED.get() {
        return write!(out, ", without a limit");
    }
    let percent = ((u128::from(used) + u128::from(reserved)) * 100)
        .checked_div(u128::from(limit))
        .map_or(100, |percent| percent.min(100));
    write!(
        out,
        " of {}, {percent}&nbsp;%<progress max=\"100\" value=\"{percent}\">{percent} %</progress>",
        size(limit)
    )
}

fn ban(out: &mut String, row: &BanRow) -> fmt::Result {
    let BanRow {
        address,
        user,
        since,
        until,
        why,
    } = row;
    let who = Escaped(user.as_deref().unwrap_or("everybody"));
    let [address, since, until, why] = [address, since, until, why].map(|text| Escaped(text));
    write!(
        out,
        "<b>{who}</b> at {address}<br><small>{why}, <time>{since}</time> to <time>{until}</time></small>"
    )
}

#[cfg(test)]
mod tests {
    use skiff_vfs::Amount;

    use super::*;

    const EVIL: &str = "<script>alert(\"1\")</script>&'";
    const HARMLESS: &str = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";

    fn row() -> SessionRow {
        let evil = || Some(EVIL.to_owned());
        SessionRow {
            session: 7,
            user: evil(),
            address: EVIL.to_owned(),
            port: 9,
            dialect: EVIL.to_owned(),
            tls: evil(),
            directory: evil(),
            verb: evil(),
            path: evil(),
            bytes: Some(250_000),
            of: Some(1_000_000),
            percent: Some(25),
            rate: Some(1000),
            idle: 3,
        }
    }

    fn page() -> Page {
        let amount = |bytes| Amount { bytes, entries: 1 };
        let usage = Usage {
            limit: amount(800),
            used: amount(200),
            reserved: amount(100),
        };
        let evil = || EVIL.to_owned();
        let ban = BanRow {
            address: evil(),
            user: Some(evil()),
            since: evil(),
            until: evil(),
            why: evil(),
        };
        Page {
            state: State::Serving,
            uptime_seconds: 61,
            sessions: Listed::first_of(vec![row()], 3),
            homes: Some(Listed::first_of(vec![(evil(), usage)], 1)),
            refused: vec![("address banned", 4), ("made room", 0)],
            bans: Listed::first_of(vec![ban], 1),
        }
    }

    #[test]
    fn nothing_that_a_peer_chose_is_markup() {
        let html = page().to_html();
        assert!(!html.contains("<script"), "{html}");
        // Of the transfer, the session, the home and the ban.
        assert_eq!(html.matches(HARMLESS).count(), 3 + 6 + 1 + 5, "{html}");
        assert_eq!(html.matches("alert").count(), 3 + 6 + 1 + 5, "{html}");
    }

    #[test]
    fn bars_and_sums_say_what_is_there() {
        let html = page().to_html();
        for part in [
            "<meta http-equiv=\"refresh\" content=\"5\">",
            "serving, up 1m01s, 3 sessions",
            "value=\"25\"",
            "25 %, 250 kB of 1.0 MB, 1.0 kB/s, session&nbsp;7",
            "200 B and 100 B reserved of 800 B, 37&nbsp;%",
            "<tr><th>address banned</th><td>4</td></tr>",
            "And 2 more.",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("made room"), "{html}");
    }

    #[test]
    fn every_element_is_closed() {
        let mut open = Vec::new();
        let html = page().to_html();
        for tag in html.split('<').skip(1) {
            let name: String = tag.chars().take_while(|c| !" >\n".contains(*c)).collect();
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed)),
                None if ["meta", "br", "!doctype"].contains(&name.as_str()) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn an_empty_page_says_so() {
        let page = Page {
            state: State::Stopping,
            uptime_seconds: 0,
            sessions: Listed::first_of(Vec::new(), 0),
            homes: None,
            refused: Vec::new(),
            bans: Listed::first_of(Vec::new(), 0),
        };
        let html = page.to_html();
        for part in ["stopping", "0 sessions", "Nobody is connected.", "None."] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
