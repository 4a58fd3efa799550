"""What a stranger tries: stolen data connections, bounces, injected clear text, other protocols."""

import socket, ssl
from ftp.clients import curl, library_put
from ftp.daemon import Word
from ftp.sockets import (
    EXPLICIT12, EXPLICIT13, IMPLICIT13, PLAIN, Ended, Mode, connect, handshake, kept, receive,
    tls_context,
)
from ftp.steps import Failed, Skipped, need, same, step, until
from ftp.wire import Data, Ftp, active

LISTED = b"listed"


def prepared(w, **ftp):
    daemon = w.configured(tls=Word("Optional"), data_timeout="2s", **ftp)
    (daemon.home() / "listed").write_bytes(b"1")
    return daemon


# Stolen data connections.


@step("{count} data connections from another address are dropped, the right one served, {mode}",
      over=[{"mode": PLAIN, "count": 3}, {"mode": EXPLICIT13, "count": 3}, {"mode": PLAIN, "count": 60}])
def thief(w, mode, count):
    ftp = Ftp(prepared(w), mode)
    address = ftp.passive()
    thieves = [connect(address, source="127.0.0.2") for _ in range(count)]
    right = connect(address)
    ftp.ask("NLST", 150, 125)
    need(LISTED in Data(ftp, right).read(), "the right one got no listing")
    ftp.expect(226)
    same("what the thieves got", [stolen(thief) for thief in thieves], [b""] * count)


@step("strangers who fill a port before the command comes keep nobody out, {mode}",
      over=[{"mode": PLAIN}, {"mode": EXPLICIT13}])
def crowd_at_the_port(w, mode):
    ftp = Ftp(prepared(w), mode)
    address = ftp.passive()
    # More than any backlog holds: the kernel drops what comes behind them, unless they are taken.
    thieves = [connect(address, source="127.0.0.2") for _ in range(6000)]
    right = connect(address)
    ftp.ask("NLST", 150, 125)
    need(LISTED in Data(ftp, right).read(), "the right one got no listing")
    ftp.expect(226)
    same("what the thieves got", {stolen(thief) for thief in thieves}, {b""})


@step("{mode}: a client that never resumes TLS is named once",
      over=[{"mode": EXPLICIT12}, {"mode": EXPLICIT13}])
def named_once(w, mode):
    daemon = prepared(w)
    for _ in range(3):
        library_put(daemon, w.fresh("never"), b"1", mode)
    named = "the client of tom does not resume TLS"
    until("the log to name it", lambda: daemon.log().count(named) == 1)


@step("a data connection from another address alone: 425 in time")
def only_thief(w):
    ftp = Ftp(prepared(w))
    thief = connect(ftp.passive(), source="127.0.0.2")
    ftp.ask("NLST", 425)
    same("what the thief got", stolen(thief), b"")
    need(LISTED in ftp.names("NLST"), "the next command does not work")


@step("a second data connection from the right address is not served")
def second_comer(w):
    ftp = Ftp(prepared(w))
    address = ftp.passive()
    first, second = connect(address), try_connect(address)
    ftp.ask("NLST", 150, 125)
    got = Data(ftp, first).read() + (stolen(second) if second else b"")
    ftp.expect(226)
    same("both together got", got, ftp.fetch("NLST"))


def stolen(sock):
    try:
        return receive(sock)
    except Ended:
        return b""


def try_connect(address):
    try:
        return connect(address)
    except Failed:
        return None


# Bounces. {port} is where a canary listens.

BOUNCES = [
    {"host": host, "port": port, "line": line}
    for host, port, line in (
        ("127.0.0.2", 0, "PORT 127,0,0,2,{high},{low}"),
        ("0.0.0.0", 0, "PORT 0,0,0,0,{high},{low}"),
        ("127.0.0.1", 1021, "PORT 127,0,0,1,{high},{low}"),
        ("127.0.0.1", 0, "PORT 127,0,0,257,{high},{low}"),
        ("127.0.0.1", 0, "PORT 127,0,0,1,{high},{low},0"),
        ("127.0.0.1", 0, "PORT 127,0,0,1,-1,{low}"),
        ("127.0.0.1", 0, "PORT 127,0,0,1,0,0"),
        ("127.0.0.1", 0, "PORT ::1,{high},{low}"),
        ("127.0.0.2", 0, "EPRT |1|127.0.0.2|{port}|"),
        ("0.0.0.0", 0, "EPRT |1|0.0.0.0|{port}|"),
        ("127.0.0.1", 1022, "EPRT |1|127.0.0.1|{port}|"),
        ("127.0.0.1", 0, "EPRT |1|127.0.0.1|0|"),
        ("127.0.0.1", 0, "EPRT |1|127.0.0.1|65536|"),
        ("127.0.0.1", 0, "EPRT |1|localhost|{port}|"),
        ("127.0.0.1", 0, "EPRT |3|127.0.0.1|{port}|"),
        ("127.0.0.1", 0, "EPRT |2|127.0.0.1|{port}|"),
        ("127.0.0.2", 0, "EPRT |2|::ffff:127.0.0.2|{port}|"),
        ("::1", 0, "EPRT |2|::1|{port}|"),
        ("::", 0, "EPRT |2|::|{port}|"),
        ("::1", 0, "EPRT |2|[::1]|{port}|"),
        ("::1", 0, "EPRT |2|fe80::1%lo|{port}|"),
    )
]


