#!/usr/bin/env python3
"""A way to the server that flips bits, loses, repeats and swaps bytes, stalls and cuts: nothing wrong is stored.

    mangle.py BINARIES [--rounds N] [--only PATTERN] [--seed N]

BINARIES holds skiffd. In each round a client stores, replaces and fetches through a proxy that does
one of these at random places of every connection, in both directions, from the first byte of the
handshake on: natively under TLS and in clear, and by FTP over TLS 1.2 and 1.3, where the data
connections go through it too. Under TLS each name has what was confirmed last, or what was sent since.
In clear a name may be changed on the way, but nothing is stored that was not sent as it is: digests
see to that. Unfinished uploads are beginnings of what was sent. When the clients are gone the daemon
must have as many sockets as before, and its ledger must be what a count finds. Prints a line for each
way in and the sum; exit 1 if anything is not as it should be. The native ways need pyOpenSSL and are
left out without.
"""

import argparse, base64, collections, os, pathlib, random, re, socket, struct, subprocess, sys, tempfile
import threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ends  # noqa: E402
from ftp import sockets, wire  # noqa: E402
from ftp.daemon import Word, configured  # noqa: E402
from ftp.sockets import EXPLICIT12, EXPLICIT13, PLAIN, close_all  # noqa: E402
from ftp.steps import Failed, need, until  # noqa: E402
from ftp.wire import Ftp  # noqa: E402

KINDS = ("flip", "lose", "repeat", "swap", "stall", "cut", "reset")
SIZES = (0, 1, 100, 5000, 70_000, 300_000, 2_000_000)
NAMES = 4
STEPS = 12
# How long a connection that has lost something is waited for, which may wait for it.
SILENCE = 0.5
PATIENCE = 5.0


class Proxy:
    """Listens for one connection to `target` after the other, and mangles each."""

    def __init__(self, target, chance, tally):
        self.target, self.chance, self.tally = target, chance, tally
        self.door = socket.create_server(("127.0.0.1", 0))
        self.address = self.door.getsockname()
        self.pairs, self.over = [], False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.over:
            try:
                near, _ = self.door.accept()
                far = socket.create_connection(self.target, PATIENCE)
            except OSError:
                return
            pair = Pair(near, far)
            self.pairs.append(pair)
            for source, sink in ((near, far), (far, near)):
                pump = Pump(pair, source, sink, random.Random(self.chance.random()), self.tally)
                threading.Thread(target=pump.run, daemon=True).start()

    def close(self):
        self.over = True
        # Wakes accept(2), which a close would not.
        for act in (lambda: self.door.shutdown(socket.SHUT_RDWR), self.door.close):
            try:
                act()
            except OSError:
                pass
        for pair in self.pairs:
            pair.cut()


class Pair:
    """Both sockets of one connection."""

    def __init__(self, near, far):
        self.sockets, self.wounded = (near, far), False
        for sock in self.sockets:
            sock.settimeout(SILENCE)

    def cut(self, reset=False):
        for sock in self.sockets:
            try:
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


class Pump:
    """Carries bytes one way; at some of them something happens."""

    def __init__(self, pair, source, sink, chance, tally):
        self.pair, self.source, self.sink = pair, source, sink
        self.chance, self.tally = chance, tally
        self.at, self.fault_at = 0, self.soon()

    def soon(self):
        """Places in the handshake and in the bulk are as likely."""
        return int(10 ** self.chance.uniform(1.5, 7))

    def run(self):
        try:
            while data := self.receive():
                self.sink.sendall(self.mangled(data))
            self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.pair.cut()

    def receive(self):
        while True:
            try:
                return self.source.recv(65536)
            except TimeoutError:
                if self.pair.wounded:
                    raise

    def mangled(self, data):
        begin, self.at = self.at, self.at + len(data)
        self.tally["bytes"] += len(data)
        if self.at <= self.fault_at:
            return data
        at, kind = max(0, self.fault_at - begin), self.chance.choice(KINDS)
        self.fault_at = self.at + self.soon()
        self.tally[kind] += 1
        size = self.chance.randint(1, 2000)
        first, second = data[at : at + size], data[at + size : at + 2 * size]
        match kind:
            case "flip":
                changed = bytes([data[at] ^ 1 << self.chance.randrange(8)])
                return data[:at] + changed + data[at + 1 :]
            case "lose":
                self.pair.wounded = True
                return data[:at] + data[at + size :]
            case "repeat":
                return data[:at] + first + data[at:]
            case "swap":
                self.pair.wounded = True
                return data[:at] + second + first + data[at + 2 * size :]
            case "stall":
                time.sleep(self.chance.uniform(0.01, 0.3))
                return data
            case _:
                self.sink.sendall(data[:at])
                self.pair.cut(reset=kind == "reset")
                raise ConnectionAbortedError


