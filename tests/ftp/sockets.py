"""Sockets and TLS in our own hands: what is missing at an end is seen, and nothing hangs."""

import socket, ssl, struct
from ftp.steps import Failed

PATIENCE = 10.0  # seconds for any one socket call
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
OPEN = []  # sockets to be closed when a step is over


class Ended(Failed):
    """The server closed the connection."""


class Mode:
    """How a session is protected: None, "explicit" or "implicit", and by which version of TLS."""

    def __init__(self, name, tls=None, version=None):
        self.name, self.tls, self.version = name, tls, version


PLAIN = Mode("plain")
EXPLICIT12 = Mode("explicit TLS 1.2", "explicit", "1.2")
EXPLICIT13 = Mode("explicit TLS 1.3", "explicit", "1.3")
IMPLICIT12 = Mode("implicit TLS 1.2", "implicit", "1.2")
IMPLICIT13 = Mode("implicit TLS 1.3", "implicit", "1.3")
MODES = (PLAIN, EXPLICIT12, EXPLICIT13, IMPLICIT12, IMPLICIT13)


def tls_context(version=None, alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def handshake(context, sock, session=None):
    # A missing close_notify must be seen, not be taken for an end.
    try:
        wrapped = context.wrap_socket(sock, session=session, suppress_ragged_eofs=False)
    except OSError as error:
        raise Failed(f"the TLS handshake failed: {error}") from error
    return kept(wrapped)


def connect(address, source=None):
    try:
        sock = socket.create_connection(address, PATIENCE, source and (source, 0))
    except OSError as error:
        raise Failed(f"cannot connect to {address}: {error}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return kept(sock)


def reachable(address):
    try:
        connect(address).close()
    except Failed:
        return False
    return True


def answered(door):
    try:
        sock, _ = door.accept()
    except TimeoutError:
        raise Failed("the server does not connect to the port it was told") from None
    door.close()
    sock.settimeout(PATIENCE)
    return kept(sock)


def receive(sock):
    try:
        return sock.recv(65536)
    except TimeoutError:
        raise Failed(f"the server says nothing for {PATIENCE:g} s") from None
    except ssl.SSLEOFError:
        raise Ended("the connection ended without close_notify") from None
    except OSError as error:
        raise Ended(f"the connection broke: {error}") from error


def hang_up(sock, reset=False):
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def kept(sock):
    OPEN.append(sock)
    return sock


def close_all():
    while OPEN:
        OPEN.pop().close()