@step("bounce: {line} is refused (port {port})", over=BOUNCES)
def bounce(w, host, port, line):
    refused_bounce(prepared(w), "127.0.0.1", host, port, line)


@step("bounce from IPv6: {line} is refused", over=[
    facts for facts in BOUNCES if facts["line"].startswith(("PORT 127,0,0,2", "EPRT |1|127.0.0.2"))
] + [
    {"host": "::1", "port": 1023, "line": "EPRT |2|::1|{port}|"},
    {"host": "::", "port": 0, "line": "EPRT |2|::|{port}|"},
    {"host": "127.0.0.1", "port": 0, "line": "EPRT |2|::ffff:127.0.0.1|{port}|"},
    {"host": "127.0.0.1", "port": 0, "line": "EPRT |1|127.0.0.1|{port}|"},
])
def bounce_six(w, host, port, line):
    refused_bounce(six(w), "::1", host, port, line)


def refused_bounce(daemon, control, host, port, line):
    """5xx, no listing goes anywhere, and the canary hears nothing until the session is over."""
    canary = listener(host, port)
    port = canary.getsockname()[1]
    ftp = Ftp(daemon, host=control)
    reply = ftp.answer(line.format(port=port, high=port >> 8, low=port & 255))
    need(500 <= reply.code < 600, f"{line}: {reply!r} instead of a refusal")
    reply = ftp.answer("NLST")
    need(400 <= reply.code < 600, f"NLST after the refusal: {reply!r}")
    ftp.alive()
    ftp.ask("QUIT", 221)
    same("after QUIT", ftp.rest(), b"")
    canary.setblocking(False)
    try:
        _, caller = canary.accept()
    except BlockingIOError:
        return
    raise Failed(f"{line}: {caller} connected to the canary")


