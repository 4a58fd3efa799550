//! As much of HTTP/1.1 (RFC 9112) as a scraper and a browser need: requests for a handful of paths,
//! without bodies, one on each connection.

use std::fmt::Write;
use std::net::IpAddr;

/// Bytes of a request line and its headers.
pub(crate) const REQUEST_MAX: usize = 8192;

/// Headers of a request; browsers send a dozen.
const HEADERS_MAX: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    Page,
    Metrics,
    Health,
}

const PATHS: [(&str, Path); 3] = [
    ("/", Path::Page),
    ("/metrics", Path::Metrics),
    ("/healthz", Path::Health),
];

/// Whether the content is wanted, or only what would be said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Get,
    Head,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Path,
}

/// How the listener was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reached {
    /// By TCP, where a browser may be made to ask by any page that it shows.
    Tcp,
    Unix,
}

/// The status of a response (RFC 9110 section 15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    HeadersTooLarge,
    ServiceUnavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::HeadersTooLarge => "431 Request Header Fields Too Large",
            Self::ServiceUnavailable => "503 Service Unavailable",
        }
    }
}

/// Whether a request is complete.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Parsed {
    NotYet,
    Request(Request),
    Refused(Status),
}

/// Parses what has come so far.
pub(crate) fn parse(bytes: &[u8], reached: Reached) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let too_large = Parsed::Refused(Status::HeadersTooLarge);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length > REQUEST_MAX => too_large,
        Ok(httparse::Status::Complete(_)) => match request(&head, reached) {
            Ok(request) => Parsed::Request(request),
            Err(status) => Parsed::Refused(status),
        },
        Ok(httparse::Status::Partial) if bytes.len() < REQUEST_MAX => Parsed::NotYet,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => too_large,
        Err(_) => Parsed::Refused(Status::BadRequest),
    }
}

fn request(head: &httparse::Request<'_, '_>, reached: Reached) -> Result<Request, Status> {
    let is_host = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("host");
    let mut hosts = head.headers.iter().filter(is_host);
    // Else a page in somebody's browser, whose name leads to this machine, could read all.
    let is_ours = |header: &httparse::Header<'_>| str::from_utf8(header.value).is_ok_and(is_own);
    if reached == Reached::Tcp && !hosts.all(is_ours) {
        return Err(Status::Forbidden);
    }
    let method = match head.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => return Err(Status::MethodNotAllowed),
    };
    let path = head.path.and_then(path_of).ok_or(Status::BadRequest)?;
    let known = PATHS.iter().find(|(name, _)| *name == path);
    let (_, path) = *known.ok_or(Status::NotFound)?;
    Ok(Request { method, path })
}

/// Whether a Host is an address, or the name that always is this machine.
fn is_own(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let is_address = bare.unwrap_or(name).parse::<IpAddr>().is_ok();
    is_address || name.eq_ignore_ascii_case("localhost") || (host.is_empty() && port.is_none())
}

/// The path of a target without its query; proxies may send a whole URL (RFC 9112 section 3.2.2).
fn path_of(target: &str) -> Option<&str> {
    let path = match target.strip_prefix("http://") {
        None => target,
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
    };
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.starts_with('/').then_some(path)
}

/// A whole response, after which the connection ends.
pub(crate) fn response(
    status: Status,
    content_type: &str,
    content: &str,
    method: Method,
) -> Vec<u8> {
    let mut text = String::with_capacity(512 + content.len());
    // A write to a string does not fail.
    let _ = write!(
        text,
        "HTTP/1.1 {}\r\n\
         Content-Type: {content_type}\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
         frame-ancestors 'none'\r\n\
         Connection: close\r\n",
        status.line(),
        content.len(),
    );
    if status == Status::MethodNotAllowed {
        text.push_str("Allow: GET, HEAD\r\n");
    }
    text.push_str("\r\n");
    if method == Method::Get {
        text.push_str(content);
    }
    text.into_bytes()
}

