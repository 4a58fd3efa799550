#!/usr/bin/env python3
"""Power cuts while FTP clients upload: what was answered 226 is whole, what is kept is a prefix.

    power_cut.py BINARIES [--rounds N] [--fs ext4|xfs|btrfs|none] [--seed N]

BINARIES holds skiffd. Each round makes a file system in an image, starts a skiffd whose state and
homes are there, lets clients store, replace, append and break off, takes the power away at a random
moment, and starts a skiffd on what the disk has then. ext4 and XFS are told to stop at once and to
write nothing more (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN); of Btrfs, which cannot, the image is cloned
while it is in use, on another Btrfs. With `--fs none` the power stays, and the daemon alone is killed.
The others need root, and their mkfs (xfsprogs, btrfs-progs); without them it says so and does nothing.
Everything is in a mount namespace of its own. Exit 1 if anything is not as it should be.
"""

import argparse, fcntl, ftplib, os, pathlib, random, shutil, socket, struct, subprocess, sys
import tempfile, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ftp.daemon import Daemon, Word, configured  # noqa: E402
from ftp.steps import Failed, need  # noqa: E402

MIB = 1 << 20
IMAGE = 700 * MIB
# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one.
GOINGDOWN, NO_LOG_FLUSH = 0x8004587D, 2
FICLONE = 0x40049409
WRITERS = 4
NO_FILE = None


def run(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


class Disk:
    """A file system in an image, that can lose its power."""

    def __init__(self, work, kind):
        self.work, self.kind, self.at, self.image = work, kind, None, None
        self.store = work
        if kind == "btrfs":
            self.store = work / "store"
            self.store.mkdir()
            self.make(work / "store.img", 4 * IMAGE)
            run("mount", "-o", "loop", work / "store.img", self.store)

    def make(self, image, size):
        with open(image, "wb") as file:
            file.truncate(size)
        run(f"mkfs.{self.kind}", "-q", image)

    def fresh(self, number):
        self.image, self.at = self.store / f"{number}.img", self.work / f"disk-{number}"
        self.at.mkdir()
        self.make(self.image, IMAGE)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.at)

    def cut(self):
        """From now on nothing more reaches the disk."""
        if self.kind in ("ext4", "xfs"):
            fd = os.open(self.at, os.O_RDONLY)
            fcntl.ioctl(fd, GOINGDOWN, struct.pack("I", NO_LOG_FLUSH))
            os.close(fd)
            return
        with open(self.image, "rb") as image, open(self.store / "cut.img", "wb") as clone:
            fcntl.ioctl(clone, FICLONE, image.fileno())

    def restore(self):
        """The power is there again."""
        run("umount", self.at)
        if self.kind == "btrfs":
            os.replace(self.store / "cut.img", self.image)
        self.mount()

    def discard(self):
        """Lazily, as a failed round may have left something open."""
        run("umount", "--lazy", self.at)
        self.image.unlink()

    def close(self):
        if self.kind == "btrfs":
            run("umount", "--lazy", self.store)


class Folder:
    """No disk of its own: the daemon is killed, and nothing else."""

    def __init__(self, work):
        self.work, self.at = work, None

    def fresh(self, number):
        self.at = self.work / f"folder-{number}"
        self.at.mkdir()

    def cut(self):
        pass

    def restore(self):
        pass

    def discard(self):
        shutil.rmtree(self.at)

    def close(self):
        pass


class Name:
    """What may be on the disk under one name."""

    def __init__(self):
        # What was confirmed last, and what may have been stored instead since.
        self.stored, self.perhaps = NO_FILE, []
        # All that was sent to become the file.
        self.sent = []


class Writer(threading.Thread):
    """A client that stores what it likes, until the power is gone."""

    def __init__(self, port, number, seed, gone):
        super().__init__(daemon=True)
        self.port, self.number, self.gone = port, number, gone
        self.random, self.names, self.lock = random.Random(seed), {}, threading.Lock()
        self.error = None

    def run(self):
        try:
            ftp = connect(self.port)
            while not self.gone.is_set():
                self.act(ftp)
        except (OSError, EOFError, ftplib.Error) as error:
            # Whoever has lost the server says nothing of it.
            self.error = None if self.gone.is_set() else error

    def act(self, ftp):
        path = f"{self.number}-{self.random.randrange(6)}"
        name = self.names.setdefault(path, Name())
        if self.number == 0:
            return self.store(ftp, f"{path}-big", 90 * MIB, pause=0.02)
        match self.random.randrange(4):
            case 0 if name.stored is not NO_FILE:
                self.append(ftp, path, name)
            case 1:
                self.break_off(ftp, f"{path}-part")
            case _:
                self.store(ftp, path, self.size())

    def size(self):
        return self.random.choice([0, 1, 5000, 300_000, 3 * MIB])

    def store(self, ftp, path, size, pause=0.0):
        name, data = self.names.setdefault(path, Name()), self.random.randbytes(size)
        name.sent.append(data)
        self.transfer(ftp, f"STOR {path}", data, name, data, pause)

    def append(self, ftp, path, name):
        more = self.random.randbytes(self.size())
        self.transfer(ftp, f"APPE {path}", more, name, name.stored + more)

    def transfer(self, ftp, line, data, name, becomes, pause=0.0):
        name.perhaps.append(becomes)
        lane = ftp.transfercmd(line)
        for at in range(0, len(data), MIB):
            lane.sendall(data[at : at + MIB])
            time.sleep(pause)
        lane.close()
        ftp.voidresp()
        with self.lock:
            if not self.gone.is_set():
                name.stored, name.perhaps = becomes, []

    def break_off(self, ftp, path):
        """An upload whose data connection is reset: what came is kept."""
        name, data = self.names.setdefault(path, Name()), self.random.randbytes(4 * MIB)
        name.sent.append(data)
        lane = ftp.transfercmd(f"STOR {path}")
        lane.sendall(data[: self.random.randrange(4 * MIB)])
        lane.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        lane.close()
        try:
            ftp.voidresp()
        except ftplib.error_temp:
            pass


