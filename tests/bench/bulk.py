#!/usr/bin/env python3
"""The native dialect beside what bounds it, in one run of interleaved rounds.

    bulk.py [ROUNDS [MIB [FOLDER]]]

Builds release binaries. Prints, for one file over TLS with MD5 at both ends, put and get as ratios
to the md-5 crate alone on the same file, the daemon's CPU seconds per GiB, its memory at start, and
what an idle session adds. FOLDER decides which file system is measured (default: a temporary one;
/dev/shm leaves the disk out). Needs pyOpenSSL for the idle sessions.
"""

import os, pathlib, re, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SETTINGS = """(
    native: (listen: ["127.0.0.1:0"]),
    ftp: (listen: []),
    quota: (default: "40GiB"),
    scram_iterations: 10000,
    limits: (sessions_per_user: 5000, before_login: 5000),
    log: (access: "access.log"),
)
"""
USERS = ("tom", "jerry", "sam")
IDLE = 1000


class Daemon:
    def __init__(self, work):
        self.work, config = work, work / "server.ron"
        config.write_text(SETTINGS)
        (work / "password").write_text("123\n")
        (work / "password").chmod(0o600)
        for user in USERS:
            add = [BIN / "skiffd", "user", "add", "--config", config, user, "--password-stdin"]
            subprocess.run(add, input=b"123\n", check=True, stdout=subprocess.DEVNULL)
        daemon = [BIN / "skiffd", "--config", config]
        self.process = subprocess.Popen(
            daemon, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if said := re.search(r"serving on \[127\.0\.0\.1:(\d+)\]", line):
                self.port = int(said[1])
                return

    def cpu(self):
        """Seconds, user and system."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kib(self, file, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/{file}").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])

    def skiff(self, commands):
        """Wall seconds, and the daemon's CPU seconds."""
        cpu, began = self.cpu(), time.monotonic()
        subprocess.run(
            [BIN / "skiff", f"tom@127.0.0.1:{self.port}", "-q", "--trust", "new"]
            + ["--password-file", self.work / "password", "-c", commands],
            cwd=self.work, env={**os.environ, "HOME": str(self.work)},
            check=True, stdout=subprocess.DEVNULL,
        )
        return time.monotonic() - began, self.cpu() - cpu


def bulk(daemon, rounds, mib):
    with open(daemon.work / "big", "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    rows = {}
    for turn in range(rounds + 1):
        # A replacement needs room for two files, a new name mostly room that was used before: on a
        # virtual machine whose host takes free memory back, the first costs a second a GiB more.
        over = daemon.skiff("put -f big")
        daemon.skiff("-delete new")
        new = daemon.skiff("put big new")
        md5 = float(subprocess.check_output([BIN / "bench-md5", daemon.work / "big"]))
        (daemon.work / "down").unlink(missing_ok=True)
        get = daemon.skiff("get big down")
        moves = {"put over a file": over, "put of a new name": new, "get": get}
        walls = ", ".join(f"{name} {wall:.2f} s" for name, (wall, _) in moves.items())
        print(f"  {turn}: md5 {md5:.2f} s, {walls}", flush=True)
        # The first round warms caches up.
        for name, (wall, cpu) in moves.items() if turn else ():
            rows.setdefault(f"{name} / md5 alone", []).append(md5 / wall)
            rows.setdefault(f"{name}, daemon CPU s/GiB", []).append(cpu * 1024 / mib)
    for name, values in rows.items():
        print(f"{name}: median {statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})")


def idle(daemon):
    sys.path.insert(0, str(ROOT / "tests"))
    from native.session import Session

    before, cpu, sessions = daemon.kib("smaps_rollup", "Pss"), daemon.cpu(), []
    for turn in range(IDLE):
        session = Session(("127.0.0.1", daemon.port))
        sessions.append(session.login(USERS[turn % len(USERS)], "123"))
    cpu = (daemon.cpu() - cpu) / IDLE * 1000
    added = (daemon.kib("smaps_rollup", "Pss") - before) / IDLE
    answers = sum(session.ask("PWD", 257).code == 257 for session in sessions)
    print(f"{IDLE} idle sessions: {added:.1f} KiB each (PSS), {answers} answer PWD")
    print(f"a login: {cpu:.2f} ms of the daemon's CPU")


def main():
    rounds, mib = (int(word) for word in (sys.argv[1:3] + ["5", "1024"][len(sys.argv[1:3]) :]))
    build = ["cargo", "build", "--release", "--bins", "--workspace"]
    subprocess.run(build, cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if sys.argv[3:] else None) as work:
        daemon = Daemon(pathlib.Path(work))
        try:
            print(f"at start: {daemon.kib('status', 'VmRSS')} KiB resident, ", end="")
            print(f"{daemon.kib('smaps_rollup', 'Pss')} KiB PSS")
            idle(daemon)
            bulk(daemon, rounds, mib)
        finally:
            daemon.process.terminate()
            daemon.process.wait(60)


if __name__ == "__main__":
    main()
