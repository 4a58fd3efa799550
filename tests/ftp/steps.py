"""The table of steps: what a step is, how one says that something is not as it should be."""

import functools, re, time

PATIENCE = 20.0  # seconds for a condition that must come true by itself
STEPS = []


class Failed(Exception):
    """The server, or a client against it, did not do what it should."""


class Skipped(Exception):
    """The step cannot be made here, and the caller knows."""


class Step:
    def __init__(self, title, clients, act):
        self.title, self.clients, self.act = title, clients, act


def step(title, *clients, over=({},)):
    """Puts a function into the table: once, or for each set of arguments in `over`.

    Title and clients may name arguments: "put with {client}". A function is called with the world
    and its arguments, and raises Failed.
    """

    def register(act):
        for arguments in over:
            words = {key: getattr(value, "name", value) for key, value in arguments.items()}
            named = tuple(client.format(**words).split()[0] for client in clients)
            full = " ".join(title.format(**words).split())
            STEPS.append(Step(full, named, functools.partial(act, **arguments)))
        return act

    return register


def chosen(pattern):
    return [each for each in STEPS if re.search(pattern, each.title)]


def need(truth, what):
    if not truth:
        raise Failed(what)


def same(what, got, expected):
    """Equality, told in few words where the values are long."""
    if got != expected:
        raise Failed(f"{what}: {brief(got)} instead of {brief(expected)}{parting(got, expected)}")


def until(what, look, patience=PATIENCE):
    """Polls a condition; what it finds."""
    end = time.monotonic() + patience
    while not (found := look()):
        need(time.monotonic() < end, f"waited {patience:g} s in vain for {what}")
        time.sleep(0.01)
    return found


def brief(value):
    shown = repr(value)
    if len(shown) <= 120:
        return shown
    if isinstance(value, bytes):
        return f"{len(value)} bytes {value[:12]!r}.."
    size = f"{len(value)} of " if isinstance(value, (list, set)) else ""
    return f"{size}{shown[:100]}.."


def parting(got, expected):
    if not (isinstance(got, bytes) and isinstance(expected, bytes)):
        return ""
    pairs = enumerate(zip(got, expected))
    at = next((at for at, (a, b) in pairs if a != b), min(len(got), len(expected)))
    return f", different from byte {at} on"