/// A response whose content is its status.
pub(crate) fn refusal(status: Status) -> Vec<u8> {
    let content = format!("{}\n", status.line());
    response(status, "text/plain; charset=utf-8", &content, Method::Get)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(text.as_bytes(), Reached::Tcp)
    }

    fn asked(method: Method, path: Path) -> Parsed {
        Parsed::Request(Request { method, path })
    }

    #[test]
    fn requests_are_understood_at_every_split_point() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9121\r\nAccept: */*\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parsed(&text[..end]), Parsed::NotYet, "{end}");
        }
        assert_eq!(parsed(text), asked(Method::Get, Path::Metrics));
        let more = format!("{text}GET / HTTP/1.1\r\n");
        assert_eq!(parsed(&more), asked(Method::Get, Path::Metrics));
    }

    #[test]
    fn what_is_asked_for() {
        let forbidden = Parsed::Refused(Status::Forbidden);
        for (line, expected) in [
            ("HEAD /healthz HTTP/1.0", asked(Method::Head, Path::Health)),
            (
                "GET http://localhost/metrics HTTP/1.1",
                asked(Method::Get, Path::Metrics),
            ),
            (
                "POST /metrics HTTP/1.1",
                Parsed::Refused(Status::MethodNotAllowed),
            ),
            (
                "get /metrics HTTP/1.1",
                Parsed::Refused(Status::MethodNotAllowed),
            ),
            ("GET /metricsx HTTP/1.1", Parsed::Refused(Status::NotFound)),
            (
                "GET /../metrics HTTP/1.1",
                Parsed::Refused(Status::NotFound),
            ),
            ("GET metrics HTTP/1.1", Parsed::Refused(Status::BadRequest)),
            ("GET /metrics HTTP/2.0", Parsed::Refused(Status::BadRequest)),
            (
                "GET  /metrics HTTP/1.1",
                Parsed::Refused(Status::BadRequest),
            ),
            ("GET /metrics", Parsed::Refused(Status::BadRequest)),
            ("\u{16}\u{3}", Parsed::Refused(Status::BadRequest)),
            ("GET /metrics HTTP/1.1\nhOST: evil.example", forbidden),
        ] {
            assert_eq!(parsed(&format!("{line}\n\n")), expected, "{line}");
        }
    }

    #[test]
    fn a_page_of_somebody_else_reads_nothing() {
        for (host, is_ours) in [
            ("127.0.0.1", true),
            ("127.0.0.1:9121", true),
            ("[::1]:9121", true),
            ("[::1]", true),
            ("localhost", true),
            ("LocalHost:9121", true),
            ("", true),
            ("evil.example", false),
            ("evil.example:9121", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            (":9121", false),
        ] {
            assert_eq!(is_own(host), is_ours, "{host:?}");
        }
        let text = b"GET /metrics HTTP/1.1\r\nHost: files\r\n\r\n";
        assert_eq!(
            parse(text, Reached::Unix),
            asked(Method::Get, Path::Metrics)
        );
    }

    #[test]
    fn what_is_too_long_is_refused_as_soon_as_that_is_known() {
        let long = "x".repeat(REQUEST_MAX);
        let too_large = Parsed::Refused(Status::HeadersTooLarge);
        assert_eq!(parsed(&long[1..]), Parsed::NotYet);
        assert_eq!(parsed(&long), too_large);
        let whole = format!("GET /metrics HTTP/1.1\r\nX: {long}\r\n\r\n");
        assert_eq!(parsed(&whole), too_large);
    }

    #[test]
    fn a_response_says_how_long_it_is_and_head_gets_none_of_it() {
        let told = |method| {
            let whole = response(Status::Ok, "text/plain", "ok\n", method);
            String::from_utf8(whole).unwrap()
        };
        let (got, looked) = (told(Method::Get), told(Method::Head));
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
        assert!(got.contains("\r\nContent-Length: 3\r\n"), "{got}");
        assert!(got.contains("\r\nConnection: close\r\n"), "{got}");
        assert_eq!(got, format!("{looked}ok\n"));
        let refused = String::from_utf8(refusal(Status::MethodNotAllowed)).unwrap();
        assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    }
}
