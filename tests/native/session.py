"""The native dialect for Python, written from sessions/PROTOCOL.md alone.

A client to test a server with: whatever the page does not allow raises Mismatch.
"""

import base64, functools, hashlib, hmac, os, re, time
from native.wire import PATIENCE, Cut, Wire, need

MIB = 1 << 20
ABORT, END = b"\xff" * 4, b"\0" * 4


def md5(data):
    return hashlib.md5(data).hexdigest()


def quote(name):
    """A path of bytes as it stands on a line: UTF-8; other bytes, CR, LF and "%" as %XX."""
    text = name.decode("utf-8", "surrogateescape")
    bad = lambda c: c in "%\r\n" or "\udc80" <= c <= "\udcff"
    return "".join("%%%02X" % (ord(c) & 0xFF) if bad(c) else c for c in text)


def unquote(text):
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())


class Reply:
    def __init__(self, line):
        need(re.match(r"[1-5]\d\d( |$)", line), f"no reply: {line!r}")
        self.line, self.code, self.facts, rest = line, int(line[:3]), {}, line[4:]
        while token := re.match(r"([a-z0-9_]+)=([^ ]*)(?: |$)", rest):
            self.facts[token[1]] = token[2]
            rest = rest[token.end() :]
        self.rest = rest

    def __getitem__(self, key):
        need(key in self.facts, f"no {key}= in {self.line!r}")
        return self.facts[key]

    def number(self, key):
        return int(self[key])