def listener(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return kept(socket.create_server((host, port), family=family))
    except PermissionError:
        # Who may not listen there can still see the refusal.
        return kept(socket.create_server((host, 0), family=family))
    except OSError as error:
        raise Skipped(f"cannot listen on {host}: {error}") from None


def six(w):
    try:
        kept(socket.create_server(("::1", 0), family=socket.AF_INET6)).close()
    except OSError as error:
        raise Skipped(f"no IPv6 here: {error}") from None
    return prepared(w, listen=["127.0.0.1:0", "[::1]:0"])


@step("IPv6: EPSV and EPRT work, PASV is refused")
def over_six(w):
    ftp = Ftp(six(w), host="::1")
    for way in ("EPSV", "EPRT"):
        need(LISTED in ftp.fetch("NLST", way=way), f"no listing by {way}")
    need(ftp.answer("PASV").code >= 500, "PASV over IPv6 is not refused")
    ftp.alive()


@step("{way}, {mode}: a data connection each way", over=[
    {"way": way, "mode": mode}
    for way in ("PASV", "EPSV", "PORT", "EPRT") for mode in (PLAIN, EXPLICIT12, IMPLICIT13)
])
def ways(w, way, mode):
    ftp, name = Ftp(prepared(w), mode), w.fresh("way")
    ftp.store(name, b"12345", way=way)
    same("RETR", ftp.get(name, way=way), b"12345")


@step("EPSV ALL: PASV, PORT and EPRT are 503 from then on")
def epsv_all(w):
    ftp = Ftp(prepared(w))
    ftp.ask("EPSV ALL", 200)
    for line in ("PASV", active("PORT", "127.0.0.1", 40000), active("EPRT", "127.0.0.1", 40000)):
        ftp.ask(line, 503)
    need(LISTED in ftp.fetch("NLST", way="EPSV"), "no listing by EPSV")


# Clear text where TLS should be, and the other way round.


@step("AUTH TLS with clear text behind it in one segment: USER is never run")
def injected(w):
    ftp = Ftp(prepared(w), user=None)
    ftp.raw(b"AUTH TLS\r\nUSER tom\r\n")
    seen = ftp.rest()
    codes = [line[:3] for line in seen.split(b"\r\n") if line]
    need(all(code in (b"234", b"421", b"500", b"503") for code in codes), f"said {seen!r}")
    need(len(codes) <= 1, f"more than one reply to one command: {seen!r}")


@step("AUTH TLS: a login before it is forgotten")
def forgotten(w):
    ftp = Ftp(prepared(w), user=None)
    ftp.ask("USER tom", 331)
    ftp.ask("AUTH TLS", 234)
    ftp.wrap()
    ftp.ask("PASS 123", 503, 530)


@step("tls: Require refuses USER, PASS and listings in clear, {mode} works", over=[
    {"mode": EXPLICIT12}, {"mode": EXPLICIT13}, {"mode": IMPLICIT13}
])
def required(w, mode):
    daemon = w.configured(tls=Word("Require"))
    plain = Ftp(daemon, user=None)
    text = plain.ask("USER tom", 530, 521, 522).text
    need("tls" in text.lower(), f"the refusal does not say how: {text!r}")
    plain.ask("PASS 123", 503, 530, 521, 522)
    ftp = Ftp(daemon, mode)
    ftp.store(w.fresh("secure"), b"1")
    ftp.ask("PROT C", 534)
    need(ftp.names("NLST"), "NLST after PROT C: not private as before")
    need(ftp.answer("CCC").code >= 500, "CCC is not refused")
    ftp.alive()


@step("another protocol's verb ends the session: {line}", over=[
    {"line": line} for line in (
        "GET / HTTP/1.1", "POST / HTTP/1.1", "PUT /x HTTP/1.1", "HEAD / HTTP/1.0",
        "DELETE / HTTP/1.1", "CONNECT a:1 HTTP/1.1", "PATCH / HTTP/1.1",
    )
])
def other_protocol(w, line):
    ftp = Ftp(prepared(w), user=None)
    ftp.raw(f"{line}\r\nHost: x\r\n\r\nUSER tom\r\nPASS 123\r\nNOOP\r\n".encode())
    seen = ftp.rest()
    # One refusal and the farewell at most: nothing behind the first line was answered.
    codes = [reply[:3] for reply in seen.split(b"\r\n") if reply]
    need(codes in ([], [b"421"], [b"500"], [b"500", b"421"]), f"said {seen!r}")


@step("implicit TLS: ALPN must be ours")
def alpn(w):
    port = prepared(w).port("ftps")
    handshake(tls_context(alpn=["ftp"]), connect(("127.0.0.1", port)))
    handshake(tls_context(), connect(("127.0.0.1", port)))
    try:
        receive(handshake(tls_context(alpn=["http/1.1"]), connect(("127.0.0.1", port))))
    except (Failed, ssl.SSLError):
        return
    raise Failed("a client that asked for http/1.1 was served")


# Data connections that must belong to this session.


@step("data_tls_resumption: Require, TLS {version}: only this session's tickets", over=[
    {"version": "1.2"}, {"version": "1.3"}
])
def resumption(w, version):
    daemon = w.configured(tls=Word("Optional"), data_tls_resumption=Word("Require"))
    mode = Mode(f"explicit TLS {version}", "explicit", version)
    ftp, other, name = Ftp(daemon, mode), Ftp(daemon, mode, user="jerry"), w.fresh("own")
    for turn in range(10):
        ftp.store(name, b"mine")
        same(f"RETR {turn}", ftp.get(name), b"mine")
    foreign = ("another one's session", other.context, other.sock.session)
    for what, context, session in (("no session", tls_context(version), None), foreign):
        refuses_lane(ftp, name, what, context, session)
        same(f"the file after {what}", (daemon.home() / name).read_bytes(), b"mine")
    same("RETR afterwards", ftp.get(name), b"mine")


@step("data_tls_resumption: Require: 12 uploads by curl in one session, TLS {version}", "curl",
      over=[{"version": "1.2"}, {"version": "any"}])
def resumption_of_many(w, version):
    daemon = w.configured(tls=Word("Optional"), data_tls_resumption=Word("Require"))
    folder, into = w.folder(), w.fresh("many")
    names = [f"{n}.bin" for n in range(12)]
    for name in names:
        (folder / name).write_text(name)
    options = ["--ftp-create-dirs", "-T", "{" + ",".join(names) + "}"]
    options += ["--tls-max", version] if version != "any" else []
    curl(daemon, folder, f"{into}/", *options, mode=Mode("any TLS", "explicit")).well()
    stored = {file.name: file.read_text() for file in (daemon.home() / into).iterdir()}
    same("what is stored", stored, {name: name for name in names})


@step("data_tls_resumption: Off, TLS {version}: no data connection resumes, and all work", over=[
    {"version": "1.2"}, {"version": "1.3"}
])
def no_resumption(w, version):
    daemon = w.configured(tls=Word("Optional"), data_tls_resumption=Word("Off"))
    ftp, name = Ftp(daemon, Mode(f"explicit TLS {version}", "explicit", version)), w.fresh("fresh")
    ftp.store(name, b"mine")
    same("RETR", ftp.get(name), b"mine")
    sock = connect(ftp.passive())
    ftp.ask(f"RETR {name}", 150, 125)
    lane = kept(ftp.context.wrap_socket(sock, session=ftp.sock.session))
    need(not lane.session_reused, "it resumed")
    same("without resuming", receive(lane), b"mine")
    lane.close()
    ftp.expect(226)


def refuses_lane(ftp, name, what, context, session):
    sock = connect(ftp.passive())
    ftp.ask(f"STOR {name}", 150, 125)
    try:
        lane = kept(context.wrap_socket(sock, session=session))
        lane.sendall(b"theirs")
        lane.unwrap().close()
    except OSError:
        sock.close()
    ftp.expect(425, 426, 522, of=f"a data connection with {what}")
