"""TLS that can be cut: the socket stays in our own hands. Needs Python 3.11 and pyOpenSSL."""

import select, socket, struct
from OpenSSL import SSL

PATIENCE = 30.0  # seconds; only a server that hangs ever meets it


class Cut(Exception):
    """The connection is gone, by our hand or the server's."""


class Mismatch(Exception):
    """The server did not do what the page says."""


def need(truth, what):
    if not truth:
        raise Mismatch(what)


class Wire:
    """TLS over TCP, with the socket in our own hands so that it can be cut at any byte."""

    seen = {}  # SHA-256 of the certificate, per server

    def __init__(self, address, budget=None, reset=False, window=None):
        self.budget, self.reset = budget, reset
        self.sock = socket.socket()
        if window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.settimeout(PATIENCE)
        try:
            self.sock.connect(address)
        except OSError as error:
            raise Mismatch(f"cannot connect to {address}: {error}") from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_alpn_protos([b"skiff/1"])
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self.pump(self.tls.do_handshake)
        need(self.tls.get_alpn_proto_negotiated() == b"skiff/1", "the ALPN protocol is not skiff/1")
        fingerprint = self.tls.get_peer_certificate().digest("sha256")
        need(self.seen.setdefault(address, fingerprint) == fingerprint, "another certificate")

    def pump(self, action):
        """Repeats `action` until TLS has what it wants from the network."""
        while True:
            try:
                result = action()
            except SSL.WantReadError:
                self.flush()
                self.receive()
            except (SSL.ZeroReturnError, SSL.SysCallError) as gone:
                raise Cut from gone
            else:
                self.flush()
                return result

    def send(self, data):
        self.pump(lambda: self.tls.sendall(data))

    def read(self):
        return self.pump(lambda: self.tls.recv(65536))

    def poll(self):
        """What has come in by now, perhaps nothing."""
        if select.select([self.sock], [], [], 0)[0]:
            self.receive()
        try:
            return self.tls.recv(65536)
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError as gone:
            raise Cut from gone

    def flush(self):
        while True:
            try:
                raw = self.tls.bio_read(65536)
            except SSL.WantReadError:
                return
            try:
                self.sock.sendall(raw[: self.budget])
            except OSError as gone:
                raise Cut from gone
            self.spend(len(raw))

    def receive(self):
        try:
            raw = self.sock.recv(65536)
        except TimeoutError:
            raise Mismatch("the server says nothing") from None
        except OSError as gone:
            raise Cut from gone
        if not raw:
            raise Cut
        self.spend(len(raw))
        self.tls.bio_write(raw)

    def spend(self, count):
        if self.budget is not None:
            self.budget = max(0, self.budget - count)
            if self.budget == 0:
                self.hang_up()
                raise Cut

    def hang_up(self):
        """Closes with no word of TLS, by FIN or by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", self.reset, 0))
        self.sock.close()
