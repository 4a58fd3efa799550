#!/usr/bin/env python3
"""A disk without room, without inodes, read-only, and a server without descriptors: replies are true.

    full_disk.py BINARIES [--rounds N] [--only PATTERN]

BINARIES holds skiffd. Each round puts a server's folder (homes, state and logs) on a small ext4 of
its own, in an image, and takes away what it needs, at rest or in the middle of an upload, while a
client stores, replaces, appends, makes, renames, fetches and deletes by FTP, by FTP over TLS, or
natively. What is answered as done must be on the disk as it was sent, and what is refused must be as
it was before, with the right reply; no daemon may end. Then there is room again: everything must work,
and the ledger must be what a count finds, which is what is there. Needs root, and says so without it;
the native rounds need pyOpenSSL and are left out without. Everything is in a mount namespace of its
own. Prints one line a round; exit 1 if anything is not as it should be.
"""

import argparse, os, pathlib, random, re, shutil, socket, subprocess, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ends  # noqa: E402
from ftp.daemon import Daemon, Word, configured  # noqa: E402
from ftp.sockets import EXPLICIT13, PLAIN, close_all  # noqa: E402
from ftp.steps import Failed, need, until  # noqa: E402

MIB = 1 << 20
IMAGE, INODES = 48 * MIB, 400
DESCRIPTORS = 64
# Rounds whose disk has the homes alone.
HOMES_ONLY = "read-only|failed"
NOTHING = None


def run(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


class Disk:
    """A small ext4 in an image."""

    def __init__(self, work, number, title):
        self.image, self.folder = work / f"{number}.img", work / f"server-{number}"
        # A disk on which a log is written is never quiet, nor can it be taken away.
        self.at = self.folder / "homes" if re.match(HOMES_ONLY, title) else self.folder
        self.at.mkdir(parents=True)
        with open(self.image, "wb") as file:
            file.truncate(IMAGE)
        run("mkfs.ext4", "-q", "-m", "0", "-N", INODES, self.image)
        self.mount()

    def mount(self):
        # An error makes it read-only at once, whoever writes.
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.at)

    def umount(self):
        run("umount", self.at)

    def discard(self):
        run("umount", "--lazy", self.at)
        self.image.unlink()

    def device(self):
        number = os.stat(self.at).st_dev
        return os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"))


class Fault:
    """What is taken away, and what must then be answered to what cannot be done."""

    appended = None


class Full(Fault):
    """No block is free but `left` bytes of them."""

    codes, causes = {452}, {"disk-full"}
    # What needs no room is done.
    must = {"delete", "fetch"}

    def __init__(self, disk, left):
        self.disk, self.left, self.title = disk, left, f"a disk with {left} bytes left"

    def begin(self):
        self.filler = self.disk.at / "filler"
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, 65536)
            except OSError:
                pass
            try:
                while file.write(bytes(1024)):
                    pass
            except OSError:
                pass
            size = os.fstat(file.fileno()).st_size
            file.truncate(max(0, size - self.left))
        os.sync()

    def end(self):
        self.filler.unlink()
        os.sync()


class NoInodes(Fault):
    codes, causes, must, title = {452}, {"disk-full"}, {"delete", "fetch", "rename"}, "a disk without inodes"

    def __init__(self, disk):
        self.disk = disk

    def begin(self):
        self.folder = self.disk.at / "filler"
        self.folder.mkdir()
        try:
            for number in range(INODES * 100):
                (self.folder / str(number)).touch()
        except OSError:
            pass

    def end(self):
        shutil.rmtree(self.folder)


class ReadOnly(Fault):
    """Remounted by the operator."""

    codes, causes, must = {451}, {"disk-read-only"}, {"fetch"}
    title = "a disk that was remounted read-only"

    def __init__(self, disk):
        self.disk = disk

    def begin(self):
        os.sync()
        until("the disk to be quiet", self.remount)

    def remount(self):
        done = subprocess.run(["mount", "-o", "remount,ro", str(self.disk.at)], capture_output=True)
        return done.returncode == 0

    def end(self):
        run("mount", "-o", "remount,rw,errors=remount-ro", self.disk.at)


class Broken(ReadOnly):
    """Read-only by the kernel, because of an error, with files open."""

    # What a file system says that has given up is its own affair: EROFS, EIO.
    codes, causes = {451, 426, 450}, {"disk-read-only", "disk-failed"}
    # Nothing can be cut off any more; the next start does it.
    appended = "base"
    title = "a disk that has failed and is read-only"

    def begin(self):
        pathlib.Path("/sys/fs/ext4", self.disk.device(), "trigger_fs_error").write_text("1")

    def end(self):
        """The operator mends it, and starts the server again."""
        self.disk.umount()
        subprocess.run(["e2fsck", "-p", str(self.disk.image)], capture_output=True)
        self.disk.mount()


