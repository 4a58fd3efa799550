"""Crowds of strangers: silent connections, and guesses of passwords."""

import os, select, subprocess
from ftp.clients import LIMIT, PASSWORD
from ftp.daemon import Word
from ftp.sockets import EXPLICIT13, PLAIN, connect, receive
from ftp.steps import need, same, step, until
from ftp.wire import Ftp

FEW = "before_login: 30, sessions_per_address: 12"
BAN_AFTER = 10


def crowded(w):
    return w.configured(tls=Word("Optional"), limits=FEW)


def silent(daemon, port, count, first):
    """Connections that say nothing, ten from each of some addresses."""
    address = ("127.0.0.1", daemon.port(port))
    return [connect(address, source=f"127.0.{first + n // 10}.7") for n in range(count)]


@step("{count} silent connections lock nobody out of FTP, {mode}",
      over=[{"mode": PLAIN, "count": 90}, {"mode": EXPLICIT13, "count": 90}])
def silent_ftp(w, mode, count):
    daemon = crowded(w)
    held = silent(daemon, "ftp", count, 10)
    for _ in range(5):
        Ftp(daemon, mode).ask("PWD", 257)
    said = {sock: b"" for sock in held}

    def told():
        readable, _, _ = select.select(held, [], [], 0)
        for sock in readable:
            said[sock] += sock.recv(1000)
        return sum(b"\r\n421 others want to log in" in text for text in said.values()) >= count - 30

    until("all but those that have room to be told", told)
    need(all(text.startswith(b"220 ") for text in said.values()), "not everyone was greeted")
    access = lambda: (daemon.folder / "access.log").read_text()
    until("the log to tell the sum", lambda: "cause=it had not logged in" in access())
    need(access().count("limits.before_login") < 5, "the log has a line for each")


@step("{count} connections without a handshake lock nobody out of the native dialect",
      over=[{"count": 90}])
def silent_native(w, count):
    daemon, folder = crowded(w), w.folder()
    held = silent(daemon, "native", count, 30)
    for _ in range(5):
        argv = [w.binaries / "skiff", "--password-stdin", "--trust", "new", "-c", "pwd"]
        argv += [f"tom@127.0.0.1:{daemon.port('native')}"]
        env = {**os.environ, "HOME": str(folder)}
        given = PASSWORD.encode() + b"\n"
        done = subprocess.run(argv, input=given, capture_output=True, timeout=LIMIT, env=env)
        need(done.returncode == 0, f"skiff: {done.stderr!r}")
    same("what the oldest hears", receive(held[0]), b"")


@step("an address with too many sessions loses its own silent ones first")
def own_silent_ones(w):
    daemon = crowded(w)
    held = [connect(("127.0.0.1", daemon.port()), source="127.0.50.1") for _ in range(12)]
    other = connect(("127.0.0.1", daemon.port()), source="127.0.51.1")
    last = connect(("127.0.0.1", daemon.port()), source="127.0.50.1")
    need(receive(last).startswith(b"220 "), "the newcomer is refused")
    said = b""
    while more := receive(held[0]):
        said += more
    need(b"\r\n421 " in said, f"the oldest stays: {said!r}")
    receive(other)
    other.sendall(b"NOOP\r\n")
    need(receive(other).startswith(b"200 "), "another address lost its session")


@step("guesses by many sessions at once are no more than ban_after, and the banned are told")
def guesses(w):
    daemon = w.configured(tls=Word("Optional"), limits=f"ban_after: {BAN_AFTER}")
    address, source = ("127.0.0.1", daemon.port()), "127.0.60.1"
    held = [connect(address, source=source) for _ in range(60)]
    for sock in held:
        receive(sock)
        sock.sendall(b"USER tom\r\n")
    for sock in held:
        receive(sock)
    for sock in held:
        sock.sendall(b"PASS wrong\r\n")
    said = [receive(sock) for sock in held]
    wrong = sum(line.startswith(b"530") for line in said)
    told = sum(line.startswith(b"421 too many failed logins") for line in said)
    need(wrong + told == len(held), f"{wrong} and {told} of {len(held)}: {sorted(set(said))}")
    access = lambda: (daemon.folder / "access.log").read_text()
    Ftp(daemon).ask(f"MKD {w.fresh('later')}", 257)
    until("the log of what came later", lambda: " MKD " in access())
    same("guesses", access().count("login failed"), BAN_AFTER)
    same("lines of the ban", access().count("banned: address=127.0.60.1 user=tom "), 1)
    for _ in range(3):
        again = connect(address, source=source)
        receive(again)
        again.sendall(b"USER tom\r\nPASS wrong\r\n")
        said = b""
        while more := receive(again):
            said += more
        need(b"\r\n421 too many failed logins of this user" in said, f"{said!r}")
    Ftp(daemon).ask("PWD", 257)
