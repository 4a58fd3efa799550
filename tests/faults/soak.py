#!/usr/bin/env python3
"""A hundred sessions do everything for ten minutes, and then nothing of it may be left.

    soak.py BINARIES [--minutes M] [--sessions N] [--seed S]

Sessions of two users, in clear, under TLS and natively, store, resume, fetch, list, rename,
delete, abort, hang up and come back, each in a folder of its own, and know what must be there. The
daemon's memory, descriptors, threads and processor time are told as it goes. At the end all
contents are compared with the disk, the ledger with a count, and the daemon, alone again, must
have the descriptors of its beginning, no more threads, memory within a third of what it had after
the first minute, and wake up less than twice a second. Exit 1 otherwise. The native sessions need
pyOpenSSL and are left out without it.
"""

import argparse, os, pathlib, random, re, sys, tempfile, threading, time, traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from ftp.daemon import Word, configured  # noqa: E402
from ftp.sockets import EXPLICIT12, EXPLICIT13, PLAIN, Ended, Mode, kept  # noqa: E402,F401
from ftp.steps import Failed, need  # noqa: E402
from ftp.wire import Ftp  # noqa: E402

try:
    from native.session import Session as Native
except ImportError:
    Native = None

USERS = ("tom", "jerry")
SIZES = (0, 1, 100, 4096, 16_384, 70_000, 1_000_000)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--minutes", default=10.0, type=float)
    parser.add_argument("--sessions", default=100, type=int)
    parser.add_argument("--seed", default=1, type=int)
    return parser.parse_args()


class FtpEnd:
    """What a session does, by FTP."""

    def __init__(self, daemon, user, mode):
        self.ftp = Ftp(daemon, mode, user=user)

    def store(self, name, data):
        self.ftp.store(name, data)

    def fetch(self, name):
        return self.ftp.get(name)

    def names(self, folder):
        return {line.decode().rsplit("/", 1)[-1] for line in self.ftp.names(f"NLST {folder}")}

    def rename(self, old, new):
        self.ftp.ask(f"RNFR {old}", 350)
        self.ftp.ask(f"RNTO {new}", 250)

    def delete(self, name):
        self.ftp.ask(f"DELE {name}", 250)

    def make(self, folder):
        self.ftp.ask(f"MKD {folder}", 257)

    def abort(self, name, data):
        lane = self.ftp.open(f"STOR {name}")
        lane.send(data)
        self.ftp.send("ABOR")
        self.ftp.expect(426, 226)
        self.ftp.expect(225, 226)
        lane.sock.close()

    def cut(self, name, data):
        lane = self.ftp.open(f"STOR {name}")
        lane.send(data)
        self.ftp.drop()
        lane.sock.close()

    def leave(self):
        self.ftp.ask("QUIT", 221)
        self.ftp.sock.close()


class NativeEnd:
    """The same, natively."""

    def __init__(self, daemon, user):
        self.session = Native(("127.0.0.1", daemon.port("native")))
        self.session.login(user, "123")

    def store(self, name, data):
        self.session.say(f"STOR size={len(data)} replace=1 go=1 {name}")
        self.send(data, b"\0" * 4)
        self.session.say(f"225 md5={md5(data)}")
        self.session.expect(150)
        self.session.expect(226)

    def send(self, data, tail):
        for at in range(0, len(data), 1 << 20):
            piece = data[at : at + (1 << 20)]
            self.session.wire.send(len(piece).to_bytes(4, "big") + piece)
        self.session.wire.send(tail)

    def fetch(self, name):
        self.session.ask(f"RETR start=0 {name}", 150)
        data = self.session.body()
        need(self.session.expect(226)["md5"] == md5(data), "another digest")
        return data

    def names(self, folder):
        self.session.ask(f"LIST {folder}", 150)
        lines = self.session.body().decode().splitlines()
        self.session.expect(226)
        return {line.split("; ", 1)[1] for line in lines}

    def rename(self, old, new):
        self.session.ask(f"RNFR {old}", 350)
        self.session.ask(f"351 {new}", 250)

    def delete(self, name):
        self.session.ask(f"DELE {name}", 250)

    def make(self, folder):
        self.session.ask(f"MKD {folder}", 257)

    def abort(self, name, data):
        self.session.say(f"STOR size={len(data) + 1} replace=1 go=1 {name}")
        self.send(data, b"\xff" * 4)
        self.session.expect(150)
        self.session.expect(550)

    def cut(self, name, data):
        self.session.say(f"STOR size={len(data) + 1} replace=1 go=1 {name}")
        self.send(data, b"")
        self.session.wire.hang_up()

    def leave(self):
        self.session.ask("220", 221)
        self.session.wire.hang_up()


