#!/usr/bin/env python3
"""Each system call of the disk fails once, then once more later: nothing that was confirmed is lost.

    calls.py BINARIES [--most N] [--only PATTERN] [--errors NAMES]

A client stores, replaces, appends, resumes, renames, lists, fetches and deletes while strace makes
the Nth call of one kind fail, in each thread, for N from 1 on until no thread reaches it or N is
over --most. After each run the daemon must live, answer, and stop well; a daemon without faults must
then find every confirmed file whole, every other one old or new, and a ledger that a count agrees
with. Prints one line for each call; exit 1 if anything is not as it should be. Needs strace.
"""

import argparse, os, pathlib, re, shutil, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ftp.daemon import Daemon, Word, configured  # noqa: E402
from ftp.sockets import Ended, close_all  # noqa: E402
from ftp.steps import Failed, need, until  # noqa: E402
from ftp.wire import Ftp  # noqa: E402

# The calls, and the errors that a disk, a full table or a hasty operator can give them.
CALLS = {
    "openat": ("EIO", "EMFILE", "EACCES"), "openat2": ("EIO", "ENOSPC", "EMFILE"),
    "mkdirat": ("EIO", "ENOSPC"), "pwrite64": ("EIO", "ENOSPC", "EDQUOT"),
    "pread64": ("EIO",), "preadv2": ("EIO",), "sendfile": ("EIO",), "splice": ("EIO",),
    "fsync": ("EIO", "ENOSPC"), "fallocate": ("EIO", "ENOSPC"), "ftruncate": ("EIO",),
    "renameat": ("EIO", "ENOSPC"), "renameat2": ("EIO", "ENOSPC"), "unlinkat": ("EIO", "EACCES"),
    "linkat": ("EIO", "EMLINK"), "fchmod": ("EIO",), "fchown": ("EPERM",),
    "utimensat": ("EIO",), "fsetxattr": ("EIO", "ENOSPC"), "fgetxattr": ("EIO",),
    "fremovexattr": ("EIO",), "getdents64": ("EIO",), "newfstatat": ("EIO",), "statx": ("EIO",),
    "fstat": ("EIO",), "fstatfs": ("EIO",), "copy_file_range": ("EIO",), "flock": ("EIO",),
}
OLD, NEW, MORE = (bytes([value]) * size for value, size in ((1, 70_000), (2, 90_000), (3, 5_000)))
NOTHING = None


class Names:
    """What may be on the disk under each name, by what the server has answered."""

    def __init__(self):
        self.allowed = {}

    def now(self, name):
        return self.allowed.get(name, [NOTHING])

    def change(self, code, **becomes):
        """A command that gives these names these contents was answered so. A file that was refused
        may have its name all the same, where only the sync of the name failed."""
        for name, content in becomes.items():
            if code is not None and code < 400:
                self.allowed[name] = [content]
            else:
                self.allowed[name] = [*self.now(name), content]


class Client:
    """Gives commands, whatever comes of them."""

    def __init__(self, daemon):
        self.daemon, self.ftp = daemon, None

    def say(self, act):
        """The code; None where the server did not say."""
        try:
            self.ftp = self.ftp or Ftp(self.daemon)
            return act(self.ftp).code
        except (Ended, Failed, OSError):
            self.ftp = None
            return None

    def ask(self, line):
        return self.say(lambda ftp: ftp.answer(line))

    def put(self, name, data, **how):
        return self.say(lambda ftp: ftp.put(name, data, **how))

    def fetch(self, command):
        def act(ftp):
            reply, lane = ftp.begin(command)
            if not lane:
                return reply
            self.got = lane.read()
            return ftp.reply()

        return self.say(act)


