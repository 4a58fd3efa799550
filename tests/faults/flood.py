#!/usr/bin/env python3
"""Floods skiffd with silent connections and measures how long an honest login takes meanwhile.

    flood.py BINARIES [--half-open N] [--handshakes N] [--rounds N] [--new N]

Holds N half-open FTP connections and N TLS handshakes that stop behind the client's first bytes,
from a hundred loopback addresses, and opens N new ones a second. Each round logs in by FTP, by FTP
over TLS, and with skiff. Prints the median and the worst of each, in milliseconds; exit 1 if a
login fails or takes over a second.
"""

import argparse, ftplib, os, pathlib, resource, socket, ssl, statistics, subprocess, sys, tempfile
import threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from ftp.daemon import Word, configured  # noqa: E402
from ftp.sockets import tls_context  # noqa: E402

# The first bytes of a ClientHello, whose length promises more.
HELLO = bytes.fromhex("16030100f8010000f40303")
ADDRESSES = 100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--half-open", default=2000, type=int)
    parser.add_argument("--handshakes", default=500, type=int)
    parser.add_argument("--rounds", default=20, type=int)
    parser.add_argument("--new", default=200, type=int, help="a second")
    return parser.parse_args()


class Crowd:
    """Silent connections; those that the server ends are opened again."""

    def __init__(self, daemon, given):
        self.ports = daemon.port("ftp"), daemon.port("native")
        self.given, self.over = given, threading.Event()
        self.held, self.opened = [], 0
        for _ in range(given.half_open):
            self.open(self.ports[0], b"")
        for _ in range(given.handshakes):
            self.open(self.ports[1], HELLO)
        self.thread = threading.Thread(target=self.renew)
        self.thread.start()

    def open(self, port, first):
        source = f"127.1.{self.opened % ADDRESSES}.1", 0
        self.opened += 1
        try:
            sock = socket.create_connection(("127.0.0.1", port), 5, source)
            sock.setblocking(False)
            sock.sendall(first)
            self.held.append(sock)
        except OSError:
            pass

    def renew(self):
        pause, most = 1 / max(self.given.new, 1), self.given.half_open + self.given.handshakes
        while not self.over.wait(pause):
            is_hello = self.opened % 5 == 0
            self.open(self.ports[is_hello], HELLO if is_hello else b"")
            while len(self.held) > most:
                self.held.pop(0).close()

    def end(self):
        self.over.set()
        self.thread.join()
        for sock in self.held:
            sock.close()


def by_ftp(daemon):
    ftp = ftplib.FTP(timeout=30)
    ftp.connect("127.0.0.1", daemon.port("ftp"))
    ftp.login("tom", "123")
    ftp.quit()


def by_ftps(daemon):
    ftp = ftplib.FTP_TLS(context=tls_context("1.3"), timeout=30)
    ftp.connect("127.0.0.1", daemon.port("ftp"))
    ftp.login("tom", "123")
    ftp.quit()


def by_skiff(daemon, binaries, home):
    argv = [binaries / "skiff", "--password-stdin", "--trust", "new", "-c", "pwd"]
    argv.append(f"tom@127.0.0.1:{daemon.port('native')}")
    env = {**os.environ, "HOME": str(home)}
    subprocess.run(argv, input=b"123\n", capture_output=True, timeout=30, env=env, check=True)


def main():
    given = arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    binaries = pathlib.Path(given.binaries).resolve()
    with tempfile.TemporaryDirectory(prefix="skiff-flood-") as work:
        folder = pathlib.Path(work)
        daemon = configured(binaries, folder, "1GB", {"tls": Word("Optional")})
        try:
            worst = measure(daemon, binaries, folder, given)
        finally:
            daemon.stop()
    sys.exit(0 if worst < 1 else "a login took over a second")


def measure(daemon, binaries, folder, given):
    ways = {
        "ftp": lambda: by_ftp(daemon),
        "ftp over tls": lambda: by_ftps(daemon),
        "skiff": lambda: by_skiff(daemon, binaries, folder),
    }
    alone = {name: [timed(way)] for name, way in ways.items()}
    crowd = Crowd(daemon, given)
    took = {name: [] for name in ways}
    try:
        for _ in range(given.rounds):
            for name, way in ways.items():
                took[name].append(timed(way))
    finally:
        crowd.end()
    print(f"{crowd.opened} connections were opened, {given.half_open + given.handshakes} held")
    for name, times in took.items():
        median, worst = statistics.median(times), max(times)
        print(f"{name}: median {median * 1e3:.0f} ms, worst {worst * 1e3:.0f} ms, alone {alone[name][0] * 1e3:.0f} ms")
    return max(max(times) for times in took.values())


def timed(way):
    began = time.monotonic()
    way()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
