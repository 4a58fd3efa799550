"""One measurement by bench-load, and the server's CPU within it."""

import contextlib, os, subprocess
from harness.process import Failed


class Load:
    """bench-load between its lines: `ready`, `result`, and the end."""

    def __init__(self, bench, verb, words, first=False):
        """`first`: it runs before all that is not, as soon as it can (where that is allowed)."""
        argv = [bench.tools / "bench-load", verb, *words]
        self.verb = verb
        self.child = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if first:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(self.child.pid, os.SCHED_FIFO, os.sched_param(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever happened: what was started here is over."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def say(self, line=""):
        try:
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            self.fail()

    def ready(self):
        if self.child.stdout.readline() != "ready\n":
            self.fail()

    def result(self):
        line = self.child.stdout.readline()
        if not line.startswith("result "):
            self.fail()
        pairs = (word.split("=") for word in line.split()[1:])
        return {key: float(value) for key, value in pairs}

    def finish(self):
        """It cleans up and leaves."""
        self.child.stdin.close()
        if self.child.wait(600):
            self.fail()

    def fail(self):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        why = self.child.stderr.read().strip()[-400:]
        raise Failed(f"{self.verb}: {why or 'it ended with no word'}")


def measure(bench, instance, verb, words, mode="plain", port=None, settle=False, one_core=False):
    """What bench-load tells, and `cpu`: the server's seconds from ready to result.

    `settle`: processes that the measurement began are waited for, for their CPU is part of it.
    """
    with Load(bench, verb, [*instance.account(mode, port), *words]) as load:
        load.ready()
        with together(load.child.pid, instance.process) if one_core else contextlib.nullcontext():
            return clocked(load, instance, settle)


def clocked(load, instance, settle):
    before, living = instance.process.cpu(), len(instance.process.pids())
    load.say()
    told = load.result()
    if settle:
        instance.process.settle(living)
    told["cpu"] = instance.process.cpu() - before
    load.say()
    load.finish()
    return told


@contextlib.contextmanager
def together(pid, daemon):
    """All threads of the generator and the server on the first core, for a while."""
    all_cores = os.sched_getaffinity(0)
    daemon.pin({min(all_cores)}, pid)
    try:
        yield
    finally:
        daemon.pin(all_cores)


def alone(bench, verb, words):
    """A measurement that needs no server."""
    with Load(bench, verb, words) as load:
        told = load.result()
        load.finish()
    return told
