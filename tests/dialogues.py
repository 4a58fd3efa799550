#!/usr/bin/env python3
"""Walks through every dialogue of sessions/PROTOCOL.md.

    dialogues.py HOST PORT USER PASSWORD [--cut SEED]

Says one line a step. With --cut it takes one file up and down through connections that break at
random bytes. Exit 1 on the first mismatch. Leaves nothing behind but what a mismatch left.
"""

import os, random, sys, time
from native.dialogues import STEPS
from native.session import ABORT, MIB, Session, md5, quote
from native.wire import Cut, Mismatch, need


class Walk:
    """Where the walk is: a session, and a folder of its own at the server."""

    def __init__(self, address, user, password):
        self.address, self.user, self.password = address, user, password
        self.place = b"/dialogues \xe5\xae\xb6 \xff %d-%d" % (os.getpid(), time.time_ns())
        self.s = None

    def open(self, **wire):
        return Session(self.address, **wire).login(self.user, self.password)

    def at(self, name):
        return self.place + b"/" + name

    def holds(self, name, data):
        part = bytearray()
        self.s.get(name, part)
        need(part == data, f"{name} holds something else")

    def stages(self):
        return {name: int(facts["size"]) for name, facts in self.s.list("STAGES").items()}

    def leave_part(self, name, data, count):
        """Sends the first `count` bytes of an upload and stops it."""
        need(self.s.offer(name, data)[0] == 0, "the upload does not start at 0")
        need(self.s.frames(data[:count], ABORT) is None, "an early reply")
        self.s.expect(550)


def through_cuts(w, seed):
    """One file up and down; says what was reached."""
    rng = random.Random(seed)
    data, name = rng.randbytes(3 * MIB), w.place[1:] + b".cut"

    def until_done(act):
        for count in range(1, 300):
            try:
                # Some break in the handshake or the login, most under way.
                budget = rng.randrange(1, rng.choice((6000, MIB, MIB)))
                if act(w.open(budget=budget, reset=rng.random() < 0.5)):
                    return count
            except Cut:
                continue
        raise Mismatch("no end after 300 connections")

    def up(s):
        offset, reply = s.put_again(name, data)
        reply = s.fill(data, offset) if offset is not None else reply
        need(reply.code in (200, 226) and reply["md5"] == md5(data), reply.line)
        return True

    part = bytearray()

    def down(s):
        s.get(name, part)
        return part == data

    yield f"seed {seed}: up, {until_done(up)} connections"
    yield f"seed {seed}: down, {until_done(down)} connections"
    w.open().ask("DELE " + quote(name), 250)
    yield f"seed {seed}: deleted"


def walk(w):
    for number, step in enumerate(STEPS):
        try:
            step(w)
        except (Mismatch, Cut) as error:
            raise Mismatch(f"{step.__doc__}: {error or 'the connection ended'}") from error
        yield step.__doc__


def main():
    host, port, user, password, *rest = sys.argv[1:]
    w, count = Walk((host, int(port)), user, password), 0
    try:
        for said in through_cuts(w, int(rest[1])) if rest[:1] == ["--cut"] else walk(w):
            count += 1
            print(f"ok {count} {said}", flush=True)
    except Mismatch as mismatch:
        print(f"dialogues: {count} steps passed, then: {mismatch}")
        sys.exit(1)
    print(f"dialogues: {count} steps passed")


if __name__ == "__main__":
    main()