class MangledFtp(Ftp):
    """Its data connections go through proxies of their own."""

    def __init__(self, proxies, mode):
        self.proxies = proxies
        super().__init__(proxies, mode)

    def passive(self, verb=None):
        return self.proxies.to(super().passive(verb))


class Proxies:
    """All of one round; stands for the daemon before a client."""

    def __init__(self, daemon, chance, tally):
        self.daemon, self.chance, self.tally, self.all = daemon, chance, tally, []

    def to(self, target):
        proxy = Proxy(target, self.chance, self.tally)
        self.all.append(proxy)
        return proxy.address

    def port(self, name="ftp", host="127.0.0.1"):
        return self.to((host, self.daemon.port(name, host)))[1]

    def close(self):
        for proxy in self.all:
            proxy.close()


class MangledEnd(ends.FtpEnd):
    def __init__(self, proxies, mode):
        self.ftp = MangledFtp(proxies, mode)

    def begin(self, command):
        return self.ftp.begin(command)


if ends.Session:
    from native import session as native

    class PlainWire:
        """TCP, as the native dialect's wire."""

        def __init__(self, address):
            self.sock = socket.create_connection(address, PATIENCE)

        def send(self, data):
            self.sock.sendall(data)

        def read(self):
            data = self.sock.recv(65536)
            if not data:
                raise ends.Cut
            return data

        def poll(self):
            self.sock.setblocking(False)
            try:
                return self.sock.recv(65536)
            except BlockingIOError:
                return b""
            finally:
                self.sock.settimeout(PATIENCE)

        def hang_up(self):
            self.sock.close()

    class PlainSession(ends.Session):
        """A session in clear, whose login is bound to nothing."""

        def __init__(self, address):
            self.wire, self.buffer = PlainWire(address), b""

        def login(self, user, password):
            nonce = base64.b64encode(os.urandom(18)).decode()
            bare = f"n={user},r={nonce}"
            first = self.ask("USER scram=" + native.b64("n,," + bare), 331)
            said = base64.b64decode(first["scram"]).decode()
            given = dict(part.split("=", 1) for part in said.split(","))
            unproved = f"c={native.b64('n,,')},r={given['r']}"
            salted = native.stretch(password, given["s"], int(given["i"]))
            key = native.mac(salted, b"Client Key")
            spoken = ",".join((bare, said, unproved)).encode()
            signature = native.mac(native.hashlib.sha256(key).digest(), spoken)
            proof = bytes(a ^ b for a, b in zip(key, signature))
            self.ask("PASS scram=" + native.b64(f"{unproved},p={native.b64(proof)}"), 230)

    class PlainEnd(ends.NativeEnd):
        def __init__(self, proxies):
            self.session = PlainSession(("127.0.0.1", proxies.port("native")))
            self.session.login("tom", "123")

    class TlsEnd(ends.NativeEnd):
        def __init__(self, proxies):
            ends.Session.seen = {}
            native.Wire.seen = {}
            super().__init__(proxies)


class Sent:
    """What may be on the disk under a name."""

    def __init__(self):
        self.allowed, self.all = [None], []


def one_round(daemon, way, chance, tally, names):
    """A client goes on through connections that break."""
    proxies = Proxies(daemon, chance, tally)
    end = None
    for _ in range(STEPS):
        path = f"f{chance.randrange(NAMES)}"
        name, data = names[path], chance.randbytes(chance.choice(SIZES))
        try:
            end = end or way(proxies)
            if chance.random() < 0.3:
                answer, got = end.fetch(path)
                tally["fetched"] += got is not None
                if got is not None and got not in name.allowed and not way.is_clear:
                    raise Unsound(f"{path}: other bytes came")
                continue
            name.all.append(data)
            name.allowed.append(data)
            answer = end.store(path, data)
            if answer.code == 226:
                tally["stored"] += 1
                name.allowed = [data]
            else:
                tally["refused"] += 1
                if not way.is_clear:
                    name.allowed.pop()
        except (*ends.BROKEN, *MISHEARD):
            tally["broken"] += 1
            hang_up(end)
            end = None
    hang_up(end)
    proxies.close()
    close_all()


class Unsound(Exception):
    """Kept apart from what a broken connection raises."""


# What a client makes of words that were changed on the way.
MISHEARD = (ValueError, TypeError, KeyError, AttributeError, IndexError, UnicodeError)


