"""Daemons of our own: a demo, and ones with settings; started when first asked for."""

import os, pathlib, re, shutil, signal, socket, subprocess, tempfile, time
from ftp.steps import Failed, Skipped, need, until

USERS = ("tom", "jerry")
PASSWORD = b"123"
# How a demo (standard output) and a daemon (standard error) say where they listen, and a name each.
SPOKEN = (
    ("native", r"^native (.*)$"),
    ("ftp", r"^ftp (\S*\d)$"),
    ("native", r"serving(?: native)? on (\[.*\])"),
    ("ftp", r"serving ftp on (\[.*\])"),
    ("ftps", r"serving ftp over tls on (\[.*\])"),
)


class Daemon:
    """A running skiffd: its ports, its homes, its process."""

    def __init__(self, argv, folder, wanted):
        self.folder, self.ports = folder, {}
        self.diary = open(folder / "daemon.log", "ab")
        if traces := os.environ.get("SKIFF_TRACE"):
            argv = [*traced(traces), *argv]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.diary, stderr=self.diary
        )
        try:
            until("the daemon's addresses", lambda: self.listens(wanted), 30)
        except Failed as failure:
            self.kill()
            raise Failed(f"{failure}; it says:\n{self.log()[-1500:]}") from None

    def listens(self, wanted):
        need(self.alive(), f"skiffd ended with {self.process.returncode}")
        self.ports = addresses(self.log())
        ready = "--config" in self.process.args or re.search("^ready$", self.log(), re.M)
        return ready and wanted <= self.ports.keys()

    def port(self, name="ftp", host="127.0.0.1"):
        need((name, host) in self.ports, f"the daemon does not listen for {name} on {host}")
        return self.ports[name, host]

    def alive(self):
        return self.process.poll() is None

    def log(self):
        return (self.folder / "daemon.log").read_text(errors="replace")

    def home(self, user="tom"):
        return self.folder / "homes" / user

    def stages(self, user="tom"):
        """Name and bytes of each stage on the disk; while one moves it may vanish under us."""
        found = {}
        for path in (self.home(user) / ".skiff-stage").glob("*"):
            try:
                found[path.name] = path.stat().st_size
            except FileNotFoundError:
                pass
        return found

    def peak(self):
        """The most KiB that were resident since forget_peak."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def bytes_read(self):
        """What it got by read(2) and its kin, sockets and files alike."""
        numbers = pathlib.Path(f"/proc/{self.process.pid}/io").read_text()
        return int(re.search(r"rchar: (\d+)", numbers)[1])

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("skiffd does not end within 30 s of SIGTERM") from None
        need(status == 0, f"skiffd ended with {status} after SIGTERM:\n{self.log()[-1000:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def traced(folder):
    """What runs a daemon that writes its system calls into a file there (tests/syscalls)."""
    trace = tempfile.mktemp(prefix="ftp-", dir=folder)
    return ["strace", "-D", "-f", "-q", "-e", "signal=none", "-s", "0", "-o", trace]


def addresses(log):
    """Ports by name and host: {("ftp", "127.0.0.1"): 2121, ("ftp", "::1"): 2121}."""
    found = {}
    for name, pattern in SPOKEN:
        for line in re.findall(pattern, log, re.M):
            for v6, v4, port in re.findall(r"(?:\[([\da-f:]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d+)", line):
                found[name, v6 or v4] = int(port)
    return found


class World:
    """What the steps share: the binaries, a folder to work in, the daemons."""

    def __init__(self, binaries, work, uploads):
        self.binaries, self.work, self.uploads = pathlib.Path(binaries).resolve(), work, uploads
        self.daemons, self.broken, self.count, self.made = {}, {}, 0, {}

    def fresh(self, name="file"):
        """A name that no step had before."""
        self.count += 1
        return f"{name}-{self.count}"

    def folder(self, name="here"):
        made = self.work / self.fresh(name)
        made.mkdir()
        return made

    def file(self, data, name="local"):
        path = self.folder() / name
        path.write_bytes(data)
        return path

    def demo(self):
        return self.kept("demo", lambda folder: demo(self.binaries, folder))

    def configured(self, quota="4GB", limits="", **ftp):
        """A daemon with these words in its `ftp` section; the same one for the same words."""
        key = repr((quota, limits, sorted(ftp.items())))
        make = lambda folder: configured(self.binaries, folder, quota, ftp, limits=limits)
        return self.kept(key, make)

    def powerless(self):
        """A daemon that is held to the permissions of files, also where root runs the steps."""
        without = "-dac_override,-dac_read_search"
        before = ["setpriv", "--bounding-set", without] if os.geteuid() == 0 else []
        if before and not shutil.which("setpriv"):
            raise Skipped("root may write everywhere, and there is no setpriv")
        ftp = {"tls": Word("Optional")}
        make = lambda folder: configured(self.binaries, folder, "4GB", ftp, before)
        return self.kept("powerless", make)

    def alone(self, **ftp):
        """A fresh daemon, which nothing has used before and nothing will use again."""
        for key in [key for key in self.daemons if key.startswith("alone")]:
            self.daemons.pop(key).stop()
        make = lambda folder: configured(self.binaries, folder, "4GB", ftp)
        return self.kept(self.fresh("alone"), make)

    def kept(self, key, make):
        if key in self.broken:
            raise Failed(self.broken[key])
        if key not in self.daemons:
            try:
                self.daemons[key] = make(self.folder("daemon"))
            except Failed as failure:
                self.broken[key] = "its daemon does not start, as told above"
                raise Failed(f"no daemon: {failure}") from None
        return self.daemons[key]

    def bury(self):
        """Says of a daemon that died, and forgets it, so that the next step gets a new one."""
        for key, daemon in list(self.daemons.items()):
            if not daemon.alive():
                del self.daemons[key]
                status = daemon.process.returncode
                raise Failed(f"skiffd ended with {status}:\n{daemon.log()[-1500:]}")

    def stop(self):
        failures = []
        for daemon in self.daemons.values():
            try:
                daemon.stop()
            except Failed as failure:
                failures.append(str(failure))
        self.daemons.clear()
        need(not failures, "; ".join(failures))

    def kill(self):
        for daemon in self.daemons.values():
            daemon.kill()


def demo(binaries, folder):
    argv = [binaries / "skiffd", "--demo", folder]
    argv += ["--native", "127.0.0.1:0", "--ftp", "127.0.0.1:0"]
    return Daemon(argv, folder, {("native", "127.0.0.1"), ("ftp", "127.0.0.1")})


def configured(binaries, folder, quota, ftp, before=(), limits="", native=(), words=()):
    """`before`: a command that runs the daemon; `words`: settings beside the sections."""
    spoken = {"listen": ["127.0.0.1:0"], "implicit": ["127.0.0.1:0"], **ftp}
    listed = "".join(f"        {key}: {written(value)},\n" for key, value in spoken.items())
    natively = "".join(f", {key}: {written(value)}" for key, value in dict(native).items())
    beside = "".join(f"    {key}: {written(value)},\n" for key, value in dict(words).items())
    settings = folder / "server.ron"
    # What Daemon reads of /proc/PID is root's where there are walls.
    walls = "Best" if os.geteuid() == 0 else "Off"
    settings.write_text(
        f'(\n    walls: {walls},\n    native: (listen: ["127.0.0.1:0"]{natively}),\n    ftp: (\n{listed}    ),\n'
        f'    quota: (default: "{quota}"),\n    scram_iterations: 10000,\n'
        f'    limits: ({limits}),\n{beside}    log: (access: "access.log"),\n)\n'
    )
    for user in USERS:
        add_user(binaries, settings, user)
    wanted = {("native", "127.0.0.1")}
    wanted |= {("ftp", host_of(address)) for address in spoken["listen"]}
    wanted |= {("ftps", host_of(address)) for address in spoken["implicit"]}
    return Daemon([*before, binaries / "skiffd", "--config", settings], folder, wanted)


def add_user(binaries, settings, user):
    argv = [binaries / "skiffd", "user", "add", "--config", settings, user, "--password-stdin"]
    done = subprocess.run(argv, input=PASSWORD + b"\n", capture_output=True, timeout=30)
    need(done.returncode == 0, f"user add {user}: {done.stderr.decode(errors='replace')[-500:]}")


class Word(str):
    """A word of the settings that takes no quotes, such as Require."""


def written(value):
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(written(each) for each in value) + "]"
    return f'"{value}"'


def host_of(address):
    return address.rsplit(":", 1)[0].strip("[]")


def free_range(count):
    """So many ports in a row that nobody listens on, as "first-last"."""
    start = 20000 + (os.getpid() * 7 + int(time.time())) % 10000
    for first in range(start, start + 2000, count):
        if all(is_free(port) for port in range(first, first + count)):
            return f"{first}-{first + count - 1}"
    raise Failed(f"no {count} free ports in a row from {start} on")


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
