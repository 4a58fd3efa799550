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
    # Whether a password that was proven is let in again without its hash.
    remembers = False
    # Whether it can have TLS 1.3.
    newest_tls = True
    # A copy of the program, while that is to be run.
    copied = None

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
        """CPU of hashing one password, where each login pays it; None where that is not known."""
        return 0

    def binary(self):
        """The file whose size counts, if it is one."""
        return None

    def executable(self):
        """The file that runs."""
        return self.binary()

    def runs(self):
        """What to start: the executable, or the copy of it."""
        return self.copied or self.executable()

    def start(self, home):
        """A running Instance that serves `home` to the benchmark's user."""
        raise NotImplementedError

    def start_alone(self, home):
        """The same by a copy of the program: one that two run weighs half in each."""
        executable = self.executable()
        copy = self.bench.folder(f"alone-{self.name.replace(' ', '-')}") / executable.name
        self.copied = copy if copy.exists() else shutil.copy2(executable, copy)
        try:
            return self.start(home)
        finally:
            self.copied = None

    def env(self):
        """Its environment, if not ours."""
        return None

    def launch(self, folder, argv, port, user=None):
        """Started, as that user, and heard to greet at `port`."""
        process = Process(self.name, argv, folder / "log", user=user, env=self.env())
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
    name, durability, remembers = "skiffd", "None", True

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

    def start(self, home, rounds=10_000, numbered=0):
        """`rounds`: None for as many as are the default; `numbered` accounts more, each with a
        home of its own."""
        folder = self.folder()
        config = self.configure(folder, rounds)
        self.add_users(folder, config, home, numbered)
        user = self.bench.uid if self.bench.root else None
        argv = [self.runs(), "--config", config]
        process = Process(self.name, argv, folder / "log", user=user)
        said = lambda what: re.search(what + r" on \[127\.0\.0\.1:(\d+)", process.words())
        try:
            ftp = process.until("port for FTP", lambda: said("serving ftp"))
            native = process.until("native port", lambda: said("serving"))
        except Failed:
            process.stop()
            raise
        return Instance(self, process, int(ftp[1]), int(native[1]))

    def configure(self, folder, rounds):
        config, identity = folder / "server.ron", self.bench.identity
        # Memory is read from /proc/PID, which is root's where there are walls.
        walls = "Best" if os.geteuid() == 0 else "Off"
        config.write_text(f"""(
    walls: {walls},
    native: (listen: ["127.0.0.1:0"]),
    ftp: (listen: ["127.0.0.1:0"], tls: Optional),
    tls: (certificate: "{identity}/certificate.pem", key: "{folder}/key.pem"),
    quota: (default: "4TB", entries: 100000000),
    durability: {self.durability},
    {f'scram_iterations: {rounds},' if rounds else ''}
    limits: (sessions: {ROOM}, sessions_per_user: {ROOM}, before_login: {ROOM}, idle: "10h"),
    log: (access: "access.log"),
)
""")
        (folder / "key.pem").write_bytes((identity / "key.pem").read_bytes())
        (folder / "key.pem").chmod(0o600)
        return config

    def add_users(self, folder, config, home, numbered):
        lines = ["name,password,home", f"{USER},{PASSWORD},{home}"]
        lines += [f"{USER}-{n},{PASSWORD},{folder}/home-{n}" for n in range(numbered)]
        users = folder / "users.csv"
        users.write_text("\n".join(lines) + "\n")
        users.chmod(0o600)
        self.bench.give(folder)
        words = ["user", "import", "--config", config, users]
        as_user = {"user": self.bench.uid, "group": self.bench.uid, "extra_groups": []}
        self.bench.run(self.binary(), *words, **(as_user if self.bench.root else {}))


class SkiffdFsync(Skiffd):
    name, durability, reference = "skiffd fsync", "Fsync", True

    def start(self, home, **words):
        """Two daemons share no home: where the other serves the run's, it has a folder in it, with
        the same files."""
        if home == self.bench.home:
            home = self.bench.synced
            if not home.exists():
                home.mkdir()
                self.share(home)
                self.bench.give(home)
        return super().start(home, **words)

    def share(self, own):
        for path in self.bench.home.glob("file-*"):
            (own / path.name).hardlink_to(path)
        for path in self.bench.home.glob("entries-*"):
            shutil.copytree(path, own / path.name)


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
    places = [bench_peers / "bin"]
    places += [bench_peers / "root" / place for place in ("usr/sbin", "usr/bin", "usr/lib/openssh")]
    places += [pathlib.Path(place) for place in ("/usr/sbin", "/usr/local/sbin", "/usr/bin")]
    for name in names:
        for place in places:
            if os.access(place / name, os.X_OK):
                return place / name
    return None
