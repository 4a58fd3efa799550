#!/usr/bin/env python3
"""One user's sessions list a large directory without end; another's small uploads are timed.

    listers.py BINARIES [--sessions N] [--names N] [--rounds N]

Prints the median and the worst of the other user's uploads of 2 kB, in milliseconds, alone and
meanwhile; exit 1 if one takes 0.3 s or more.
"""

import argparse, os, pathlib, statistics, sys, tempfile, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from ftp.daemon import Word, configured  # noqa: E402
from ftp.sockets import Ended  # noqa: E402
from ftp.steps import Failed  # noqa: E402
from ftp.wire import Ftp  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--sessions", default=50, type=int)
    parser.add_argument("--names", default=20_000, type=int)
    parser.add_argument("--rounds", default=60, type=int)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skiff-listers-") as folder:
        limits = "sessions_per_user: 200"
        ftp = {"tls": Word("Optional")}
        daemon = configured(wanted.binaries, pathlib.Path(folder), "1GB", ftp, limits=limits)
        try:
            worst = measure(daemon, wanted)
        finally:
            daemon.kill()
    sys.exit(0 if worst < 0.3 else "an upload took 0.3 s or more")


def measure(daemon, wanted):
    large = daemon.home("tom") / "large"
    large.mkdir()
    for number in range(wanted.names):
        (large / f"name {number}").touch()
    jerry = Ftp(daemon, user="jerry")
    alone = uploads(jerry, wanted.rounds)
    over, listed = threading.Event(), []
    threads = [
        threading.Thread(target=lister, args=(daemon, over, listed)) for _ in range(wanted.sessions)
    ]
    for thread in threads:
        thread.start()
    time.sleep(2)
    meanwhile = uploads(jerry, wanted.rounds)
    over.set()
    for thread in threads:
        thread.join(60)
    for name, times in (("alone", alone), ("meanwhile", meanwhile)):
        median, worst = statistics.median(times), max(times)
        print(f"{name}: median {median * 1e3:.1f} ms, worst {worst * 1e3:.1f} ms")
    print(f"{len(listed)} listings of {wanted.names} names by {wanted.sessions} sessions")
    return max(meanwhile)


def lister(daemon, over, listed):
    try:
        ftp = Ftp(daemon, user="tom")
        while not over.is_set():
            ftp.fetch("LIST large")
            listed.append(1)
    except (Ended, Failed, OSError):
        pass


def uploads(ftp, rounds):
    times = []
    for number in range(rounds):
        data, began = os.urandom(2000), time.monotonic()
        ftp.store(f"small-{number}", data)
        times.append(time.monotonic() - began)
        time.sleep(0.02)
    return times


if __name__ == "__main__":
    main()
