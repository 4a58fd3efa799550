"""What a client does in either dialect, and what it is answered, for those who put faults under a server."""

import hashlib, pathlib, re, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from ftp.sockets import PLAIN, Ended, connect  # noqa: E402
from ftp.steps import Failed, need  # noqa: E402
from ftp.wire import Data, Ftp  # noqa: E402

try:
    from native.session import END, MIB, Session, md5
    from native.wire import SSL, Cut, Mismatch

    TLS_ERRORS = (SSL.Error,)
except ImportError:
    Session, TLS_ERRORS = None, ()

    class Cut(Exception):
        """Never raised: without pyOpenSSL there is no native client."""

    Mismatch = Cut

# What a client meets whose connection breaks.
BROKEN = (Ended, Failed, Cut, Mismatch, OSError, *TLS_ERRORS)


class Answer:
    """A reply, as far as both dialects have it."""

    def __init__(self, code, why, text):
        self.code, self.why, self.text = code, why, text

    def is_done(self):
        return self.code < 400

    def __repr__(self):
        return self.text


class FtpEnd:
    """By FTP, in clear or under TLS."""

    def __init__(self, daemon, mode=PLAIN, user="tom"):
        self.ftp = Ftp(daemon, mode, user=user)

    def store(self, name, data, midway=None, verb="STOR"):
        """`midway` is done when half of the data is sent."""
        reply, lane = self.begin(f"{verb} {name}")
        if lane:
            try:
                lane.send(data[: len(data) // 2])
            except Ended:
                pass  # refused half-way: the reply says why
            if midway:
                midway()
            lane.finish(data[len(data) // 2 :])
            reply = self.ftp.reply()
        return told(reply)

    def begin(self, command):
        """The reply, and the data connection if there is one; a port may be refused too."""
        reply = self.ftp.answer("EPSV")
        if reply.code != 229:
            return reply, None
        sock = connect((self.ftp.host, int(re.search(r"\|(\d+)\|", reply.text)[1])))
        reply = self.ftp.answer(command)
        if reply.code != 150:
            sock.close()
            return reply, None
        return reply, Data(self.ftp, sock)

    def append(self, name, data, midway=None):
        return self.store(name, data, midway, "APPE")

    def make(self, name):
        return told(self.ftp.answer(f"MKD {name}"))

    def rename(self, old, new):
        reply = self.ftp.answer(f"RNFR {old}")
        return told(self.ftp.answer(f"RNTO {new}") if reply.code == 350 else reply)

    def delete(self, name):
        return told(self.ftp.answer(f"DELE {name}"))

    def fetch(self, name):
        """The answer, and the bytes of the file if that was sent whole."""
        reply, lane = self.begin(f"RETR {name}")
        if not lane:
            return told(reply), None
        try:
            data = lane.read()
        except Ended:
            data = None
        reply = told(self.ftp.reply())
        return reply, data if reply.is_done() else None

    def used(self):
        return " ".join(self.ftp.ask("SITE QUOTA", 200).lines)

    def leave(self):
        self.ftp.ask("QUIT", 221)
        self.ftp.sock.close()


class NativeEnd:
    """The same, natively; there is no append."""

    append = None

    def __init__(self, daemon, mode=None, user="tom"):
        self.session = Session(("127.0.0.1", daemon.port("native")))
        self.session.login(user, "123")

    def store(self, name, data, midway=None):
        first = self.session.ask(f"STOR size={len(data)} replace=1 {name}", *range(150, 560))
        offset = 0
        if first.code == 210:
            offset = self.resumed(first, data)
        elif first.code != 150:
            return told_natively(first)
        half = max(offset, len(data) // 2)
        early = self.session.frames(data[offset:half], b"")
        if midway:
            midway()
        early = early or self.session.frames(data[half:], END)
        if early:
            return told_natively(early)
        self.session.say("225 md5=" + md5(data))
        last = self.session.final()
        if last.code == 226:
            need((last.number("size"), last["md5"]) == (len(data), md5(data)), last.line)
        return told_natively(last)

    def resumed(self, first, data):
        have = first.number("have")
        same = have <= len(data) and md5(data[:have]) == first["md5"]
        return self.session.ask("211" if same else "200", 212).number("offset")

    def make(self, name):
        return self.ask(f"MKD {name}")

    def rename(self, old, new):
        reply = self.ask(f"RNFR {old}")
        return self.ask(f"351 {new}") if reply.code == 350 else reply

    def delete(self, name):
        return self.ask(f"DELE {name}")

    def ask(self, line):
        self.session.say(line)
        return told_natively(self.session.final())

    def fetch(self, name):
        reply = self.ask(f"RETR start=0 {name}")
        if reply.code != 150:
            return reply, None
        *pieces, last = self.session.pieces()
        done = self.session.final()
        data = b"".join(pieces) if last is not None else None
        if done.code == 226:
            need(done["md5"] == hashlib.md5(data).hexdigest(), "another digest")
        return told_natively(done), data

    def used(self):
        return self.session.ask("DF", 213).line

    def leave(self):
        self.session.ask("220", 221)
        self.session.wire.hang_up()


def told(reply):
    return Answer(reply.code, None, reply.text)


def told_natively(reply):
    return Answer(reply.code, reply.facts.get("why"), reply.line)
