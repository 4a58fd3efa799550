"""How each kind of figure is taken: a running server goes in, numbers by their unit come out."""

import os, time
from harness import process
from harness.amounts import GIB, MIB
from harness.load import Load, measure
from harness.process import Failed

# Names of uploads: every one is new, and gone after its time was taken.
TURN = iter(range(1 << 60))
# A measurement that would need more of the machine's memory than this share is left out.
MEMORY_SHARE = 0.6

# Seconds after which nothing is begun again: a server that waits 40 ms for each file would take
# minutes for what others do in a second.
AT_MOST = "at_most=3"


class Kind:
    """`units` of what `take` returns, the ones whose more is better in `more`."""

    more = ("MiB/s", "per s", "transfers per s", "small files per s", "listings per s")

    # Of a file that is downloaded: it is read before, so that nobody meets an empty page cache.
    size = None
    # What the generator has its sessions in; tls is version 1.3.
    mode = "plain"

    def take(self, bench, instance, turn):
        """Numbers by unit, for the round `turn`; Failed if there are none."""
        raise NotImplementedError

    def missing(self):
        """What this machine lacks to take it; None if nothing."""
        return None


class Bulk(Kind):
    """Big files: `words` are those of bench-load's retr and stor."""

    def __init__(self, verb, mode, size, streams=1, times=1):
        self.verb, self.mode, self.size = verb, mode, size
        self.streams, self.times = streams, times

    def take(self, bench, instance, turn):
        words = [f"size={self.size}", f"streams={self.streams}", f"times={self.times}", AT_MOST]
        place = f"path=file-{self.size}" if self.verb == "retr" else f"prefix=up-{next(TURN)}"
        if self.verb == "stor":
            bench.claim_pages(self.size * self.streams)
        told = measure(bench, instance, self.verb, [*words, place], self.mode)
        gib = told["bytes"] / GIB
        return {"MiB/s": gib * 1024 / told["seconds"], "CPU s/GiB": told["cpu"] / gib}


class Cold(Bulk):
    """A big file whose pages were dropped from the page cache."""

    def take(self, bench, instance, turn):
        bench.cool(self.size)
        return super().take(bench, instance, turn)


class Small(Kind):
    """Small files on four sessions, or on one; nagle: as by clients that leave Nagle's algorithm on."""

    def __init__(self, verb, mode, count, size=4096, sessions=4, nagle=False):
        self.verb, self.mode, self.size = verb, mode, size
        self.sessions, self.count, self.nagle = sessions, count, nagle

    def take(self, bench, instance, turn):
        words = [f"size={self.size}", f"sessions={self.sessions}", f"count={self.count}"]
        words += [AT_MOST, *(["nagle=1"] if self.nagle else [])]
        down = self.verb == "small-down"
        prefix = f"small-{next(TURN)}-"
        place = f"path=file-{self.size}" if down else f"prefix={prefix}"
        told = measure(bench, instance, self.verb, [*words, place], self.mode)
        bench.put_away(prefix)
        numbers = {"per s": told["count"] / told["seconds"]}
        numbers["CPU µs each"] = told["cpu"] / told["count"] * 1e6
        if self.mode == "tls":
            numbers["% of data connections resumed"] = told["resumed"] * 100
        return numbers


class Trips(Kind):
    """One small command, over and over on one session; `pinned`: both ends on one core.

    Left to itself, the scheduler has them on one core or on two, and the figures have two humps.
    """

    def __init__(self, line, code, count, pinned):
        self.line, self.code, self.count, self.pinned = line, code, count, pinned

    def take(self, bench, instance, turn):
        words = [f"line={self.line}", f"code={self.code}", f"count={self.count}"]
        told = measure(bench, instance, "roundtrip", words, one_core=self.pinned)
        return {
            "per s": told["count"] / told["seconds"],
            "p50 µs": told["p50"] * 1000,
            "CPU µs each": told["cpu"] / told["count"] * 1e6,
        }


