#!/usr/bin/env python3
"""A client of the native dialect in one file, written from sessions/PROTOCOL.md alone.

    stranger.py HOST PORT USER PASSWORD [--cut SEED]

Logs in, changes the password and back, lists, puts, is cut, resumes, gets, stops transfers both ways, renames, deletes. With
--cut SEED one file goes up and down through connections that break at random bytes. Says a line a
step; exit 1 at the first surprise. Needs Python 3.11 and pyOpenSSL.
"""

import base64, hashlib, hmac, os, random, re, socket, sys, time
from OpenSSL import SSL

MIB, END, ABORT = 1 << 20, b"\0" * 4, b"\xff" * 4
BINDING = b"EXPORTER-Channel-Binding"


class Cut(Exception):
    """The connection ended."""


class Surprise(Exception):
    """The server did what the page does not say."""


def need(truth, what):
    if not truth:
        raise Surprise(what)


def md5(data):
    return hashlib.md5(data).hexdigest()


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, data):
    return hmac.digest(key, data, "sha256")


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other))


def keys(password, salt, rounds):
    """ClientKey, StoredKey and ServerKey."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    key = mac(salted, b"Client Key")
    return key, hashlib.sha256(key).digest(), mac(salted, b"Server Key")


class Reply:
    def __init__(self, line):
        need(re.match(r"[1-5]\d\d( |$)", line), f"not a reply: {line!r}")
        self.line, self.code, self.at, rest = line, int(line[:3]), {}, line[4:]
        while token := re.match(r"([a-z0-9_]+)=([^ ]*)(?: |$)", rest):
            self.at[token[1]], rest = token[2], rest[token.end() :]
        self.rest = rest


class Peer:
    """One connection. `budget` is the number of raw bytes, both ways, after which it breaks."""

    def __init__(self, where, budget=None):
        self.socket = socket.create_connection(where, timeout=30)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_alpn_protos([b"skiff/1"])
        self.tls, self.budget, self.came = SSL.Connection(context, None), budget, b""
        self.tls.set_connect_state()
        self.until_done(self.tls.do_handshake)

    def until_done(self, act):
        while True:
            try:
                result = act()
                self.push()
                return result
            except SSL.WantReadError:
                self.push()
                self.tls.bio_write(self.spend(self.pull()))
            except (SSL.ZeroReturnError, SSL.SysCallError) as end:
                raise Cut from end

    def push(self):
        while True:
            try:
                raw = self.tls.bio_read(MIB)
            except SSL.WantReadError:
                return
            try:
                self.socket.sendall(raw if self.budget is None else raw[: self.budget])
            except OSError as end:
                raise Cut from end
            self.spend(raw)

    def pull(self):
        try:
            raw = self.socket.recv(65536)
        except TimeoutError as silence:
            raise Surprise("nothing came for 30 s") from silence
        except OSError as end:
            raise Cut from end
        if not raw:
            raise Cut
        return raw

    def spend(self, raw):
        if self.budget is not None:
            self.budget -= len(raw)
            if self.budget <= 0:
                self.socket.close()
                raise Cut
        return raw

    def send(self, data):
        self.until_done(lambda: self.tls.sendall(data))

    def take(self, count):
        while len(self.came) < count:
            self.came += self.until_done(lambda: self.tls.recv(65536))
        taken, self.came = self.came[:count], self.came[count:]
        return taken

    def say(self, line):
        self.send(line.encode() + b"\r\n")

    def hear(self):
        """The next reply that is not a sign of life."""
        while True:
            while b"\r\n" not in self.came:
                self.came += self.until_done(lambda: self.tls.recv(65536))
            line, self.came = self.came.split(b"\r\n", 1)
            reply = Reply(line.decode())
            if reply.code == 421:
                raise Cut
            if reply.code != 111:
                return reply

    def ask(self, line, *codes):
        self.say(line)
        reply = self.hear()
        need(reply.code in codes, f"{line!r}: {reply.line!r}, not {codes}")
        return reply

    def login(self, user, password):
        nonce, gs2 = b64(os.urandom(18)), b"p=tls-exporter,,"
        bare = f"n={user},r={nonce}".encode()
        first = self.ask("USER scram=" + b64(gs2 + bare), 331)
        challenge = base64.b64decode(first.at["scram"])
        said = dict(part.split("=", 1) for part in challenge.decode().split(","))
        need(said["r"].startswith(nonce) and said["r"] != nonce, "the nonce is not extended")
        need(10_000 <= int(said["i"]) <= 10_000_000, "iterations out of bounds")
        bound = b64(gs2 + self.tls.export_keying_material(BINDING, 32, b""))
        bare_last = f"c={bound},r={said['r']}".encode()
        spoken = b",".join((bare, challenge, bare_last))
        salt = base64.b64decode(said["s"])
        self.salt, self.rounds = salt, int(said["i"])
        key, stored, server = keys(password, salt, self.rounds)
        proof = b64(xor(key, mac(stored, spoken)))
        last = self.ask("PASS scram=" + b64(bare_last + b",p=" + proof.encode()), 230)
        signature = b"v=" + b64(mac(server, spoken)).encode()
        need(base64.b64decode(last.at["scram"]) == signature, "the server proved nothing")
        return self

    def passwd(self, old, new, code):
        salt = os.urandom(16)
        _, stored, server = (b64(part) for part in keys(new, salt, self.rounds))
        channel = b64(self.tls.export_keying_material(BINDING, 32, b""))
        message = f"skiff-passwd-1,c={channel},s={b64(salt)},i={self.rounds}"
        message += f",stored={stored},server={server}"
        key, mask, _ = keys(old, self.salt, self.rounds)
        proof = b64(xor(key, mac(mask, message.encode())))
        line = f"PASSWD salt={b64(salt)} iterations={self.rounds} stored={stored} server={server}"
        self.ask(f"{line} proof={proof}", code)
        if code == 250:
            self.salt = salt

    def frames(self, into):
        """Appends what comes to `into`; True at the end, False at an abort."""
        while (head := self.take(4)) not in (END, ABORT):
            length = int.from_bytes(head, "big")
            need(length <= MIB, f"a frame of {length} bytes")
            while length:
                piece = self.take(min(length, len(self.came) or 1))
                into += piece
                length -= len(piece)
        return head == END

    def send_frames(self, data, tail=END, size=100_000):
        for at in range(0, len(data), size):
            part = data[at : at + size]
            self.send(len(part).to_bytes(4, "big") + part)
        self.send(tail)

    def list(self, line):
        """Names and facts."""
        self.ask(line, 150)
        text = bytearray()
        need(self.frames(text), "the listing was aborted")
        need(self.hear().code == 226, "no 226 behind the listing")
        entries = (entry.split("; ", 1) for entry in text.decode().split("\r\n")[:-1])
        return {name: dict(fact.split("=") for fact in facts.split(";")) for facts, name in entries}

    def put(self, name, data):
        """STOR, resumed where the part there is a prefix of ours; the final reply."""
        until = time.monotonic() + 30
        line = f"STOR size={len(data)} {name}"
        while (turn := self.ask(line, 150, 200, 210, 550)).at.get("retry"):
            need(time.monotonic() < until, turn.line)
            time.sleep(0.05)
        if turn.code in (200, 550):
            return turn
        start = 0
        if turn.code == 210:
            start = int(turn.at["have"])
            same = turn.at["md5"] == md5(data[:start])
            start = int(self.ask("211" if same else "200", 212).at["offset"])
        self.send_frames(data[start:])
        self.say("225 md5=" + md5(data))
        return self.hear()

    def get(self, name, part):
        """RETR into `part`, whose bytes are proven first; the code of the turn."""
        self.ask("RETR " + name, 150)
        proof = f"210 offset={len(part)} md5={md5(part)}" if part else "200"
        turn = self.ask(proof, 200, 210)
        if turn.code == 200:
            part.clear()
        need(self.frames(part), "the download was aborted")
        done = self.hear()
        need(done.code == 226 and done.at["md5"] == md5(part), done.line)
        self.say("227")
        return turn.code


def walk(door, password):
    s, data, name = door(), random.Random(1).randbytes(3 * MIB), "one 文件.bin"
    yield "logged in, the server proved itself"
    s.passwd(password + "x", "another", 403)
    s.passwd(password, "another", 250)
    s.passwd("another", password, 250)
    door().ask("220", 221)
    yield "changed the password and back, the old one proven"
    place = f"/stranger {os.getpid()}"
    s.ask("MKD " + place, 257)
    s.ask("CWD " + place, 250)
    need(s.ask("PWD", 257).rest == place, "PWD says another place")
    need(s.put(name, data).at.get("md5") == md5(data), "the upload was not verified")
    need(s.list("LIST")[name]["size"] == str(len(data)), "LIST tells another size")
    yield "put and listed"
    s.ask(f"STOR size={len(data)} cut.bin", 150)
    s.send((MIB).to_bytes(4, "big") + data[: MIB // 2])
    s.socket.close()
    s = door()
    s.ask("CWD " + place, 250)
    need(s.put("cut.bin", data).code == 226, "the cut upload was not resumed")
    yield "cut inside a frame, resumed"
    for part, code in ((bytearray(), 200), (bytearray(data[:MIB]), 210), (bytearray(9), 200)):
        need(s.get("cut.bin", part) == code and part == data, f"the download with {code} failed")
    yield "got from the start, from a proven part, and anew after a wrong one"
    s.ask("RETR start=0 cut.bin", 150)
    s.say("ABOR")
    whole = s.frames(bytearray())
    need(s.hear().code == (226 if whole else 550), "no final reply to the stopped download")
    if whole:
        need(s.hear().code == 226, "ABOR has no reply of its own")
    s.ask(f"STOR size={len(data)} stopped.bin", 150)
    s.send_frames(data[:MIB], ABORT)
    need(s.hear().code == 550, "no 550 to the stopped upload")
    need(f"{place}/stopped.bin" in s.list("STAGES"), "the stopped upload has no part")
    need(s.put("stopped.bin", data).code == 226, "the stopped upload was not resumed")
    yield "stopped both ways, the session lives"
    s.ask("RNFR stopped.bin", 350)
    s.ask("351 cut.bin", 401)
    s.ask("RNFR stopped.bin", 350)
    s.ask("351 renamed.bin", 250)
    s.ask("DELE " + place, 550)
    for gone in (name, "cut.bin", "renamed.bin"):
        s.ask("DELE " + gone, 250)
    s.ask("CWD /", 250)
    s.ask("DELE " + place, 250)
    s.ask("220", 221)
    yield "renamed, deleted, gone"


def through_cuts(door, seed):
    rng, name = random.Random(seed), f"/cut {os.getpid()} {seed}.bin"
    data, part = rng.randbytes(3 * MIB), bytearray()

    def again_until(done):
        for count in range(1, 300):
            try:
                if done(door(rng.randrange(1, rng.choice((6000, MIB))))):
                    return count
            except Cut:
                pass
        raise Surprise("300 connections were not enough")

    ups = again_until(lambda s: s.put(name, data).at.get("md5") == md5(data))
    yield f"seed {seed}: up through {ups} connections"
    downs = again_until(lambda s: s.get(name, part) and part == data)
    yield f"seed {seed}: down through {downs} connections"
    door().ask("DELE " + name, 250)


def main():
    host, port, user, password, *rest = sys.argv[1:]

    def door(budget=None):
        return Peer((host, int(port)), budget).login(user, password)

    count = 0
    try:
        for said in through_cuts(door, int(rest[1])) if rest[:1] == ["--cut"] else walk(door, password):
            count += 1
            print(f"ok {count} {said}", flush=True)
    except (Surprise, Cut) as wrong:
        sys.exit(f"stranger: {count} steps passed, then: {wrong or 'the connection ended'}")
    print(f"stranger: {count} steps passed")


if __name__ == "__main__":
    main()
