#!/usr/bin/env python3
"""The main job on real input: a tree of thousands of files and a big one, two users at once.

    long_haul.py BINARIES [MIB]

BINARIES holds skiffd and skiff; MIB is the big file's size (SKIFF_BIG, else 256). The big upload
meets a kill -9 of the daemon, the big download one of the client; both are resumed, and a proxy
counts what goes over the wire. Leaves nothing behind. Exit 1 if anything is not as it should be.
"""

import filecmp, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

MIB = 1 << 20
FILES = 3200
PATIENCE = 900.0
SETTINGS = """(
    native: (listen: ["127.0.0.1:0"]),
    ftp: (listen: []),
    quota: (default: "40GiB"),
    scram_iterations: 10000,
    log: (access: "access.log"),
)
"""


class Failed(Exception):
    pass


def need(truth, what):
    if not truth:
        raise Failed(what)


def until(what, look):
    """Polls a condition; what it finds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise Failed(f"waited in vain for {what}")


class Proxy:
    """Between a client and the daemon: counts what is passed on, each way."""

    def __init__(self, port):
        self.target, self.up, self.down = ("127.0.0.1", port), 0, 0
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.door.accept()
            # Small buffers: what is passed on is soon with the other end.
            server = socket.socket()
            for end in (client, server):
                for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    end.setsockopt(socket.SOL_SOCKET, option, 512 * 1024)
            server.connect(self.target)
            for pair in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source, sink, way):
        buffer = bytearray(256 * 1024)
        try:
            while count := source.recv_into(buffer):
                sink.sendall(memoryview(buffer)[:count])
                setattr(self, way, getattr(self, way) + count)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class World:
    def __init__(self, binaries, work):
        self.binaries, self.work, self.daemon = pathlib.Path(binaries), work, None
        (work / "server.ron").write_text(SETTINGS)
        (work / "password").write_text("123\n")
        (work / "password").chmod(0o600)
        for user in ("tom", "jerry"):
            subprocess.run(
                [self.binaries / "skiffd", "user", "add", "--config", work / "server.ron", user]
                + ["--password-stdin"],
                input=b"123\n", check=True, stdout=subprocess.DEVNULL,
            )

    def start(self):
        log = open(self.work / "daemon.log", "wb")
        self.daemon = subprocess.Popen(
            [self.binaries / "skiffd", "--config", self.work / "server.ron"], stderr=log
        )
        said = lambda: re.search(r"serving on \[127\.0\.0\.1:(\d+)\]", self.log())
        self.port = int(until("the daemon", said)[1])

    def log(self):
        return (self.work / "daemon.log").read_text(errors="replace")

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        need(self.daemon.wait(60) == 0, f"skiffd ended with {self.daemon.returncode}")

    def client(self, user, port, folder, commands):
        """A running `skiff -c`, which says little."""
        folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [self.binaries / "skiff", f"{user}@127.0.0.1:{port}", "--trust", "new", "-q"]
            + ["--password-file", self.work / "password", "-c", commands],
            cwd=folder, env={**os.environ, "HOME": str(self.work)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def run(self, user, port, folder, commands):
        finish(self.client(user, port, folder, commands))

    def stage(self, user):
        """Bytes of the largest stage on the disk."""
        stages = (self.work / "homes" / user / ".skiff-stage").glob("*")
        return max((file.stat().st_size for file in stages), default=0)

    def synced(self, user):
        """Bytes of the largest stage that are on the disk by its label: a killed daemon leaves
        more, but the next one cannot know that the machine went on."""
        stages = (self.work / "homes" / user / ".skiff-stage").glob("*")
        labels = (os.getxattr(file, "user.skiff.stage") for file in stages)
        return max((int(label.split()[1]) for label in labels), default=0)


def finish(client):
    said, _ = client.communicate(timeout=PATIENCE)
    need(client.returncode == 0, f"skiff ended with {client.returncode}: {said[-600:]}")
    return said


def both(world, folders, commands):
    clients = [world.client(user, world.port, folders[user], commands) for user in folders]
    for client in clients:
        finish(client)


def gather(work):
    """A tree of real files that every builder has, as hard links or copies."""
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    cargo = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    sources = [f"{sysroot}/share/doc", f"{sysroot}/lib/rustlib/src", f"{cargo}/registry/src"]
    tree, count = work / "tree", 0
    for source in map(pathlib.Path, sources):
        for path in sorted(source.rglob("*")):
            if count < FILES and path.is_file() and not path.is_symlink():
                target = tree / path.relative_to(source.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                count += 1
    need(count >= 3000, f"only {count} real files were found")
    return tree, count


def same_tree(one, other):
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    there = sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    need(files == there, f"{len(files)} files went up, {len(there)} came down")
    for path in files:
        need(filecmp.cmp(one / path, other / path, shallow=False), f"{path} differs")


def make_big(path, size):
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))


def resumed(what, sent, kept, wire, size, lost):
    print(f"{what}: {sent} bytes sent before the kill, {kept} kept ({100 * kept / sent:.1f} %),")
    print(f"  {wire} on the wire afterwards; {size - kept} were missing")
    need(kept >= sent - lost, f"more than {lost} bytes were not kept")
    need(wire <= size - kept + 2 * MIB, "more went over the wire than was missing")


def trees(world, tree, folders):
    both(world, folders, f'put -r "{tree}" tree')
    both(world, folders, "get -r tree back")
    for folder in folders.values():
        same_tree(tree, folder / "back")


def killed_daemon(world, big, folder, size):
    proxy = Proxy(world.port)
    client = world.client("tom", proxy.port, folder, f'put "{big}" big')
    until("the middle of the upload", lambda: world.stage("tom") >= size // 2)
    world.daemon.kill()
    world.daemon.wait()
    client.communicate(timeout=PATIENCE)
    need(client.returncode == 3, f"skiff ended with {client.returncode}, not 3")
    need(not (world.work / "homes/tom/big").exists(), "a part has the name")
    sent, kept = proxy.up, world.synced("tom")
    world.start()
    proxy = Proxy(world.port)
    jerry = world.client("jerry", world.port, folder.parent / "jerry", f'put "{big}" big')
    world.run("tom", proxy.port, folder, f'put -c "{big}" big')
    finish(jerry)
    # It is synced every 64 MiB, at the next multiple of 8; what the sockets on the way held (up to 4
    # and 6 MiB by Linux's limits, tcp(7)) the daemon had not seen.
    resumed("upload", sent, kept, proxy.up, size, (64 + 8 + 10) * MIB)
    for user in ("tom", "jerry"):
        home = world.work / "homes" / user
        need(filecmp.cmp(big, home / "big", shallow=False), f"{user}'s big file differs")
        need(world.stage(user) == 0, f"{user} still has a stage")


def killed_client(world, big, folder, size):
    proxy = Proxy(world.port)
    client, part = world.client("tom", proxy.port, folder, "get big"), folder / "big.skiff-part"
    until("the middle", lambda: part.exists() and part.stat().st_size >= size // 2)
    client.kill()
    client.communicate(timeout=PATIENCE)
    need(not (folder / "big").exists(), "a part has the name")
    sent, kept = proxy.down, part.stat().st_size
    proxy = Proxy(world.port)
    jerry = world.client("jerry", world.port, folder.parent / "jerry", "get big")
    world.run("tom", proxy.port, folder, "get -c big")
    finish(jerry)
    resumed("download", sent, kept, proxy.down, size, sent // 10)
    for user in ("tom", "jerry"):
        got = folder.parent / user / "big"
        need(filecmp.cmp(big, got, shallow=False), f"what {user} got differs")


def main():
    size = int(sys.argv[2] if sys.argv[2:] else os.environ.get("SKIFF_BIG", 256)) * MIB
    passed = 0
    with tempfile.TemporaryDirectory(prefix="skiff-") as work:
        work = pathlib.Path(work)
        world = World(pathlib.Path(sys.argv[1]).resolve(), work)
        tree, count = gather(work)
        make_big(work / "big", size)
        folders = {user: work / user for user in ("tom", "jerry")}
        print(f"{count} real files, and one of {size // MIB} MiB; tom and jerry at once")
        steps = (
            ("trees up and down", lambda: trees(world, tree, folders)),
            ("daemon killed", lambda: killed_daemon(world, work / "big", folders["tom"], size)),
            ("client killed", lambda: killed_client(world, work / "big", folders["tom"], size)),
            ("clean stop", world.stop),
        )
        world.start()
        try:
            for name, step in steps:
                began = time.monotonic()
                step()
                passed += 1
                print(f"ok {passed} {name}, {time.monotonic() - began:.1f} s", flush=True)
        except Failed as failure:
            print(f"{name}: {failure}\n{world.log()[-2000:]}")
            world.daemon.kill()
            sys.exit(f"long_haul: {passed} steps passed, 1 failed")
    print(f"long_haul: {passed} steps passed")


if __name__ == "__main__":
    main()
