"""A raw FTP client: lines, replies and data connections, with every end in our own hands."""

import re, socket, ssl
from ftp.sockets import (
    PATIENCE, PLAIN, Ended, answered, connect, handshake, hang_up, kept, receive, tls_context,
)
from ftp.steps import need


class Reply:
    def __init__(self, lines):
        self.lines, self.code = lines, int(lines[0][:3])
        self.text = "\n".join(lines)

    def __repr__(self):
        return repr(self.text)


class Ftp:
    """One control connection, logged in unless `user` is None."""

    def __init__(self, daemon, mode=PLAIN, user="tom", password="123", host="127.0.0.1"):
        self.mode, self.host, self.buffer, self.context = mode, host, b"", None
        port = daemon.port("ftps" if mode.tls == "implicit" else "ftp", host)
        self.sock = connect((host, port))
        if mode.tls == "implicit":
            self.wrap()
        self.expect(220)
        if mode.tls == "explicit":
            self.ask("AUTH TLS", 234)
            self.wrap()
        if mode.tls:
            self.ask("PBSZ 0", 200)
            self.ask("PROT P", 200)
        if user:
            self.ask(f"USER {user}", 331)
            self.ask(f"PASS {password}", 230)
            self.ask("TYPE I", 200)

    def wrap(self):
        self.context = tls_context(self.mode.version)
        self.sock = handshake(self.context, self.sock)

    # Lines.

    def raw(self, data, flags=0):
        try:
            self.sock.sendall(data, flags)
        except OSError as error:
            raise Ended(f"cannot send {data[:40]!r}: {error}") from error

    def send(self, line):
        self.raw((line if isinstance(line, bytes) else line.encode("utf-8")) + b"\r\n")

    def line(self):
        while b"\r\n" not in self.buffer:
            more = receive(self.sock)
            if not more:
                raise Ended(f"the control connection ended, after {self.buffer[-200:]!r}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def reply(self):
        lines = [self.line()]
        need(re.match(r"[1-6]\d\d[ -]", lines[0]), f"no reply: {lines[0]!r}")
        while lines[0][3] == "-" and not lines[-1].startswith(lines[0][:3] + " "):
            lines.append(self.line())
        return Reply(lines)

    def expect(self, *codes, of="the server"):
        reply = self.reply()
        need(reply.code in codes, f"{of}: got {reply!r} instead of {' or '.join(map(str, codes))}")
        return reply

    def ask(self, line, *codes):
        self.send(line)
        return self.expect(*codes, of=repr(line)[:80])

    def answer(self, line):
        self.send(line)
        return self.reply()

    def alive(self):
        self.ask("NOOP", 200)

    def rest(self):
        """Everything until the server closes the connection."""
        seen, self.buffer = self.buffer, b""
        try:
            while more := receive(self.sock):
                seen += more
        except Ended:
            pass
        return seen

    # Data connections.

    def passive(self, verb=None):
        """Where PASV or EPSV says to connect to."""
        verb = verb or ("EPSV" if ":" in self.host else "PASV")
        if verb == "EPSV":
            text = self.ask("EPSV", 229).text
            found = re.search(r"\(\|\|\|(\d+)\|\)", text)
            need(found, f"no port in {text!r}")
            return self.host, int(found[1])
        text = self.ask("PASV", 227).text
        found = re.search(r"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", text)
        need(found, f"no address in {text!r}")
        host = ".".join(found.groups()[:4])
        need(host == self.host, f"PASV names {host}, the server is {self.host}")
        return host, int(found[5]) * 256 + int(found[6])

    def door(self, verb="PORT"):
        """Listens, and tells the server where."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        door = kept(socket.create_server((self.host, 0), family=family))
        door.settimeout(PATIENCE)
        self.ask(active(verb, self.host, door.getsockname()[1]), 200)
        return door

    def begin(self, command, rest=None, way=None):
        """The first reply to a transfer command, and its data connection if it was preliminary."""
        door = sock = None
        if way in ("PORT", "EPRT"):
            door = self.door(way)
        else:
            sock = connect(self.passive(way))
        if rest is not None:
            self.ask(f"REST {rest}", 350)
        self.send(command)
        reply = self.reply()
        if reply.code not in (125, 150):
            (sock or door).close()
            return reply, None
        return reply, Data(self, sock or answered(door))

    def open(self, command, rest=None, way=None):
        reply, data = self.begin(command, rest, way)
        need(data, f"{command!r}: got {reply!r} instead of 150")
        return data

    def refused(self, command, *codes, rest=None):
        reply, data = self.begin(command, rest)
        need(not data and reply.code in codes, f"{command!r}: got {reply!r}, expected {codes}")
        return reply

    def get(self, name, rest=None, way=None):
        return self.fetch(f"RETR {name}", rest, way)

    def fetch(self, command, rest=None, way=None):
        got = self.open(command, rest, way).read()
        self.expect(226, of=command)
        return got

    def put(self, name, data, verb="STOR", rest=None, way=None):
        """The final reply to an upload."""
        reply, lane = self.begin(f"{verb} {name}".rstrip(), rest, way)
        if not lane:
            return reply
        lane.finish(data)
        return self.reply()

    def store(self, name, data, **how):
        reply = self.put(name, data, **how)
        need(reply.code == 226, f"upload of {name!r}: got {reply!r} instead of 226")

    def names(self, command):
        """The lines of a listing, as bytes."""
        lines = self.fetch(command).split(b"\r\n")
        need(lines.pop() == b"", f"the last line of {command} has no end")
        return lines

    def drop(self, reset=False):
        """Gone without QUIT."""
        hang_up(self.sock, reset)


class Data:
    """One data connection, under TLS where the session is; it resumes that, another one, or none."""

    def __init__(self, ftp, sock, session=True):
        self.sock = sock
        if ftp.context:
            before = ftp.sock.session if session is True else session or None
            self.sock = handshake(ftp.context, sock, before)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Ended(f"the data connection broke while sending: {error}") from error

    def read(self):
        """All that comes; over TLS a missing close_notify is an error."""
        pieces = []
        while piece := receive(self.sock):
            pieces.append(piece)
        self.sock.close()
        return b"".join(pieces)

    def finish(self, data=b""):
        """Sends the rest and ends it well."""
        try:
            self.sock.sendall(data)
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = kept(self.sock.unwrap())
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused half-way: the reply says why
        self.sock.close()

    def cut(self):
        """FIN, and under TLS no close_notify before it."""
        self.sock.shutdown(socket.SHUT_WR)
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()


def active(verb, host, port):
    """The line that tells a server to connect to `port`."""
    if verb == "EPRT":
        return f"EPRT |{2 if ':' in host else 1}|{host}|{port}|"
    return f"PORT {host.replace('.', ',')},{port >> 8},{port & 255}"
