"""A server's processes: started in a control group of their own, weighed, and ended."""

import contextlib, os, pathlib, re, resource, signal, subprocess, time

TICK = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = 60_000


class Failed(Exception):
    """What cannot be measured, and why."""


class Process:
    """A daemon and all its descendants.

    `user` is the uid and gid to run as. CPU comes from a control group (version 2), which forgets
    no child; without one, from /proc, where it is whole only for servers whose parents wait.
    """

    def __init__(self, name, argv, log, user=None, env=None):
        self.name, self.log, self.group = name, log, make_group(name)
        try:
            self.child = self.spawn([str(word) for word in argv], user, env)
        except (OSError, subprocess.SubprocessError) as error:
            self.drop_group()
            raise Failed(f"{name} does not start: {error}") from None

    def spawn(self, argv, user, env):
        with open(self.log, "ab") as said:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=env,
                start_new_session=True,
                preexec_fn=lambda: self.enter(user),
            )

    def enter(self, user):
        if self.group:
            (self.group / "cgroup.procs").write_text("0")
        raise_descriptors()
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)

    def cpu(self):
        """Seconds, user and system, of the living and the dead."""
        if self.group:
            stat = (self.group / "cpu.stat").read_text()
            return int(re.search(r"usage_usec (\d+)", stat)[1]) / 1e6
        return sum(ticks(pid) for pid in self.pids()) / TICK

    def pids(self):
        if self.group:
            return [int(pid) for pid in (self.group / "cgroup.procs").read_text().split()]
        return tree(self.child.pid)

    def pss(self):
        """KiB: shared pages count by their share."""
        return sum(pss(pid) for pid in self.pids())

    def pin(self, cores, *others):
        """Keeps every thread of its processes, and of `others`, on those cores."""
        for pid in (*self.pids(), *others):
            for thread in threads(pid):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, cores)

    def alive(self):
        return self.child.poll() is None

    def until(self, what, ready, seconds=30):
        """Waits for the daemon's own sign; one that ends instead is told with its last words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := ready():
                return value
            if not self.alive():
                raise Failed(f"{self.name} ended with {self.child.returncode}: {self.words()}")
            time.sleep(0.02)
        raise Failed(f"{self.name} has no {what} after {seconds} s: {self.words()}")

    def settle(self, count, seconds=5):
        """Waits until no more processes are left than that, so that their CPU is counted."""
        end = time.monotonic() + seconds
        while len(self.pids()) > count and time.monotonic() < end:
            time.sleep(0.01)

    def words(self):
        return self.log.read_text(errors="replace").strip()[-600:]

    def stop(self):
        """Ends what was started here: politely, then by force, all by process id."""
        with contextlib.suppress(ProcessLookupError):
            self.child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(10)
        end = time.monotonic() + 20
        while (left := self.pids()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self.child.wait(10)
        self.drop_group()

    def drop_group(self):
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()


def raise_descriptors():
    """As many descriptors as ten thousand sessions need, or as many as are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < DESCRIPTORS:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


class Clock:
    """What the machine's processors do from here on."""

    def __init__(self):
        self.begin = processors()

    def idle(self):
        """The share of their time that nobody wanted."""
        spent = [now - then for now, then in zip(processors(), self.begin)]
        # proc_stat(5): user, nice, system, idle, waiting for a disk, ...
        return sum(spent[3:5]) / max(sum(spent), 1)


def processors():
    """Ticks of all of them by what they did; guests' are in the users' already."""
    first = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    return [int(field) for field in first.split()[1:9]]


def make_group(name):
    """A control group, or None where none can be made."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if kind == "cgroup2":
            group = pathlib.Path(mount) / f"skiff-bench-{os.getpid()}-{name}-{time.monotonic_ns()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                if (group / "cpu.stat").exists():
                    return group
                group.rmdir()
    return None


def tree(root):
    """The process and its living descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(fields(entry)[1]), []).append(int(entry.parent.name))
    found, front = [], [root]
    while front:
        pid = front.pop()
        found.append(pid)
        front += parents.get(pid, [])
    return [pid for pid in found if pathlib.Path(f"/proc/{pid}/stat").exists()]


def fields(stat):
    """From the state on: what is before it may hold spaces."""
    return stat.read_text().rsplit(")", 1)[1].split()


def threads(pid):
    """Their ids; none of a process that is gone."""
    with contextlib.suppress(OSError):
        return [int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return []


def ticks(pid):
    """Its own, and those of the children that it waited for."""
    with contextlib.suppress(OSError):
        return sum(int(field) for field in fields(pathlib.Path(f"/proc/{pid}/stat"))[11:15])
    return 0


def pss(pid):
    with contextlib.suppress(OSError):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        if found := re.search(r"^Pss:\s+(\d+)", rollup, re.M):
            return int(found[1])
    return 0


def available():
    """KiB of memory that can still be had."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemAvailable:\s+(\d+)", text)[1])
