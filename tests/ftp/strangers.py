"""Strangers at the client's own address, who reach a passive port first: under TLS only the client resumes."""

import select, ssl, threading, time
from ftp.clients import library
from ftp.daemon import Word
from ftp.sockets import EXPLICIT12, EXPLICIT13, Ended, connect, handshake, hang_up, receive, tls_context
from ftp.steps import Failed, need, same, step, until
from ftp.wire import Data, Ftp

MODES = (EXPLICIT12, EXPLICIT13)
CONTENT = b"mine " * 5000
WAIT = 0.2  # seconds for which the server awaits a connection that resumes


def daemon_of(w, rule="Prefer"):
    return w.configured(tls=Word("Require"), data_tls_resumption=Word(rule))


def try_connect(address):
    try:
        return connect(address)
    except Failed:
        return None


class Stranger:
    """Somebody at the client's address; keeps what TLS gave, and tries to resume with it."""

    def __init__(self, mode):
        self.context, self.session, self.got = tls_context(mode.version), None, b""

    def come(self, address):
        self.sock = connect(address)

    def secure(self):
        """A handshake like anybody's."""
        try:
            self.sock = handshake(self.context, self.sock, self.session)
            self.session = self.sock.session
        except (Failed, ValueError):
            pass

    def send(self, data):
        try:
            self.sock.sendall(data)
            self.sock.unwrap()
        except OSError:
            pass

    def receive(self):
        try:
            while piece := receive(self.sock):
                self.got += piece
        except (Ended, Failed):
            pass
        if isinstance(self.sock, ssl.SSLSocket):
            # With TLS 1.3 a ticket comes behind the handshake.
            self.session = self.sock.session
        hang_up(self.sock)


@step("the file goes to who resumes, not to who is first, {rule}, {mode}",
      over=[{"mode": mode, "rule": rule} for mode in MODES for rule in ("Prefer", "Require")])
def download(w, mode, rule):
    daemon = daemon_of(w, rule)
    ftp, stranger, name = Ftp(daemon, mode), Stranger(mode), w.fresh("down")
    (daemon.home() / name).write_bytes(CONTENT)
    # Whatever TLS has given the stranger by then is of no use.
    for turn in range(4):
        address = ftp.passive()
        stranger.come(address)
        right = connect(address)
        ftp.ask(f"RETR {name}", 150)
        stranger.secure()
        same(f"what the client got, turn {turn}", Data(ftp, right).read(), CONTENT)
        ftp.expect(226)
        stranger.receive()
        same(f"what the stranger got, turn {turn}", stranger.got, b"")


@step("what is stored comes from who resumes, not from who is first, {rule}, {verb}, {mode}",
      over=[{"mode": mode, "rule": rule, "verb": verb}
            for mode in MODES for rule in ("Prefer", "Require") for verb in ("STOR", "APPE")])
def upload(w, mode, rule, verb):
    daemon = daemon_of(w, rule)
    ftp, stranger, name = Ftp(daemon, mode), Stranger(mode), w.fresh("up")
    (daemon.home() / name).write_bytes(b"1")
    for turn in range(4):
        address = ftp.passive()
        stranger.come(address)
        right = connect(address)
        ftp.ask(f"{verb} {name}", 150)
        stranger.secure()
        theirs = threading.Thread(target=stranger.send, args=(b"theirs",))
        theirs.start()
        Data(ftp, right).finish(b"mine")
        ftp.expect(226)
        theirs.join()
        stranger.receive()
        stored = b"1" + b"mine" * (turn + 1) if verb == "APPE" else b"mine"
        same(f"what is stored, turn {turn}", (daemon.home() / name).read_bytes(), stored)


@step("{count} strangers who say nothing, or no TLS, keep nobody out, {verb}, {mode}",
      over=[{"mode": mode, "verb": verb, "count": count}
            for mode in MODES for verb in ("RETR", "STOR") for count in (1, 9)])
def silent(w, mode, verb, count):
    daemon = daemon_of(w)
    ftp, name = Ftp(daemon, mode), w.fresh("silent")
    (daemon.home() / name).write_bytes(CONTENT)
    for words in (b"", b"GET / HTTP/1.0\r\n\r\n"):
        address = ftp.passive()
        strangers = [connect(address) for _ in range(count)]
        for stranger in strangers:
            stranger.sendall(words)
        right = connect(address)
        ftp.ask(f"{verb} {name}", 150)
        lane = Data(ftp, right)
        if verb == "RETR":
            same("what the client got", lane.read(), CONTENT)
        else:
            lane.finish(b"mine")
        ftp.expect(226)
        for stranger in strangers:
            hang_up(stranger)
    if verb == "STOR":
        same("what is stored", (daemon.home() / name).read_bytes(), b"mine")


@step("a client that is first is not driven out by a crowd, {verb}, {mode}",
      over=[{"mode": mode, "verb": verb} for mode in MODES for verb in ("RETR", "STOR")])