def md5(data):
    import hashlib

    return hashlib.md5(data).hexdigest()


class Actor(threading.Thread):
    """One session after the other in one folder, and what must be in it."""

    def __init__(self, daemon, number, until, seed):
        super().__init__()
        self.daemon_process, self.number, self.until = daemon, number, until
        self.rng, self.user = random.Random(seed * 1000 + number), USERS[number % len(USERS)]
        self.folder, self.files, self.done, self.failure = f"/of-{number}", {}, 0, None
        self.unsure = set()

    def enter(self):
        ways = [lambda: FtpEnd(self.daemon_process, self.user, PLAIN)]
        ways += [lambda: FtpEnd(self.daemon_process, self.user, EXPLICIT13)]
        ways += [lambda: FtpEnd(self.daemon_process, self.user, EXPLICIT12)]
        ways += [lambda: NativeEnd(self.daemon_process, self.user)] * 3 if Native else []
        return ways[self.number % len(ways)]()

    def run(self):
        try:
            self.end = self.enter()
            self.end.make(self.folder)
            while time.monotonic() < self.until:
                self.step()
                self.done += 1
            self.end.leave()
        except Exception as failure:
            self.failure = f"{self.user} {self.folder}: {failure!r}\n{traceback.format_exc(limit=-3)}"

    def path(self, name):
        return f"{self.folder}/{name}"

    def step(self):
        act = self.rng.choices(
            (self.store, self.fetch, self.list, self.rename, self.delete, self.abort, self.cut,
             self.again),
            (6, 6, 2, 1, 2, 1, 0.3, 0.5),
        )[0]
        act()

    def data(self):
        return os.urandom(self.rng.choice(SIZES))

    def any_name(self):
        return f"f{self.rng.randrange(20)}"

    def known(self):
        names = sorted(self.files)
        return self.rng.choice(names) if names else None

    def store(self):
        name, data = self.any_name(), self.data()
        self.end.store(self.path(name), data)
        self.files[name] = data

    def fetch(self):
        if name := self.known():
            need(self.end.fetch(self.path(name)) == self.files[name], f"{name} has other bytes")

    def list(self):
        got = self.end.names(self.folder)
        need(got == set(self.files), f"listed {sorted(got)} instead of {sorted(self.files)}")

    def rename(self):
        # An unfinished upload keeps its name.
        old, new = self.known(), f"r{self.rng.randrange(20)}"
        if old and new not in self.files:
            self.end.rename(self.path(old), self.path(new))
            self.files[new] = self.files.pop(old)

    def delete(self):
        if name := self.known():
            self.end.delete(self.path(name))
            del self.files[name]

    def abort(self):
        self.end.abort(self.path(self.any_name()), b"x" * 5000)

    def cut(self):
        """Gone in the middle of an upload; its name is busy until the server has seen it."""
        name = f"cut{self.rng.randrange(1000)}"
        self.end.cut(self.path(name), b"x" * 50_000)
        self.end = self.enter()

    def again(self):
        self.end.leave()
        self.end = self.enter()