class Logins(Kind):
    """Connect, log in, leave; one after the other."""

    def __init__(self, verb, mode, count):
        self.verb, self.mode, self.count = verb, mode, count

    def take(self, bench, instance, turn):
        port = instance.native if self.verb == "login-native" else None
        words = [f"count={self.count}"]
        told = measure(bench, instance, self.verb, words, self.mode, port, settle=True)
        cpu = told["cpu"] / told["count"] * 1000
        numbers = {"ms": told["seconds"] / told["count"] * 1000, "CPU ms": cpu}
        hashing = instance.server.hash_milliseconds()
        if hashing is not None:
            numbers["CPU ms without the hash"] = max(cpu - hashing, 0)
        return numbers


class FirstLogins(Kind):
    """The same, each with a password that was not proven before. A server that remembers those is
    a fresh one, where each login is a user's own; to the others all logins are alike."""

    def __init__(self, mode, count):
        self.mode, self.count = mode, count

    def take(self, bench, instance, turn):
        words = [f"count={self.count}"]
        if not instance.server.remembers:
            return self.numbers(measure(bench, instance, "login", words, self.mode, settle=True))
        # The one more is the login before the clock runs.
        fresh = instance.server.start(bench.empty, numbered=self.count + 1)
        try:
            words += ["numbered=1"]
            return self.numbers(measure(bench, fresh, "login", words, self.mode))
        finally:
            fresh.stop()

    def numbers(self, told):
        return {
            "ms": told["seconds"] / told["count"] * 1000,
            "CPU ms": told["cpu"] / told["count"] * 1000,
        }


class AtOnce(Kind):
    """Logins of as many users at once, at the default number of rounds, in a server of its own:
    from the first packet until one is in. `again`: each has logged in before."""

    def __init__(self, verb, mode, count, again=False):
        self.verb, self.mode, self.count, self.again = verb, mode, count, again

    def take(self, bench, instance, turn):
        fresh = instance.server.start(bench.empty, rounds=None, numbered=self.count)
        try:
            port = fresh.native if self.verb == "at-once-native" else None
            words = [f"count={self.count}", f"again={int(self.again)}"]
            told = measure(bench, fresh, self.verb, words, self.mode, port)
        finally:
            fresh.stop()
        return {
            "p50 ms": told["p50"],
            "worst ms": told["max"],
            "CPU ms each": told["cpu"] / told["count"] * 1000,
        }


class Listing(Kind):
    """`pinned`: both ends on one core."""

    def __init__(self, verb, entries, times, pinned=False):
        self.verb, self.entries, self.times, self.pinned = verb, entries, times, pinned

    def take(self, bench, instance, turn):
        words = [f"verb={self.verb}", f"path=entries-{self.entries}"]
        words += [f"entries={self.entries}", f"times={self.times}", AT_MOST]
        told = measure(bench, instance, "list", words, one_core=self.pinned)
        return {
            "ms": told["seconds"] / told["count"] * 1000,
            "CPU ms": told["cpu"] / told["count"] * 1000,
        }


class Latency(Kind):
    """NOOP every 5 ms on a session of its own while others load over TLS without end; how much they
    load, and what the processors have left, are told beside it: an answer is quick where little
    else is done."""

    mode = "tls"

    def __init__(self, size, streams, seconds):
        self.size, self.streams, self.seconds = size, streams, seconds

    def take(self, bench, instance, turn):
        account = instance.account("tls")
        words = [f"path=file-{self.size}", f"size={self.size}", f"streams={self.streams}"]
        # What is begun is loaded to its end: no stream ends before the last NOOP.
        words += [f"seconds={self.seconds + 0.1}"]
        with Load(bench, "retr", [*account, *words]) as bulk:
            bulk.ready()
            seconds = [f"seconds={self.seconds}"]
            # It must not wait for its own kind: what is measured is the server's share of the wait.
            with Load(bench, "latency", [*instance.account("plain"), *seconds], True) as asking:
                asking.ready()
                bulk.say()
                asking.say()
                clock = process.Clock()
                told = asking.result()
                idle = clock.idle()
                asking.finish()
            moved = bulk.result()
            bulk.finish()
        return {
            "p50 ms": told["p50"],
            "p99 ms": told["p99"],
            "max ms": told["max"],
            "MiB/s": moved["bytes"] / moved["seconds"] / MIB,
            "% of the processors idle": idle * 100,
        }