def hang_up(end):
    try:
        if isinstance(end, ends.FtpEnd):
            end.ftp.sock.close()
        elif end:
            end.session.wire.hang_up()
    except OSError:
        pass


def held(daemon):
    """The daemon's sockets."""
    count = 0
    for link in pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        try:
            count += os.readlink(link).startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def check(daemon, names, way):
    everything = [data for name in names.values() for data in name.all]
    whole = set(everything)
    for path in daemon.home().iterdir():
        if path.name == ".skiff-stage":
            continue
        there = path.read_bytes()
        if way.is_clear:
            need(there in whole, f"{path.name} has {len(there)} bytes that nobody sent")
        else:
            need(path.name in names, f"{path.name} was never sent")
    if not way.is_clear:
        for path, name in names.items():
            file = daemon.home() / path
            there = file.read_bytes() if file.exists() else None
            need(there in name.allowed, f"{path} is neither what was confirmed nor sent since")
    for stage in (daemon.home() / ".skiff-stage").glob("*"):
        part = stage.read_bytes()
        # In clear nothing but the end tells what was changed on the way.
        is_true = way.is_clear or any(data.startswith(part) for data in everything)
        need(is_true, f"a stage of {len(part)} bytes is no beginning of what was sent")


def count(binaries, daemon):
    ftp = Ftp(daemon, PLAIN)
    # A worker closes the file of a session that is gone.
    until("the uploads to end", lambda: " 0 bytes reserved" in quota(ftp))
    told = quota(ftp)
    argv = [binaries / "skiffd", "user", "recount", "--config", daemon.folder / "server.ron", "tom"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, f"user recount: {done.stderr}")
    found = quota(ftp)
    need(told == found, f"{told!r} was told, and a count finds {found!r}")
    ftp.ask("QUIT", 221)
    close_all()


def quota(ftp):
    return " ".join(ftp.ask("SITE QUOTA", 200).lines)


class Way:
    def __init__(self, title, enter, is_clear=False):
        self.title, self.enter, self.is_clear = title, enter, is_clear

    def __call__(self, proxies):
        return self.enter(proxies)


def ways():
    yield Way("ftp over TLS 1.2", lambda proxies: MangledEnd(proxies, EXPLICIT12))
    yield Way("ftp over TLS 1.3", lambda proxies: MangledEnd(proxies, EXPLICIT13))
    if ends.Session:
        yield Way("native under TLS", TlsEnd)
        yield Way("native in clear", PlainEnd, is_clear=True)


def many(binaries, way, given):
    tally, names = collections.Counter(), {f"f{number}": Sent() for number in range(NAMES)}
    with tempfile.TemporaryDirectory(prefix="skiff-mangle-") as folder:
        # Where somebody on the way may cut, only an end that TLS has confirmed is one.
        ftp = {"tls": Word("Optional"), "data_close_notify": Word("Require")}
        limits = 'sessions_per_user: 1000, sessions_per_address: 1000, exempt: ["127.0.0.1"]'
        words = {"tls": Word("Off" if way.is_clear else "On")}
        daemon = configured(binaries, pathlib.Path(folder), "1GB", ftp, limits=limits, native=words)
        try:
            count(binaries, daemon)
            before = until("the first sockets", lambda: held(daemon))
            for turn in range(given.rounds):
                one_round(daemon, way, random.Random(f"{given.seed} {turn}"), tally, names)
                need(daemon.alive(), f"skiffd ended: {daemon.log()[-1500:]}")
                until("the sessions to end", lambda: held(daemon) <= before)
                check(daemon, names, way)
            count(binaries, daemon)
            daemon.stop()
        finally:
            daemon.kill()
            close_all()
    faults = ", ".join(f"{tally[kind]} {kind}" for kind in KINDS)
    print(f"{way.title}: {tally['bytes'] / 1e6:.0f} MB, {faults}; {tally['stored']} stored, "
          f"{tally['refused']} refused, {tally['fetched']} fetched, {tally['broken']} broken", flush=True)
    need(tally["stored"] and tally["broken"], "nothing was stored, or nothing broke")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sockets.PATIENCE = wire.PATIENCE = PATIENCE
    if ends.Session:
        native.PATIENCE = sys.modules["native.wire"].PATIENCE = PATIENCE
    passed = failed = 0
    for way in ways():
        if not re.search(given.only, way.title):
            continue
        try:
            many(given.binaries, way, given)
            passed += 1
        except (Failed, Unsound) as failure:
            failed += 1
            print(f"FAILED {way.title}: {failure}", flush=True)
    if not ends.Session:
        print("without pyOpenSSL no native ways")
    print(f"mangle: {passed} ways in passed, {failed} failed, {given.rounds} rounds each, seed {given.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
