"""Many sessions of which few are busy."""

import itertools
from harness.kinds import Kind, steady
from harness.load import Load

HOMES = itertools.count()


class Crowd(Kind):
    """`busy` sessions store, fetch and delete a file of 4 KiB for `seconds` while `idle` ones stand,
    in a server of its own that shares its program with no other; then all of it is weighed."""

    def __init__(self, mode, idle, busy, seconds):
        self.mode, self.idle, self.busy, self.seconds = mode, idle, busy, seconds

    def take(self, bench, instance, turn):
        home = bench.folder(f"crowd-{next(HOMES)}")
        bench.give(home)
        fresh = instance.server.start_alone(home)
        try:
            return self.measure(bench, fresh)
        finally:
            fresh.stop()

    def measure(self, bench, fresh):
        words = [f"idle={self.idle}", f"busy={self.busy}", f"seconds={self.seconds}"]
        words += ["size=4096", "prefix=crowd"]
        with Load(bench, "crowd", [*fresh.account(self.mode), *words]) as load:
            load.ready()
            before = fresh.process.cpu()
            load.say()
            told = load.result()
            cpu = fresh.process.cpu() - before
            weight = steady(fresh.process)
            load.say()
            load.finish()
        return {
            "per s": told["count"] / told["seconds"],
            "CPU µs each": cpu / told["count"] * 1e6,
            "KiB in all": weight,
        }
