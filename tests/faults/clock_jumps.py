#!/usr/bin/env python3
"""The wall clock jumps under a running skiffd, by seconds, days and decades: nothing is lost for it.

    clock_jumps.py BINARIES [--rounds N] [--seed N]

BINARIES holds skiffd. The machine's clock stays as it is: the daemon gets a library before its own
(LD_PRELOAD, built with cc) that adds to CLOCK_REALTIME what this program says, and where root may make
time namespaces a monotonic clock that is ten years ahead. Before each jump sessions by FTP, by FTP over
TLS and natively are there and an upload was broken off; after it old and new sessions store, replace,
append, fetch, list and resume. Contents must be right, uploads resumed or begun anew but never spliced,
the ledger what a count finds, and every daemon must live and stop by itself; each round ends with a
restart at another time. Prints a line for each round; exit 1 if anything is not as it should be. Without
cc it says so and does nothing; the native sessions need pyOpenSSL and are left out without it.
"""

import argparse, pathlib, random, shutil, struct, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ends  # noqa: E402
from ftp.daemon import Daemon, Word, configured  # noqa: E402
from ftp.sockets import EXPLICIT12, EXPLICIT13, PLAIN, close_all, hang_up  # noqa: E402
from ftp.steps import Failed, need, until  # noqa: E402

DAY = 86_400
YEAR = 365 * DAY
JUMPS = (2, -2, 3600, -3600, DAY, -DAY, YEAR, -YEAR, 50 * YEAR, -50 * YEAR, 100 * YEAR, -100 * YEAR)
# What the kernel lets a clock be set to: from 1970 on, and 30 years less than 64 bits of nanoseconds.
FIRST, LAST = 0, 2**63 // 10**9 - 31 * YEAR
AHEAD = 10 * YEAR  # of the monotonic clock

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *ahead;
static int (*kernels)(clockid_t, struct timespec *);

