#!/usr/bin/env python3
"""The FTP dialect under real clients (curl, lftp, tnftp, ftplib, rclone, perl, php) and raw sockets.

    ftp_clients.py BINARIES [--only PATTERN] [--uploads N] [--skip-client NAME].. [--list]

BINARIES holds skiffd and skiff; the daemons are our own, on loopback. PATTERN is a regular
expression for the titles of steps. A client that is not installed fails its steps, unless it is
skipped by name. Leaves nothing behind. Exit 1 if anything is not as it should be.
"""

import argparse, pathlib, sys, tempfile, time, traceback
from ftp import (  # noqa: F401  (they register their steps)
    conversation, floods, listings, matrix, names, others, resume, resuming, security, storage, strangers,
    truncation,
)
from ftp.clients import Run, installed
from ftp.daemon import World
from ftp.sockets import close_all
from ftp.steps import Failed, Skipped, Step, chosen


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def closing(self):
        for reason in self.skipped:
            print(f"skipped: {reason}")
        for title in self.failed:
            print(f"failed: {title}")
        line = f"ftp_clients: {self.passed} steps passed, {len(self.failed)} failed"
        print(line + (f", {len(self.skipped)} skipped" if self.skipped else ""))
        return 0 if self.passed and not self.failed else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--uploads", default=25, type=int, metavar="N")
    parser.add_argument("--skip-client", default=[], action="append", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def have_clients(step, skipped):
    for client in step.clients:
        if client in skipped:
            raise Skipped(f"without {client}")
        if not installed(client):
            raise Failed(f"{client} is not installed (--skip-client {client} goes on without it)")


def make(step, world, skipped):
    """One step, and what must hold after each: nothing of it runs on, the daemons live."""
    try:
        have_clients(step, skipped)
        step.act(world)
    finally:
        Run.end_all()
        close_all()
        world.bury()


def run(step, world, tally, skipped):
    began = time.monotonic()
    try:
        make(step, world, skipped)
        tally.passed += 1
        print(f"ok {tally.passed} {step.title}, {time.monotonic() - began:.1f} s", flush=True)
    except Skipped as reason:
        tally.skipped.append(f"{step.title}: {reason}")
    except Exception as error:  # a client's or a socket's own error is a finding like any other
        tally.failed.append(step.title)
        print(f"FAILED {step.title}: {told(error)}", flush=True)


def told(error):
    if isinstance(error, Failed):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({pathlib.Path(where.filename).name}:{where.lineno})"


def main():
    given, tally = arguments(), Tally()
    steps = chosen(given.only)
    if given.list:
        sys.exit("\n".join(step.title for step in steps))
    with tempfile.TemporaryDirectory(prefix="skiff-ftp-") as work:
        world = World(given.binaries, pathlib.Path(work), given.uploads)
        try:
            for step in steps:
                run(step, world, tally, given.skip_client)
            run(Step("the daemons end by themselves", (), World.stop), world, tally, ())
        finally:
            world.kill()
    sys.exit(tally.closing())


if __name__ == "__main__":
    main()