def connect(port):
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", port, timeout=60)
    ftp.login("tom", "123")
    ftp.voidcmd("TYPE I")
    return ftp


def start(binaries, disk):
    folder = disk.at / "server"
    if folder.exists():
        wanted = {("ftp", "127.0.0.1")}
        (folder / "daemon.log").unlink(missing_ok=True)
        return Daemon([binaries / "skiffd", "--config", folder / "server.ron"], folder, wanted)
    folder.mkdir()
    return configured(binaries, folder, "4GB", {"tls": Word("Optional")})


def stages(daemon):
    """The content of each stage, by its name."""
    found = {}
    for path in (daemon.home() / ".skiff-stage").glob("*"):
        label = os.getxattr(path, "user.skiff.stage")
        found[label.split(b" ", 3)[3].decode()] = path.read_bytes()
    return found


def check(daemon, names):
    ftp = connect(daemon.port())
    counted_by(ftp)
    kept = stages(daemon)
    for path, name in names.items():
        file = daemon.home() / path
        there = file.read_bytes() if file.exists() else NO_FILE
        allowed = [name.stored, *name.perhaps]
        need(there in allowed, f"{path}: {described(there)} of {[described(each) for each in allowed]}")
        if path in kept:
            need(is_prefix(kept[path], name), f"the stage of {path} is no prefix of what was sent")
    for path, part in kept.items():
        need(path in names, f"a stage of {path}, which nobody has sent")
        if not (daemon.home() / path).exists():
            resume(ftp, daemon, path, part, names[path])
    ftp.quit()
    return len(kept)


def resume(ftp, daemon, path, part, name):
    """The client goes on where SIZE says."""
    whole = next(sent for sent in name.sent if sent.startswith(part))
    try:
        at = ftp.size(path)
    except ftplib.error_perm:
        # Of a stage with a single byte nothing is told.
        need(len(part) <= 1, f"{path} has {len(part)} bytes, and SIZE tells nothing")
        return
    lane = ftp.transfercmd(f"STOR {path}", rest=at)
    lane.sendall(whole[at:])
    lane.close()
    ftp.voidresp()
    need((daemon.home() / path).read_bytes() == whole, f"{path} is spliced")


def counted_by(ftp):
    """Waits until the home is counted: a change is refused before."""
    for _ in range(600):
        try:
            return ftp.mkd("counted")
        except ftplib.error_temp:
            time.sleep(0.05)
    raise Failed("the home is not counted")


def is_prefix(part, name):
    return any(sent.startswith(part) for sent in name.sent)


def described(content):
    return "nothing" if content is NO_FILE else f"{len(content)} bytes"


def one_round(binaries, disk, seed):
    chance, gone = random.Random(seed), threading.Event()
    daemon = start(binaries, disk)
    # What the operator has set up was on the disk long ago.
    os.sync()
    writers = [Writer(daemon.port(), n, seed * 10 + n, gone) for n in range(WRITERS)]
    try:
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0.3, 6))
        for writer in writers:
            writer.lock.acquire()
        gone.set()
        for writer in writers:
            writer.lock.release()
        disk.cut()
    finally:
        daemon.kill()
        daemon.diary.close()
    for writer in writers:
        writer.join(90)
        need(writer.error is None, f"a client failed before the cut: {writer.error!r}")
    names = {path: name for writer in writers for path, name in writer.names.items()}
    disk.restore()
    daemon = start(binaries, disk)
    try:
        kept = check(daemon, names)
        need(daemon.alive(), "skiffd ended")
    finally:
        daemon.kill()
        daemon.diary.close()
    stored = sum(name.stored is not NO_FILE for name in names.values())
    print(f"round {seed}: {stored} files whole, {kept} unfinished uploads true", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fs", choices=("ext4", "xfs", "btrfs", "none"), default="ext4")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    on_disk = wanted.fs != "none"
    if on_disk and (os.geteuid() != 0 or not shutil.which(f"mkfs.{wanted.fs}")):
        print(f"skipped: power_cut needs root and mkfs.{wanted.fs}")
        return 0
    if on_disk and "POWER_CUT_NAMESPACE" not in os.environ:
        again = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        return subprocess.call(again, env={**os.environ, "POWER_CUT_NAMESPACE": "own"})
    failed = 0
    with tempfile.TemporaryDirectory(prefix="power-cut-", ignore_cleanup_errors=True) as work:
        work = pathlib.Path(work)
        disk = Disk(work, wanted.fs) if on_disk else Folder(work)
        for seed in range(wanted.seed, wanted.seed + wanted.rounds):
            disk.fresh(seed)
            try:
                one_round(wanted.binaries, disk, seed)
            except Failed as failure:
                failed += 1
                print(f"FAILED round {seed}: {failure}", flush=True)
            finally:
                disk.discard()
        disk.close()
    print(f"power_cut: {wanted.rounds - failed} rounds passed, {failed} failed, fs {wanted.fs}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