class Mixed(Kind):
    """Fifty sessions of all kinds at once, and NOOP every 3 ms on one more."""

    def __init__(self, mode, sessions, seconds, down, up, entries=100):
        self.mode, self.sessions, self.seconds = mode, sessions, seconds
        self.size, self.up, self.entries = down, up, entries

    def take(self, bench, instance, turn):
        prefix = f"mixed-{next(TURN)}-"
        words = [f"sessions={self.sessions}", f"seconds={self.seconds}", f"prefix={prefix}"]
        words += [f"path=file-{self.size}", f"down={self.size}", f"up={self.up}"]
        words += [f"directory=entries-{self.entries}", f"entries={self.entries}"]
        with Load(bench, "mixed", [*instance.account(self.mode), *words]) as day:
            day.ready()
            asked = [*instance.account("plain"), f"seconds={self.seconds}", "every=3"]
            with Load(bench, "latency", asked, True) as asking:
                asking.ready()
                before = instance.process.cpu()
                day.say()
                asking.say()
                waited, did = asking.result(), day.result()
                cpu = instance.process.cpu() - before
                asking.finish()
            day.finish()
        bench.put_away(prefix)
        return {
            "transfers per s": did["transfers"] / did["seconds"],
            "small files per s": did["small"] / did["seconds"],
            "listings per s": did["lists"] / did["seconds"],
            "MiB/s": did["bytes"] / MIB / did["seconds"],
            "CPU µs each": cpu / did["transfers"] * 1e6,
            "NOOP p50 ms": waited["p50"],
            "NOOP p99 ms": waited["p99"],
            "NOOP max ms": waited["max"],
        }


class Idle(Kind):
    """Memory (PSS) of a fresh daemon and of its idle sessions, each time in a server of its own that
    shares its program with no other."""

    def __init__(self, mode, steps, verb="idle"):
        self.mode, self.steps, self.verb = mode, steps, verb

    def take(self, bench, instance, turn):
        fresh = instance.server.start_alone(bench.empty)
        try:
            return self.weigh(bench, fresh, turn)
        finally:
            fresh.stop()

    def weigh(self, bench, fresh, turn):
        start = steady(fresh.process)
        numbers = {"KiB at start": start}
        port = fresh.native if self.verb == "idle-native" else None
        with Load(bench, self.verb, fresh.account(self.mode, port)) as idle:
            idle.ready()
            opened = 0
            for count in self.steps:
                # The same each time, and slow to come where each is a process.
                if turn > 0 and count >= (1000 if fresh.server.forks else 10_000):
                    continue
                if count > 1000 and fresh.server.forks:
                    what = f"{count:,} idle sessions, {fresh.name}"
                    bench.notes.add(f"{what}: as many processes, each as heavy as of 1,000")
                    continue
                if not room(numbers, count):
                    what = f"{count:,} idle sessions, {self.mode}, {fresh.name}"
                    bench.notes.add(f"{what}: they would not fit into this machine's memory")
                    continue
                idle.say(str(count))
                idle.result()
                opened = count
                weight = (steady(fresh.process) - start) / count
                numbers[f"KiB each of {count:,}"] = weight
            idle.say()
            alive = idle.result()["alive"]
            if alive != opened:
                raise Failed(f"of {opened} idle sessions {alive:.0f} answer")
            idle.finish()
        return numbers


def room(numbers, count):
    """Whether so many sessions fit, as the last step's weight foretells."""
    weights = [weight for unit, weight in numbers.items() if unit.startswith("KiB each")]
    return count <= 100 or weights[-1] * count < process.available() * MEMORY_SHARE


def steady(daemon, seconds=10):
    """KiB, when two looks agree within a hundredth."""
    end = time.monotonic() + seconds
    before = daemon.pss()
    while True:
        time.sleep(0.2)
        now = daemon.pss()
        if abs(now - before) * 100 <= now or time.monotonic() > end:
            return now
        before = now