def story(daemon, names):
    client = Client(daemon)
    for name in ("a", "b", "gone"):
        names.change(client.put(name, OLD), **{name: OLD})
    names.change(client.put("a", NEW), a=NEW)
    if names.now("b") == [OLD]:
        names.change(client.put("b", MORE, verb="APPE"), b=OLD + MORE)
    client.ask("MKD d")
    if client.ask("RNFR gone") == 350:
        before = names.now("gone")
        code = client.ask("RNTO d/there")
        if len(before) == 1:
            names.change(code, gone=NOTHING, **{"d/there": before[0]})
    client.fetch("MLSD")
    client.fetch("LIST d")
    for name in ("a", "b"):
        if client.fetch(f"RETR {name}") == 226:
            need(client.got in names.now(name), f"{name} was sent with other bytes")
    client.ask("SIZE a")
    client.ask("SITE CHMOD 600 a")
    client.ask("MFMT 20200101000000 a")
    client.ask("HASH a")
    names.change(client.ask("DELE b"), b=NOTHING)
    client.ask("SITE QUOTA")
    client.ask("QUIT")


def traced(binary, call, error, nth, report):
    inject = f"inject={call}:error={error}:when={nth}"
    return ["strace", "-D", "-f", "-q", "-o", report, "-e", f"trace={call}", "-e", inject, binary]


def one_run(work, binaries, call, error, nth):
    """Whether any thread reached its Nth call."""
    folder, report = work / "server", work / "trace"
    shutil.copytree(work / "blank", folder, symlinks=True)
    settings, wanted = folder / "server.ron", {("ftp", "127.0.0.1")}
    names = Names()
    argv = traced(binaries / "skiffd", call, error, nth, report)
    try:
        daemon = Daemon([*argv, "--config", settings], folder, wanted)
    except Failed:
        # A fault at the start may be told, and ends the daemon.
        return "INJECTED" in report.read_text(errors="replace")
    try:
        story(daemon, names)
        need(daemon.alive(), f"skiffd ended: {daemon.log()[-1500:]}")
        daemon.stop()
    finally:
        daemon.kill()
        close_all()
    (folder / "daemon.log").unlink()
    daemon = Daemon([binaries / "skiffd", "--config", settings], folder, wanted)
    try:
        check(daemon, names, binaries, settings)
    finally:
        daemon.stop()
        close_all()
    return "INJECTED" in report.read_text(errors="replace")


def check(daemon, names, binaries, settings):
    ftp = Ftp(daemon)
    until("the home to be counted", lambda: "count" not in quota(ftp))
    for name, allowed in names.allowed.items():
        path = daemon.home() / name
        there = path.read_bytes() if path.exists() else NOTHING
        need(there in allowed, f"{name}: {brief(there)} of {[brief(each) for each in allowed]}")
    told = quota(ftp)
    import subprocess

    argv = [binaries / "skiffd", "user", "recount", "--config", settings, "tom"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, f"user recount: {done.stderr}")
    need(quota(ftp) == told, f"{told!r} was told, and a count finds {quota(ftp)!r}")


def quota(ftp):
    return " ".join(ftp.ask("SITE QUOTA", 200).lines)


def brief(content):
    return "nothing" if content is NOTHING else f"{len(content)} bytes of {content[:1].hex()}"


def blank(work, binaries):
    """A server that has never run a session, to be copied for each run."""
    folder = work / "made"
    folder.mkdir()
    daemon = configured(binaries, folder, "1GB", {"tls": Word("Optional")})
    daemon.stop()
    settings = folder / "server.ron"
    # Every run has ports of its own.
    (folder / "daemon.log").unlink()
    need(":0" in settings.read_text(), "the ports are fixed")
    folder.rename(work / "blank")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--most", default=12, type=int)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    if not shutil.which("strace"):
        print("skipped: calls needs strace")
        return 0
    failed = runs = 0
    with tempfile.TemporaryDirectory(prefix="skiff-calls-") as folder:
        work = pathlib.Path(folder)
        blank(work, wanted.binaries)
        for call, errors in CALLS.items():
            if not re.search(wanted.only, call):
                continue
            for error in errors:
                count = 0
                for nth in range(1, wanted.most + 1):
                    try:
                        reached = one_run(work, wanted.binaries, call, error, nth)
                    except Failed as failure:
                        failed, reached = failed + 1, True
                        print(f"FAILED {call} {error} {nth}: {failure}", flush=True)
                    finally:
                        shutil.rmtree(work / "server", ignore_errors=True)
                    count += 1
                    if not reached:
                        break
                runs += count
                print(f"{call} {error}: {count} runs", flush=True)
    print(f"calls: {runs} runs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