class Story:
    """What a client did, and what the disk must hold for it."""

    def __init__(self, daemon, end, chance):
        self.daemon, self.end, self.chance = daemon, end, chance
        self.files, self.refused, self.done = {}, 0, 0

    def data(self, size):
        return self.chance.randbytes(size)

    def prepare(self):
        for name in ("kept", "old", "base", "moving1", "gone1", "moving2", "gone2"):
            self.sure(name, self.data(70_000))
        need(self.end.make("folder").is_done(), "no folder")

    def sure(self, name, data):
        answer = self.end.store(name, data)
        need(answer.is_done(), f"{name}: {answer}")
        self.files[name] = data
        self.check(name)

    def check(self, *names, appended=None):
        """`appended`: the file that cannot be cut before the disk is mended."""
        for name in names or self.files:
            path = self.daemon.home() / name
            there = path.read_bytes() if path.exists() else NOTHING
            wanted = self.files.get(name, NOTHING)
            if name == appended and there:
                there = there[: len(wanted)]
            need(there == wanted, f"{name} has {brief(there)} instead of {brief(wanted)}")

    def change(self, what, fault, answer, **becomes):
        """Either is true: the answer, and what the disk has."""
        if answer.is_done():
            self.files.update(becomes)
            self.done += 1
        else:
            need(what not in fault.must, f"{what} is refused: {answer}")
            right = answer.why in fault.causes if answer.why else answer.code in fault.codes
            need(right, f"{what}: the reply is {answer!r}")
            self.refused += 1
        self.check(*becomes, appended=fault.appended)

    def all(self, fault, size, turn):
        """Everything that a client does, on a server that lacks something."""
        end, more = self.end, self.data(size)
        self.change("store", fault, end.store("new", more), new=more)
        self.change("replace", fault, end.store("old", more), old=more)
        if end.append:
            becomes = self.files["base"] + more
            self.change("append", fault, end.append("base", more), base=becomes)
        made = end.make(f"made{turn}")
        self.change("make", fault, made)
        need((self.daemon.home() / f"made{turn}").is_dir() == made.is_done(), f"made: {made}")
        old, new = f"moving{turn}", f"moved{turn}"
        moved = {old: NOTHING, new: self.files[old]}
        self.change("rename", fault, end.rename(old, new), **moved)
        gone = f"gone{turn}"
        self.change("delete", fault, end.delete(gone), **{gone: NOTHING})
        answer, got = end.fetch("kept")
        self.change("fetch", fault, answer)
        need(not answer.is_done() or got == self.files["kept"], f"kept was sent as {brief(got)}")

    def midway(self, fault, verb, begin):
        """The fault comes in the middle of an upload."""
        more = self.data(6 * MIB)
        if verb == "append":
            answer, becomes = self.end.append("base", more, begin), self.files["base"] + more
            self.change(verb, fault, answer, base=becomes)
        else:
            self.change(verb, fault, self.end.store("old", more, begin), old=more)

    def again(self):
        """With room everything works."""
        self.sure("new", self.data(300_000))
        self.sure("old", self.data(300_000))
        if self.end.append:
            more = self.data(300_000)
            need(self.end.append("base", more).is_done(), "no append")
            self.files["base"] += more
        need(self.end.make("later").is_done(), "no folder is made")
        old = next(name for name in ("moved1", "moving1") if self.files.get(name))
        need(self.end.rename(old, "last").is_done(), "no rename")
        self.files["last"] = self.files.pop(old)
        need(self.end.delete("kept").is_done(), "no delete")
        self.files["kept"] = NOTHING
        self.check()

    def count(self, binaries):
        told = self.end.used()
        argv = [binaries / "skiffd", "user", "recount", "--config", self.daemon.folder / "server.ron", "tom"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        need(done.returncode == 0, f"user recount: {done.stderr}")
        found = self.end.used()
        need(told == found, f"{told!r} was told, and a count finds {found!r}")
        there = sum(map(len, filter(None, self.files.values()))) + sum(self.daemon.stages().values())
        numbers = {int(number) for number in re.findall(r"\d+", found)}
        need(there in numbers, f"{there} bytes are there, and {found!r} is told")


def brief(content):
    return "nothing" if content is NOTHING else f"{len(content)} bytes of {content[:2].hex()}"


def start(binaries, disk, before=()):
    folder = disk.folder
    if (folder / "server.ron").exists():
        (folder / "daemon.log").unlink(missing_ok=True)
        argv = [binaries / "skiffd", "--config", folder / "server.ron"]
        return Daemon(argv, folder, {("native", "127.0.0.1"), ("ftp", "127.0.0.1")})
    # With a floor nothing would ever be full.
    words = {"free_space_floor": "0"}
    return configured(binaries, folder, "1GB", {"tls": Word("Optional")}, before, words=words)


def lacking(binaries, disk, way, chance, fault, verb=None):
    """A round with this fault: at rest, or in the middle of an upload by this verb."""
    daemon = start(binaries, disk)
    try:
        story = Story(daemon, way(daemon), chance)
        story.prepare()
        if verb:
            story.midway(fault, verb, fault.begin)
        else:
            fault.begin()
        story.all(fault, 6 * MIB, 1)
        story.all(fault, 100, 2)
        need(daemon.alive(), f"skiffd ended: {daemon.log()[-1500:]}")
        if isinstance(fault, Broken):
            daemon.kill()
            daemon.diary.close()
            close_all()
            fault.end()
            daemon = start(binaries, disk)
            story.daemon, story.end = daemon, way(daemon)
            until("the home to be counted", lambda: "count" not in story.end.used())
            story.check()
        else:
            fault.end()
        story.again()
        story.count(binaries)
        story.end.leave()
        daemon.stop()
    finally:
        daemon.kill()
        daemon.diary.close()
        close_all()
    return f"{story.done} done, {story.refused} refused"


class NoDescriptors(Fault):
    codes, causes, must = {421, 425, 450, 451}, {"overloaded", "busy"}, set()
    title = f"a server with {DESCRIPTORS} descriptors"


def crowded(binaries, disk, way, chance):
    """So many sessions that there is no descriptor for more."""
    fault = NoDescriptors()
    daemon = start(binaries, disk, ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))
    try:
        story = Story(daemon, way(daemon), chance)
        story.prepare()
        crowd = [connected(daemon) for _ in range(DESCRIPTORS)]
        story.all(fault, 3 * MIB, 1)
        story.all(fault, 100, 2)
        need(story.refused, "no descriptor was lacking")
        need(daemon.alive(), f"skiffd ended: {daemon.log()[-1500:]}")
        for sock in crowd:
            sock.close()
        close_all()
        story.end = until("a login", lambda: entered(way, daemon))
        story.check()
        story.again()
        story.count(binaries)
        story.end.leave()
        daemon.stop()
    finally:
        daemon.kill()
        daemon.diary.close()
        close_all()
    return f"{story.done} done, {story.refused} refused"


