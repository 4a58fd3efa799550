"""Files by the clients that people use: skiff; sftp, alone and with sha256sum."""

import os, resource, shutil, subprocess, time
from harness.amounts import GIB
from harness.bench import PASSWORD, USER
from harness.kinds import TURN, Kind
from harness.process import Failed


# Seconds that a client may take: twice what the slowest needs.
PATIENCE = 150


class Verified(Kind):
    """A file of `size` from the client's folder to the server and back. skiff proves it by its
    digest, the one that is named, or the one that skiff and skiffd agree on. sftp proves nothing;
    with `proof`, sha256sum of the copy follows. `known` says of a get whether the server remembers
    the file's digest, or meets the file for the first time."""

    def __init__(self, verb, size, digest=None, proof=False, known=True):
        self.verb, self.size, self.digest = verb, size, digest
        self.proof, self.known = proof, known

    def take(self, bench, instance, turn):
        client = bench.folder("client")
        home = bench.synced if instance.name == "skiffd fsync" else bench.home
        source = bench.home / f"file-{self.size}"
        mover = (
            Sftp(bench, instance, client, home, self.proof)
            if instance.name == "sftp"
            else Skiff(bench, instance, client, self.digest)
        )
        name = f"native-{next(TURN)}"
        try:
            bench.claim_pages(self.size)
            if self.known:
                wall, cpu = mover.put(source, name)
            else:
                shutil.copy(source, home / name)
                bench.give(home / name)
            bench.claim_pages(self.size)
            if self.verb == "put-over":
                wall, cpu = mover.put(source, name)
            if self.verb == "get":
                wall, cpu = mover.get(name, client / "down")
        finally:
            mover.drop(name)
            (client / "down").unlink(missing_ok=True)
        gib = self.size / GIB
        return {"MiB/s": gib * 1024 / wall, "CPU s/GiB": cpu / gib}


class Skiff:
    """The native dialect; a file that skiffd took is fetched again, its digest is remembered."""

    def __init__(self, bench, instance, client, digest, sessions=1):
        self.bench, self.instance, self.client, self.digest = bench, instance, client, digest
        self.over = f"-j{sessions}"
        self.password = client / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)

    def put(self, source, name):
        return self.clocked(f"put -f {source} {name}")

    def get(self, name, target):
        return self.clocked(f"get {name} {target}")

    def put_tree(self, source, name):
        return self.clocked(f"put -r {self.over} {source} {name}")

    def get_tree(self, name, back):
        return self.clocked(f"get -r {self.over} {name} {back}")

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
    """sftp; with `proof`, then sha256sum of the copy, at the server after a put. Nobody hashes the
    original, which is in its favour."""

    def __init__(self, bench, instance, client, home, proof=False):
        self.bench, self.instance, self.client = bench, instance, client
        self.home, self.proof = home, proof

    def put(self, source, name):
        wall, cpu = self.clocked(f"put {source} {name}")
        before = children_cpu()
        wall += self.proven(self.home / name)
        return wall, cpu + children_cpu() - before

    def get(self, name, target):
        wall, cpu = self.clocked(f"get {name} {target}")
        return wall + self.proven(target), cpu

    def put_tree(self, source, name):
        return self.clocked(f"put -r {source} {name}")

    def get_tree(self, name, back):
        return self.clocked(f"get -r {name} {back}")

    def proven(self, path):
        return clocked(["sha256sum", path], self.client) if self.proof else 0

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
    begin, words = time.monotonic(), [str(word) for word in argv]
    try:
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]}: not done after {PATIENCE} s") from None
    wall = time.monotonic() - begin
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-400:]
        raise Failed(f"{argv[0]}: exit {done.returncode}: {said}")
    return wall
