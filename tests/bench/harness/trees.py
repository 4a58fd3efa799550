"""Trees of small files, by skiff, by sftp, and by lftp over FTPS; at hand and far away."""

import itertools, os, shutil
from harness import link
from harness.bench import PASSWORD, USER
from harness.kinds import TURN, Kind
from harness.native import Sftp, Skiff, clocked
from harness.process import Failed

HOMES = itertools.count()


class Tree(Kind):
    """A directory of `count` files of 4 KiB to the server or back. skiff over one session or over
    `sessions`, each file verified and, with fsync, on the disk; sftp over one, without either;
    with `lftp`, lftp over that many and FTPS at every server, which verifies nothing."""

    def __init__(self, verb, count, sessions=1, lftp=False):
        self.verb, self.count, self.sessions, self.lftp = verb, count, sessions, lftp

    def missing(self):
        if self.lftp and not shutil.which("lftp"):
            return "not installed: apt-get install lftp"
        return None

    def take(self, bench, instance, turn):
        home = bench.synced if instance.name == "skiffd fsync" else bench.home
        mover = self.mover(bench, instance)
        # skiff has put it, so that the digests are remembered, as they are of what is stored so.
        lay = self.copier(bench, home) if self.lftp else mover.put_tree
        return self.move(bench, mover, home, lay)

    def copier(self, bench, home):
        def lay(source, name):
            shutil.copytree(source, home / name)
            bench.give(home / name)

        return lay

    def mover(self, bench, instance):
        client = bench.folder("client")
        if self.lftp:
            return Lftp(bench, instance, client, self.sessions)
        if instance.name == "sftp":
            return Sftp(bench, instance, client, bench.home)
        return Skiff(bench, instance, client, None, self.sessions)

    def move(self, bench, mover, home, lay):
        """What is fetched was laid by `lay` before."""
        source = mover.client / f"tree-{self.count}"
        if not source.exists():
            bench.make_tree(source, self.count)
        name, back = f"tree-{next(TURN)}", mover.client / "back"
        try:
            if self.verb == "put":
                wall, cpu = mover.put_tree(source, name)
                self.all_in(home / name)
            else:
                lay(source, name)
                wall, cpu = mover.get_tree(name, back)
                self.all_in(back)
        finally:
            bench.put_away(name)
            if back.exists():
                back.rename(bench.attic / f"back-{name}")
        return {"per s": self.count / wall, "CPU µs each": cpu / self.count * 1e6}

    def all_in(self, folder):
        there = sum(1 for path in folder.iterdir() if path.stat().st_size == 4096)
        if there != self.count:
            raise Failed(f"of {self.count} files {there} came")


class FarTree(Tree):
    """The same at a server of its own behind a line with a delay of so many milliseconds each way."""

    def __init__(self, verb, count, delay, sessions=1, lftp=False):
        super().__init__(verb, count, sessions, lftp)
        self.delay = delay

    def missing(self):
        return super().missing() or link.missing()

    def take(self, bench, instance, turn):
        home = bench.folder(f"far-{next(HOMES)}")
        lay = self.copier(bench, home)
        bench.give(home)
        with link.delayed(self.delay):
            fresh = instance.server.start(home)
            try:
                return self.move(bench, self.mover(bench, fresh), home, lay)
            finally:
                fresh.stop()


class Lftp:
    """lftp as its manual has it for a mirror over TLS, with the files' times and not their modes."""

    def __init__(self, bench, instance, client, sessions):
        self.bench, self.instance, self.client = bench, instance, client
        self.words = f"--parallel={sessions} --no-perms"

    def put_tree(self, source, name):
        return self.clocked(f"mirror -R {self.words} {source} {name}")

    def get_tree(self, name, back):
        return self.clocked(f"mirror {self.words} {name} {back}")

    def clocked(self, command):
        """Wall seconds, and the server's CPU seconds."""
        settings = {
            "ssl:verify-certificate": "no",
            # It reads those that it trusts anew for each connection, and is busy with nothing else
            # where they are a whole system's.
            "ssl:ca-file": self.bench.identity / "certificate.pem",
            "ftp:ssl-force": "yes",
            "ftp:ssl-protect-data": "yes",
            "net:max-retries": 2,
            "net:timeout": 30,
            "cmd:fail-exit": "yes",
        }
        script = "".join(f"set {name} {value}; " for name, value in settings.items())
        script += f"open -u {USER},{PASSWORD} -p {self.instance.port} 127.0.0.1; {command}"
        process = self.instance.process
        living, before = len(process.pids()), process.cpu()
        env = {**os.environ, "HOME": str(self.client)}
        wall = clocked(["lftp", "--norc", "-c", script], self.client, env)
        process.settle(living)
        return wall, process.cpu() - before
