"""Files and trees by the clients that people use: skiff; sftp and md5sum."""

import os, resource, subprocess, time
from harness.amounts import GIB
from harness.bench import PASSWORD, USER
from harness.kinds import TURN, Kind
from harness.process import Failed


class Verified(Kind):
    """A file of `size` from the client's folder to the server and back, proven by its digest:
    the one that is named, or the one that skiff and skiffd agree on."""

    def __init__(self, verb, size, digest=None):
        self.verb, self.size, self.digest = verb, size, digest

    def take(self, bench, instance, turn):
        client = bench.folder("client")
        source = bench.home / f"file-{self.size}"
        alone = clocked(["md5sum", source], client)
        mover = (
            Sftp(bench, instance, client)
            if instance.name == "sftp"
            else Skiff(bench, instance, client, self.digest)
        )
        name = f"native-{next(TURN)}"
        try:
            bench.claim_pages(self.size)
            wall, cpu = mover.put(source, name)
            bench.claim_pages(self.size)
            if self.verb == "put-over":
                wall, cpu = mover.put(source, name)
            if self.verb == "get":
                wall, cpu = mover.get(name, client / "down")
        finally:
            mover.drop(name)
            (client / "down").unlink(missing_ok=True)
        gib = self.size / GIB
        return {
            "MiB/s": gib * 1024 / wall,
            "of md5sum alone": alone / wall,
            "CPU s/GiB": cpu / gib,
        }


class Tree(Kind):
    """A directory of `count` files of 4 KiB to the server or back; skiff over one session or over
    `sessions`, each file verified and, with fsync, on the disk; sftp over one, without either."""

    def __init__(self, verb, count, sessions=1):
        self.verb, self.count, self.sessions = verb, count, sessions

    def take(self, bench, instance, turn):
        client = bench.folder("client")
        source = client / f"tree-{self.count}"
        if not source.exists():
            bench.make_tree(source, self.count)
        name, back = f"tree-{next(TURN)}", client / "back"
        try:
            if instance.name == "sftp":
                mover = Sftp(bench, instance, client)
                wall, cpu = mover.clocked(f"put -r {source} {name}")
                if self.verb == "get":
                    wall, cpu = mover.clocked(f"get -r {name} {back}")
            else:
                mover, over = Skiff(bench, instance, client, None), f"-j{self.sessions}"
                wall, cpu = mover.clocked(f"put -r {over} {source} {name}")
                if self.verb == "get":
                    wall, cpu = mover.clocked(f"get -r {over} {name} {back}")
        finally:
            bench.put_away(name)
            if back.exists():
                back.rename(bench.attic / f"back-{name}")
        return {"per s": self.count / wall, "CPU µs each": cpu / self.count * 1e6}


class Skiff:
    """The native dialect; a file that skiffd took is fetched again, its digest is remembered."""

    def __init__(self, bench, instance, client, digest):
        self.bench, self.instance, self.client, self.digest = bench, instance, client, digest
        self.password = client / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)

    def put(self, source, name):
        return self.clocked(f"put -f {source} {name}")

    def get(self, name, target):
        return self.clocked(f"get {name} {target}")

    def drop(self, name):
        self.clocked(f"-delete {name}")

    def clocked(self, commands):
        """Wall seconds, and the server's CPU seconds."""
        who = f"{USER}@127.0.0.1:{self.instance.native}"
        argv = [self.bench.tools / "skiff", who, "-q", "--trust", "new"]
        argv += ["--password-file", self.password, "-c", commands]
        if self.digest:
            argv += ["--digest", self.digest]
        before = self.instance.process.cpu()
        wall = clocked(argv, self.client, {**os.environ, "HOME": str(self.client)})
        return wall, self.instance.process.cpu() - before


class Sftp:
    """sftp, then md5sum of the copy, at the server after a put. Nobody hashes the original, which
    is in its favour."""

    def __init__(self, bench, instance, client):
        self.bench, self.instance, self.client = bench, instance, client

    def put(self, source, name):
        wall, cpu = self.clocked(f"put {source} {name}")
        before = children_cpu()
        wall += clocked(["md5sum", self.bench.home / name], self.client)
        return wall, cpu + children_cpu() - before

    def get(self, name, target):
        wall, cpu = self.clocked(f"get {name} {target}")
        return wall + clocked(["md5sum", target], self.client), cpu

    def drop(self, name):
        self.clocked(f"-rm {name}")

    def clocked(self, command):
        batch = self.client / "batch"
        batch.write_text(command + "\n")
        argv = ["sftp", "-q", "-b", batch, "-P", self.instance.port, "-i", self.instance.key]
        argv += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        argv += [
            "-o",
            "LogLevel=ERROR",
            "-o",
            "Ciphers=aes128-gcm@openssh.com",
            "-o",
            "IdentitiesOnly=yes",
        ]
        living, before = len(self.instance.process.pids()), self.instance.process.cpu()
        wall = clocked([*argv, f"{USER}@127.0.0.1"], self.client)
        self.instance.process.settle(living)
        return wall, self.instance.process.cpu() - before


def children_cpu():
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def clocked(argv, folder, env=None):
    """Wall seconds of a command that must succeed."""
    begin = time.monotonic()
    done = subprocess.run([str(word) for word in argv], cwd=folder, env=env, capture_output=True)
    wall = time.monotonic() - begin
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-400:]
        raise Failed(f"{argv[0]}: exit {done.returncode}: {said}")
    return wall
