"""What all servers have in common; skiffd; and the generator's own ceiling."""

import itertools, os, pathlib, re, shutil, socket
from harness.bench import PASSWORD, USER
from harness.process import Failed, Process

ROOM = 20_000
STARTS = itertools.count()


class Server:
    """A server that can be started more than once, each time on a port and home of its own.

    `reference` ones stand beside the comparison and take no part in it.
    """

    name, reference, machine_listing = "", False, True
    # Whether each session is a process of its own.
    forks = False

    def __init__(self, bench):
        self.bench = bench

    def missing(self):
        """What keeps it from being measured, and how to get it; None if nothing does."""
        return None

    def version(self):
        return ""

    def settings(self):
        """What a reader must know to judge whether it is fair."""
        return ""

    def hash_milliseconds(self):
        """CPU of hashing one password, where each login pays it."""
        return 0

    def binary(self):
        """The file whose size counts, if it is one."""
        return None

    def start(self, home):
        """A running Instance that serves `home` to the benchmark's user."""
        raise NotImplementedError

    def env(self):
        """Its environment, if not ours."""
        return None

    def launch(self, folder, argv, port):
        """Started, and heard to greet at `port`."""
        process = Process(self.name, argv, folder / "log", env=self.env())
        instance = Instance(self, process, port)
        try:
            process.until(f"greeting on port {port}", instance.greets)
        except Failed:
            process.stop()
            raise
        return instance

    def folder(self):
        """A new one for each start."""
        return self.bench.folder(f"{self.name.replace(' ', '-')}-{next(STARTS)}")


class Instance:
    """A running server: its process, where it listens, and what was said to it."""

    def __init__(self, server, process, port, native=None):
        self.server, self.process, self.port, self.native = server, process, port, native

    @property
    def name(self):
        return self.server.name

    def account(self, mode, port=None):
        port = port or self.port
        return [f"port={port}", f"user={USER}", f"password={PASSWORD}", f"mode={mode}"]

    def greets(self):
        """Whether something answers at the port."""
        with socket.socket() as probe:
            probe.settimeout(5)
            try:
                probe.connect(("127.0.0.1", self.port))
                return probe.recv(64).startswith((b"220", b"SSH-"))
            except OSError:
                return False

    def stop(self):
        self.process.stop()


class Skiffd(Server):
    name, durability = "skiffd", "None"

    def version(self):
        return self.bench.run(self.bench.tools / "skiffd", "--version").split()[-1]

    def binary(self):
        return self.bench.tools / "skiffd"

    def settings(self):
        return (
            f"durability {self.durability}; PBKDF2-SHA256 of 10,000 rounds, a proven password is "
            "remembered for 60 s; access log on; runs unprivileged; staged, atomic uploads within "
            "a quota, which no peer has"
        )

    def start(self, home):
        folder, identity = self.folder(), self.bench.identity
        config = folder / "server.ron"
        # Memory is read from /proc/PID, which is root's where there are walls.
        walls = "Best" if os.geteuid() == 0 else "Off"
        config.write_text(f"""(
    walls: {walls},
    native: (listen: ["127.0.0.1:0"]),
    ftp: (listen: ["127.0.0.1:0"], tls: Optional),
    tls: (certificate: "{identity}/certificate.pem", key: "{folder}/key.pem"),
    quota: (default: "4TB", entries: 100000000),
    durability: {self.durability},
    scram_iterations: 10000,
    limits: (sessions: {ROOM}, sessions_per_user: {ROOM}, before_login: {ROOM}, idle: "10h"),
    log: (access: "access.log"),
)
""")
        (folder / "key.pem").write_bytes((identity / "key.pem").read_bytes())
        (folder / "key.pem").chmod(0o600)
        self.bench.give(folder)
        skiffd = self.binary()
        add = [skiffd, "user", "add", "--config", config, USER, "--password-stdin", "--home", home]
        as_user = {"user": self.bench.uid, "group": self.bench.uid, "extra_groups": []}
        self.bench.run(
            *add, input=PASSWORD.encode() + b"\n", **(as_user if self.bench.root else {})
        )
        user = self.bench.uid if self.bench.root else None
        process = Process(self.name, [skiffd, "--config", config], folder / "log", user=user)
        said = lambda what: re.search(what + r" on \[127\.0\.0\.1:(\d+)", process.words())
        try:
            ftp = process.until("port for FTP", lambda: said("serving ftp"))
            native = process.until("native port", lambda: said("serving"))
        except Failed:
            process.stop()
            raise
        return Instance(self, process, int(ftp[1]), int(native[1]))


class SkiffdFsync(Skiffd):
    name, durability, reference = "skiffd fsync", "Fsync", True

    def binary(self):
        """A copy: a program that three run weighs less in each than the peers', which two run."""
        own = self.bench.folder("bin-fsync") / "skiffd"
        return own if own.exists() else shutil.copy2(super().binary(), own)

    def start(self, home):
        """In a folder of its own, for two daemons share no home, with the same files in it."""
        own = self.bench.synced
        if not own.exists():
            own.mkdir()
            for path in home.glob("file-*"):
                (own / path.name).hardlink_to(path)
            for path in home.glob("entries-*"):
                shutil.copytree(path, own / path.name)
            self.bench.give(own)
        return super().start(own)


class Null(Server):
    """bench-load against itself: what no server could beat."""

    name, reference = "ceiling", True

    def version(self):
        return "(bench-load itself)"

    def settings(self):
        return "answers from memory, stores nothing, a thread per session: the generator's ceiling"

    def start(self, home):
        log = self.folder() / "log"
        argv = [self.bench.tools / "bench-load", "null", f"root={home}"]
        process = Process(self.name, argv + [f"identity={self.bench.identity}"], log)
        port = process.until("port", lambda: re.search(r"serving on (\d+)\n", log.read_text()))
        return Instance(self, process, int(port[1]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find(bench_peers, *names):
    """A program, where get-peers put it or where the system has it."""
    places = [bench_peers / "root" / place for place in ("usr/sbin", "usr/bin", "usr/lib/openssh")]
    places += [pathlib.Path(place) for place in ("/usr/sbin", "/usr/local/sbin", "/usr/bin")]
    for name in names:
        for place in places:
            if os.access(place / name, os.X_OK):
                return place / name
    return None