def first(w, mode, verb):
    daemon = daemon_of(w)
    ftp, name = Ftp(daemon, mode), w.fresh("first")
    (daemon.home() / name).write_bytes(CONTENT)
    address = ftp.passive()
    right = connect(address)
    ftp.ask(f"{verb} {name}", 150)
    crowd = [stranger for _ in range(50) if (stranger := try_connect(address))]
    need(crowd, "the port is closed before anybody has proven to be the client")
    until("the crowd to be let in, and some of it put out", lambda: select.select(crowd, [], [], 0)[0])
    lane = Data(ftp, right)
    if verb == "RETR":
        same("what the client got", lane.read(), CONTENT)
    else:
        lane.finish(b"mine")
    ftp.expect(226)
    for stranger in crowd:
        hang_up(stranger)


@step("a silent stranger alone: {end} ends the wait for the client, {verb}, {mode}",
      over=[{"mode": mode, "verb": verb, "end": end}
            for mode in MODES for verb in ("RETR", "STOR") for end in ("ABOR", "data_timeout")])
def alone(w, mode, verb, end):
    daemon = w.configured(tls=Word("Require"), data_timeout="1s")
    ftp, name = Ftp(daemon, mode), w.fresh("alone")
    (daemon.home() / name).write_bytes(CONTENT)
    stranger = connect(ftp.passive())
    ftp.ask(f"{verb} {name}", 150)
    if end == "ABOR":
        ftp.ask("ABOR", 426)
        ftp.expect(226)
    else:
        ftp.expect(425, 426, 522)
    hang_up(stranger)
    same("the file", (daemon.home() / name).read_bytes(), CONTENT)
    same("RETR", ftp.get(name), CONTENT)


@step("a stranger who came long before the command keeps nobody out, {mode}",
      over=[{"mode": mode} for mode in MODES])
def early(w, mode):
    daemon = daemon_of(w)
    ftp, stranger, name = Ftp(daemon, mode), Stranger(mode), w.fresh("early")
    (daemon.home() / name).write_bytes(CONTENT)
    for turn in range(2):
        address = ftp.passive()
        stranger.come(address)
        connect(address, source="127.0.0.2")
        said = "came to a port that waits for"
        until("the port to be watched", lambda: daemon.log().count(said) > turn)
        right = connect(address)
        ftp.ask(f"RETR {name}", 150)
        stranger.secure()
        same("what the client got", Data(ftp, right).read(), CONTENT)
        ftp.expect(226)
        stranger.receive()
        same("what the stranger got", stranger.got, b"")


class Sharing(Ftp):
    """A session of a program that keeps the tickets of all its sessions together."""

    def __init__(self, daemon, mode, context):
        self.cache = context
        super().__init__(daemon, mode)

    def wrap(self):
        self.context, self.sock = self.cache, handshake(self.cache, self.sock)


@step("sessions that share one cache of tickets work, {mode}", over=[{"mode": mode} for mode in MODES])
def shared_tickets(w, mode):
    daemon, cache = daemon_of(w), tls_context(mode.version)
    one, other = Sharing(daemon, mode, cache), Sharing(daemon, mode, cache)
    for ftp, foreign in ((one, other), (other, one), (one, other)):
        for session in (True, foreign.sock.session, False):
            name = w.fresh("shared")
            right = connect(ftp.passive())
            ftp.ask(f"STOR {name}", 150)
            Data(ftp, right, session).finish(CONTENT)
            ftp.expect(226)
            right = connect(ftp.passive())
            ftp.ask(f"RETR {name}", 150)
            same("RETR", Data(ftp, right, session).read(), CONTENT)
            ftp.expect(226)


@step("a client that never resumes waits once, {mode}", over=[{"mode": mode} for mode in MODES])
def never_resumes(w, mode):
    daemon = daemon_of(w)
    count, got = 60, []
    (daemon.home() / "never").write_bytes(b"1")
    began = time.monotonic()
    # A new session does not begin anew.
    for _ in range(3):
        with library(daemon, mode) as ftp:
            for _ in range(count // 3):
                ftp.retrbinary("RETR never", got.append)
    took = time.monotonic() - began
    same("what it got", b"".join(got), b"1" * count)
    need(took < count * WAIT / 2, f"{count} transfers took {took:.1f} s, as if each had waited")


@step("a client that resumes at times waits once, {mode}", over=[{"mode": mode} for mode in MODES])
def resumes_at_times(w, mode):
    daemon = daemon_of(w)
    ftp, count = Ftp(daemon, mode), 60
    (daemon.home() / "times").write_bytes(b"1")
    began = time.monotonic()
    for turn in range(count):
        right = connect(ftp.passive())
        ftp.ask("RETR times", 150)
        same("RETR", Data(ftp, right, turn % 2 == 0).read(), b"1")
        ftp.expect(226)
    took = time.monotonic() - began
    need(took < count * WAIT / 4, f"{count} transfers took {took:.1f} s, as if every other had waited")