class Watch:
    """What the daemon takes of the machine."""

    def __init__(self, pid):
        self.root = pathlib.Path(f"/proc/{pid}")

    def memory(self):
        text = (self.root / "smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    def descriptors(self):
        return len(os.listdir(self.root / "fd"))

    def threads(self):
        return len(os.listdir(self.root / "task"))

    def wakeups(self):
        """How often each thread has woken up."""
        count = {}
        for task in (self.root / "task").iterdir():
            text = (task / "status").read_text()
            name = f"{(task / 'comm').read_text().strip()} {task.name}"
            count[name] = int(text.split("voluntary_ctxt_switches:")[1].split()[0])
        return count

    def seconds(self):
        fields = (self.root / "stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def line(self):
        return (f"{self.memory()} KiB, {self.descriptors()} descriptors, {self.threads()} threads, "
                f"{self.seconds():.0f} s of processors")


def main():
    given = arguments()
    print(f"seed {given.seed}" + ("" if Native else "; without pyOpenSSL no native sessions"))
    with tempfile.TemporaryDirectory(prefix="skiff-soak-") as work:
        folder = pathlib.Path(work)
        ftp = {"tls": Word("Optional")}
        limits = "sessions_per_user: 1000, sessions_per_address: 1000"
        daemon = configured(pathlib.Path(given.binaries).resolve(), folder, "8GB", ftp, limits=limits)
        try:
            soak(daemon, given)
        except Failed as failure:
            sys.exit(f"failed: {failure}\n{daemon.log()[-2000:]}")
        finally:
            daemon.stop()


def soak(daemon, given):
    watch = Watch(daemon.process.pid)
    print("at the beginning:", watch.line())
    threads, began = watch.threads(), time.monotonic()
    actors = [
        Actor(daemon, number, began + given.minutes * 60, given.seed)
        for number in range(given.sessions)
    ]
    for actor in actors:
        actor.start()
    after_a_minute = None
    while any(actor.is_alive() for actor in actors):
        time.sleep(min(10, given.minutes * 6))
        elapsed = time.monotonic() - began
        print(f"{elapsed:4.0f} s: {sum(actor.done for actor in actors)} steps, {watch.line()}", flush=True)
        if after_a_minute is None and elapsed >= min(60, given.minutes * 20):
            after_a_minute = watch.memory()
    failures = [actor.failure for actor in actors if actor.failure]
    need(not failures, f"{len(failures)} sessions failed, the first: {failures[:1]}")
    compare(daemon, actors)
    alone(daemon, watch, threads, after_a_minute)
    print(f"{sum(actor.done for actor in actors)} steps by {given.sessions} sessions, nothing left")


def compare(daemon, actors):
    for actor in actors:
        home = daemon.home(actor.user) / actor.folder[1:]
        there = {path.name: path.read_bytes() for path in home.iterdir()}
        need(there == actor.files, f"{home} is not what its session knows")
    for user in USERS:
        ftp = Ftp(daemon, user=user)
        told = used(ftp)
        recount(daemon, user)
        need(used(ftp) == told, f"{user}: {told} bytes were told, a count finds {used(ftp)}")
        ftp.ask("QUIT", 221)


def used(ftp):
    """What the ledger tells but for what is free: that grows when unfinished uploads get old."""
    text = " ".join(ftp.ask("SITE QUOTA", 200).lines)
    return re.sub(r"\d+ free", "free", text)


def recount(daemon, user):
    import subprocess

    argv = [daemon.process.args[0], "user", "recount", "--config", daemon.process.args[2], user]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, f"user recount: {done.stderr}")


def alone(daemon, watch, threads, after_a_minute):
    """With nobody there, homes close within a minute."""
    fresh = None
    end = time.monotonic() + 90
    while time.monotonic() < end:
        time.sleep(5)
        if watch.descriptors() == fresh:
            break
        fresh = watch.descriptors()
    time.sleep(30)
    before = watch.wakeups()
    time.sleep(5)
    woken = {name: count - before.get(name, 0) for name, count in watch.wakeups().items()}
    woken = {name: count / 5 for name, count in woken.items() if count}
    woke = sum(woken.values())
    print(f"alone again: {watch.line()}, {woke:.1f} wake-ups a second")
    need(watch.descriptors() < 60, f"{watch.descriptors()} descriptors are open")
    need(woke < 2, f"with nobody there threads wake up, times a second: {woken}")
    # Threads that hash beside others are made when they are needed first.
    most = threads + os.cpu_count() * 4
    need(watch.threads() <= most, f"{watch.threads()} threads instead of {threads}")
    need(watch.memory() < after_a_minute * 4 / 3, f"{watch.memory()} KiB, {after_a_minute} before")


if __name__ == "__main__":
    main()