/* Before main, and so before the daemon walls itself in. */
__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("CLOCK_AHEAD");
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    kernels = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (fd >= 0) {
        void *at = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
        ahead = at == MAP_FAILED ? 0 : at;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = kernels(clock, now);
    if (!failed && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *ahead;
    return failed;
}
"""


class Clock:
    """The daemon's wall clock."""

    def __init__(self, work):
        self.file, source, self.shim = work / "ahead", work / "shim.c", work / "shim.so"
        self.set(0)
        source.write_text(SHIM)
        argv = ["cc", "-shared", "-fPIC", "-O1", "-o", self.shim, source, "-ldl"]
        subprocess.run(list(map(str, argv)), check=True)

    def set(self, seconds):
        self.ahead = seconds
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    def jump(self, chance):
        """Somewhere that the machine's own clock could be."""
        now = int(time.time())
        may = [jump for jump in JUMPS if FIRST <= now + self.ahead + jump <= LAST]
        self.set(self.ahead + chance.choice(may))

    def before(self):
        """What runs a daemon under this clock."""
        argv = ["env", f"LD_PRELOAD={self.shim}", f"CLOCK_AHEAD={self.file}"]
        ahead = ["unshare", "--time", "--monotonic", str(AHEAD), "--boottime", str(AHEAD)]
        may = subprocess.run([*ahead, "true"], capture_output=True).returncode == 0
        return [*ahead, *argv] if may else argv


class Story:
    """Sessions, and what must be in the home for what they did."""

    def __init__(self, daemon, chance):
        self.daemon, self.chance, self.files, self.count = daemon, chance, {}, 0
        self.resumed = self.anew = 0
        self.ends = self.enter()

    def enter(self):
        ways = [lambda mode=mode: ends.FtpEnd(self.daemon, mode) for mode in (PLAIN, EXPLICIT12, EXPLICIT13)]
        ways += [lambda: ends.NativeEnd(self.daemon)] if ends.Session else []
        return [way() for way in ways]

    def leave(self):
        for end in self.ends:
            end.leave()
        self.ends = []

    def data(self, size=70_000):
        return self.chance.randbytes(size)

    def work(self):
        """Everything, in each session."""
        for end in self.ends:
            self.count += 1
            new, first, second = f"new-{self.count}", self.data(), self.data(90_000)
            self.sure(end, new, first)
            self.sure(end, new, second)
            self.sure(end, "shared", first)
            if end.append:
                answer = end.append(new, first)
                need(answer.is_done(), f"append: {answer}")
                self.files[new] = second + first
            answer, got = end.fetch(new)
            need(got == self.files[new], f"{new} was sent with other bytes: {answer}")
            listed = self.listed(end)
            need(set(self.files) <= listed, f"listed {sorted(listed)} without {sorted(set(self.files) - listed)}")
        for path, data in self.files.items():
            need((self.daemon.home() / path).read_bytes() == data, f"{path} has other bytes")

    def sure(self, end, name, data):
        answer = end.store(name, data)
        need(answer.is_done(), f"{name}: {answer}")
        self.files[name] = data

    def listed(self, end):
        if isinstance(end, ends.FtpEnd):
            lines = [line.decode() for line in end.ftp.names("LIST")]
            facts = {line.split("; ", 1)[-1] for line in map(bytes.decode, end.ftp.names("MLSD"))}
            need({line.rsplit(" ", 1)[-1] for line in lines} <= facts, "LIST and MLSD list other names")
            end.ftp.ask("MDTM shared", 213)
            return facts
        return {name.decode() for name in end.session.list()}

    def break_off(self):
        """An upload that is begun in clear and reset; what it was to become."""
        whole, end = self.data(3_000_000), self.ends[0]
        self.count += 1
        name = f"broken-{self.count}"
        lane = end.ftp.open(f"STOR {name}")
        lane.send(whole[:2_000_000])
        until("what was sent to be there", lambda: any(self.daemon.stages().values()))
        hang_up(lane.sock, reset=True)
        end.ftp.expect(426)
        return name, whole

    def go_on(self, name, whole):
        end = self.ends[0]
        reply = end.ftp.answer(f"SIZE {name}")
        at = int(reply.text.split()[1]) if reply.code == 213 else 0
        need(at <= len(whole), f"{at} bytes of {len(whole)} are kept")
        self.resumed, self.anew = self.resumed + (at > 0), self.anew + (at == 0)
        answer = end.ftp.put(name, whole[at:], rest=at or None)
        need(answer.code == 226, f"going on at {at}: {answer}")
        self.files[name] = whole
        need((self.daemon.home() / name).read_bytes() == whole, f"{name} is spliced at {at}")


def counted(binaries, daemon):
    end = ends.FtpEnd(daemon)
    until("the home to be counted", lambda: "count" not in end.used())
    told = end.used()
    argv = [binaries / "skiffd", "user", "recount", "--config", daemon.folder / "server.ron", "tom"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, f"user recount: {done.stderr}")
    need(end.used() == told, f"{told!r} was told, and a count finds {end.used()!r}")
    end.leave()


def one_round(binaries, work, clock, chance, number):
    folder = work / f"server-{number}"
    folder.mkdir()
    clock.set(0)
    daemon = configured(binaries, folder, "1GB", {"tls": Word("Optional")}, clock.before())
    try:
        story = Story(daemon, chance)
        story.work()
        for _ in range(6):
            broken = story.break_off()
            clock.jump(chance)
            story.work()
            story.go_on(*broken)
            story.leave()
            story.ends = story.enter()
            story.work()
            need(daemon.alive(), f"skiffd ended: {daemon.log()[-1500:]}")
        counted(binaries, daemon)
        broken = story.break_off()
        story.leave()
        daemon.stop()
        said = daemon.log()
        (folder / "daemon.log").unlink()
        # The next start is at another time, and ten years earlier by the monotonic clock.
        clock.jump(chance)
        argv = [*clock.before()[-3:], binaries / "skiffd", "--config", folder / "server.ron"]
        daemon = Daemon(argv, folder, {("native", "127.0.0.1"), ("ftp", "127.0.0.1")})
        story.daemon, story.ends = daemon, []
        counted(binaries, daemon)
        story.ends = story.enter()
        story.go_on(*broken)
        story.work()
        story.leave()
        daemon.stop()
        said += daemon.log()
        need("panicked" not in said, f"skiffd panicked: {said[-1500:]}")
    finally:
        daemon.kill()
        close_all()
    return f"{len(story.files)} files whole, {story.resumed} uploads resumed, {story.anew} begun anew"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not shutil.which("cc"):
        print("skipped: clock_jumps needs cc")
        return 0
    if not ends.Session:
        print("without pyOpenSSL no native sessions")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="skiff-clock-") as work:
        clock = Clock(pathlib.Path(work))
        print(f"run by {' '.join(clock.before()[:-3]) or 'nothing: no time namespace'}")
        for number in range(given.rounds):
            chance = random.Random(given.seed + number)
            try:
                print(f"round {number}: {one_round(given.binaries, pathlib.Path(work), clock, chance, number)}")
                passed += 1
            except ends.BROKEN as failure:
                failed += 1
                print(f"FAILED round {number}, {clock.ahead} s ahead: {failure}", flush=True)
    print(f"clock_jumps: {passed} rounds passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
