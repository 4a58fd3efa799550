"""One run's folder: the user, the certificate, the files that all servers serve."""

import os, pathlib, shutil, subprocess, tempfile
from harness.amounts import KIB, MIB
from harness.process import Failed

# Nobody's on the machine: the peers run their sessions as it, skiffd all of itself.
UID = 61_234
USER, PASSWORD = "skiffbench", "correct-horse"
PROGRAMS = ("skiffd", "skiff", "bench-load")


class Bench:
    """`sizes` are those of the files to make; `entries` those of the directories to list."""

    def __init__(self, binaries, peers, scratch, sizes, entries):
        self.peers, self.notes = peers, set()
        for name in PROGRAMS:
            if not (binaries / name).is_file():
                raise Failed(f"{binaries} has no {name}: cargo build --bins --workspace makes it")
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="skiff-bench-", dir=scratch))
        self.work.chmod(0o755)
        self.root = os.geteuid() == 0
        self.uid = UID if self.root else os.geteuid()
        self.tools = self.copy(binaries)
        self.identity = self.folder("identity")
        self.run(self.tools / "bench-load", "identity", f"dir={self.identity}")
        self.home, self.empty = self.folder("home"), self.folder("empty")
        self.attic, self.synced = self.folder("attic"), self.home / "synced"
        for size in sorted(set(sizes)):
            self.make_file(self.home / f"file-{size}", size)
        for count in entries:
            self.make_directory(self.home / f"entries-{count}", count)
        self.give(self.home)

    def copy(self, binaries):
        """Where the benchmark's user can reach them."""
        tools = self.folder("bin")
        for name in PROGRAMS:
            shutil.copy2(binaries / name, tools / name)
        return tools

    def folder(self, name):
        path = self.work / name
        path.mkdir(exist_ok=True)
        return path

    def make_file(self, path, size):
        with open(path, "wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
            file.write(os.urandom(size % MIB))

    def warm(self, size):
        """Brings the file of that size into the page cache."""
        with open(self.home / f"file-{size}", "rb", buffering=0) as file:
            while file.read(MIB):
                pass

    def cool(self, size):
        """Has the page cache forget the file of that size, and nothing else."""
        with open(self.home / f"file-{size}", "rb") as file:
            # Only what is on the disk can be forgotten.
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def claim_pages(self, size):
        """Has the machine hold free pages for that many bytes.

        A virtual machine's host takes back pages that were free for seconds, and gives them again
        one fault after another: who writes a file into them pays half as much again, by chance.
        """
        path = self.attic / "pages"
        with open(path, "wb", buffering=0) as file:
            for _ in range(size // MIB):
                file.write(bytes(MIB))
        path.unlink()

    def put_away(self, prefix):
        """Takes the home's files of that prefix out of it, and keeps them to the end.

        ext4 passes over inodes that were freed within the last minutes, one by one: where
        thousands were, making a file costs four times as much, and the next server pays it.
        """
        for folder in (self.home, self.synced):
            for path in folder.glob(f"{prefix}*"):
                path.rename(self.attic / f"{folder.name}-{path.name}")

    def make_directory(self, path, count):
        path.mkdir()
        for index in range(count):
            (path / f"entry-{index:06}").touch()

    def make_tree(self, path, count):
        path.mkdir()
        for index in range(count):
            (path / f"file-{index:06}").write_bytes(os.urandom(4 * KIB))

    def give(self, path):
        """To the benchmark's user, with all that is in it."""
        if self.root:
            subprocess.run(["chown", "-R", f"{UID}:{UID}", path], check=True)

    def run(self, *argv, **options):
        done = subprocess.run([str(word) for word in argv], capture_output=True, **options)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-600:]
            raise Failed(f"{pathlib.Path(argv[0]).name} {argv[1]}: {said}")
        return done.stdout.decode(errors="replace")

    def remove(self):
        shutil.rmtree(self.work, ignore_errors=True)