class Session:
    """One connection: lines, frames, and the dialogues made of them."""

    def __init__(self, address, **wire):
        self.wire, self.buffer = Wire(address, **wire), b""

    # Lines.

    def say(self, *lines):
        self.wire.send("".join(line + "\r\n" for line in lines).encode())

    def reply(self):
        while b"\r\n" not in self.buffer:
            need(len(self.buffer) < 16384, "a line of more than 16384 bytes")
            self.buffer += self.wire.read()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        reply = Reply(line.decode())
        if reply.code == 421:
            raise Cut
        return reply

    def final(self):
        """The reply behind any number of 111."""
        while (reply := self.reply()).code == 111:
            pass
        return reply

    def expect(self, *codes):
        reply = self.final()
        need(reply.code in codes, f"got {reply.line!r} instead of {codes}")
        return reply

    def ask(self, line, *codes):
        self.say(line)
        return self.expect(*codes)

    # Login.

    def login(self, user, password, code=230):
        nonce, gs2 = base64.b64encode(os.urandom(18)).decode(), "p=tls-exporter,,"
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        first = self.ask("USER scram=" + b64(gs2 + bare), 331)
        need(first["v"] == "1", "another version")
        server_first = base64.b64decode(first["scram"]).decode()
        given = dict(part.split("=", 1) for part in server_first.split(","))
        need(given["r"].startswith(nonce) and given["r"] != nonce, "the nonce is not an extension")
        rounds = int(given["i"])
        need(10_000 <= rounds <= 10_000_000, f"{rounds} iterations")
        exported = self.wire.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        unproved = f"c={b64(gs2.encode() + exported)},r={given['r']}"
        spoken = ",".join((bare, server_first, unproved)).encode()
        salted = stretch(password, given["s"], rounds)
        key = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(key).digest(), spoken)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        last = self.ask("PASS scram=" + b64(f"{unproved},p={b64(proof)}"), code)
        if code == 230:
            ours = "v=" + b64(mac(mac(salted, b"Server Key"), spoken))
            need(base64.b64decode(last["scram"]).decode() == ours, "the server has no proof")
        return self

    # Frames.

    def pieces(self):
        """The bytes of the frames, as they come; the last piece is END or None for an abort."""
        while True:
            head = self.take(4)
            length = int.from_bytes(head, "big")
            if head in (END, ABORT):
                yield END if head == END else None
                return
            need(length <= MIB, f"a frame of {length} bytes")
            while length:
                self.buffer = self.buffer or self.wire.read()
                piece, self.buffer = self.buffer[:length], self.buffer[length:]
                length -= len(piece)
                yield piece

    def take(self, count):
        while len(self.buffer) < count:
            self.buffer += self.wire.read()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def body(self):
        *pieces, last = self.pieces()
        need(last is not None, "the server aborted")
        return b"".join(pieces)

    def frames(self, data, tail=END):
        """Sends data and the tail; the final reply instead, if the server says one early."""
        sizes, at = (1, 4096, 65536, MIB, 100_000), 0
        for turn in range(len(data)):
            if at == len(data):
                break
            self.buffer += self.wire.poll()
            while b"\r\n" in self.buffer:
                if (early := self.reply()).code != 111:
                    self.wire.send(ABORT)
                    return early
            part = data[at : at + sizes[turn % len(sizes)]]
            self.wire.send(len(part).to_bytes(4, "big") + part)
            at += len(part)
        self.wire.send(tail)
        return None

    # Dialogues.

    def list(self, line="LIST"):
        """Name and facts of each entry."""
        self.ask(line, 150)
        lines = self.body().split(b"\r\n")
        need(lines.pop() == b"", "a listing's last line has no end")
        self.expect(226)
        pairs = [entry.decode().split("; ", 1) for entry in lines]
        facts = lambda text: dict(fact.split("=", 1) for fact in text.split(";"))
        return {unquote(name): facts(text) for text, name in pairs}

    def offer(self, name, data, tokens=""):
        """STOR and the turns before the frames: where they begin, or the reply if nowhere."""
        path = quote(name)
        reply = self.ask(f"STOR size={len(data)} {tokens}{path}", 150, 200, 210, 404, 550, 551)
        if reply.code == 210:
            have = reply.number("have")
            same = have <= len(data) and md5(data[:have]) == reply["md5"]
            offset = self.ask("211" if same else "200", 212).number("offset")
            need(offset == (have if same else 0), f"212 offset={offset}")
            return offset, reply
        return (0, reply) if reply.code == 150 else (None, reply)

    def fill(self, data, offset):
        """The frames from `offset` on, the digest, and what the server says to it."""
        if early := self.frames(data[offset:]):
            return early
        self.say("225 md5=" + md5(data))
        reply = self.final()
        if reply.code == 226:
            need((reply.number("size"), reply["md5"]) == (len(data), md5(data)), reply.line)
        return reply

    def put(self, name, data, tokens="", code=226):
        offset, reply = self.offer(name, data, tokens)
        reply = reply if offset is None else self.fill(data, offset)
        need(reply.code == code, f"got {reply.line!r} instead of {code}")
        return reply

    def put_again(self, name, data):
        """An upload after a break: the server may need a moment to see that we are gone."""
        until = time.monotonic() + PATIENCE
        while True:
            offset, reply = self.offer(name, data)
            if reply.code != 550 or time.monotonic() > until:
                return offset, reply
            time.sleep(0.05)

    def get(self, name, part):
        """RETR into the bytearray `part`, proven if it is not empty; the code of the turn."""
        size = self.ask(f"RETR {quote(name)}", 150).number("size")
        if part:
            turn = self.ask(f"210 offset={len(part)} md5={md5(part)}", 200, 210)
        else:
            turn = self.ask("200", 200)
        if turn.code == 200:
            part.clear()
        else:
            need(turn.number("offset") == len(part), turn.line)
        for piece in self.pieces():
            need(piece is not None, "the server aborted")
            if piece is not END:
                part += piece
        done = self.expect(226)
        equal = (done.number("size"), done["md5"]) == (len(part), md5(part)) and len(part) == size
        self.say(f"227 md5={md5(part)}" if equal else "550 different")
        need(equal, "the digests differ")
        return turn.code


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def mac(key, data):
    return hmac.digest(key, data, "sha256")


@functools.cache
def stretch(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), rounds)