def connected(daemon):
    return socket.create_connection(("127.0.0.1", daemon.port("ftp")), 5)


def entered(way, daemon):
    try:
        return way(daemon)
    except ends.BROKEN:
        return None


def rounds(binaries):
    """Title, and what makes the round of a disk, a way in and chance."""
    ways = {"ftp": lambda daemon: ends.FtpEnd(daemon, PLAIN)}
    ways["ftp over tls"] = lambda daemon: ends.FtpEnd(daemon, EXPLICIT13)
    if ends.Session:
        ways["native"] = ends.NativeEnd
    faults = [lambda disk: Full(disk, 0), lambda disk: Full(disk, MIB), NoInodes, ReadOnly, Broken]
    titles = ["full", "nearly full", "no inodes", "read-only", "failed"]
    for name, way in ways.items():
        for title, fault in zip(titles, faults):
            yield f"{title}, {name}", lambda disk, chance, way=way, fault=fault: lacking(
                binaries, disk, way, chance, fault(disk))
            for verb in ("append", "replace"):
                # Nobody can remount a disk on which a file is being written.
                if fault is ReadOnly or (verb == "append" and name == "native"):
                    continue
                yield f"{title} in the middle of {verb}, {name}", (
                    lambda disk, chance, way=way, fault=fault, verb=verb: lacking(
                        binaries, disk, way, chance, fault(disk), verb))
        yield f"no descriptors, {name}", lambda disk, chance, way=way: crowded(
            binaries, disk, way, chance)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=1, help="of everything")
    parser.add_argument("--only", default="", metavar="PATTERN")
    wanted = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        print("skipped: full_disk needs root and mkfs.ext4")
        return 0
    if "FULL_DISK_NAMESPACE" not in os.environ:
        again = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        return subprocess.call(again, env={**os.environ, "FULL_DISK_NAMESPACE": "own"})
    passed = failed = 0
    if not ends.Session:
        print("without pyOpenSSL no native rounds")
    with tempfile.TemporaryDirectory(prefix="full-disk-", ignore_cleanup_errors=True) as work:
        for turn in range(wanted.rounds):
            for title, act in rounds(wanted.binaries):
                if not re.search(wanted.only, title):
                    continue
                disk = Disk(pathlib.Path(work), passed + failed, title)
                try:
                    print(f"{title}: {act(disk, random.Random(turn))}", flush=True)
                    passed += 1
                except (*ends.BROKEN, subprocess.CalledProcessError) as failure:
                    failed += 1
                    print(f"FAILED {title}: {failure}", flush=True)
                finally:
                    disk.discard()
    print(f"full_disk: {passed} rounds passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
