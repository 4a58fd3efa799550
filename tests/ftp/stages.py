"""Interrupted uploads, made on purpose: what the steps about resuming and truncation start from."""

from ftp.sockets import PLAIN
from ftp.steps import need, same, until
from ftp.wire import Ftp


class Watch:
    """The stage that comes into being after this; there may be others of earlier steps."""

    def __init__(self, daemon):
        self.daemon, self.before = daemon, daemon.stages()

    def size(self):
        """Bytes on the disk, None where there is no new stage."""
        now = self.daemon.stages()
        return next((now[name] for name in now if name not in self.before), None)

    def holds(self, count):
        until(f"{count} bytes in the stage", lambda: self.size() == count)

    def reaches(self, count):
        until(f"{count} bytes in the stage", lambda: (self.size() or 0) >= count)


def leave_stage(daemon, name, part, mode=PLAIN):
    """Sends `part` of an upload and the byte that is cut off, and stops it when that is there."""
    watch, ftp = Watch(daemon), Ftp(daemon, mode)
    data = ftp.open(f"STOR {name}")
    data.send(part + b"!")
    watch.holds(len(part) + 1)
    ftp.send("ABOR")
    ftp.expect(426, of="STOR that ABOR stops")
    ftp.expect(225, 226, of="ABOR")
    data.sock.close()
    same("the stage after ABOR", watch.size(), len(part))
    ftp.ask("QUIT", 221)


def published(daemon, name):
    """The bytes that stand under the name, None where nothing does."""
    path = daemon.home() / name
    return path.read_bytes() if path.exists() else None


def until_idle(daemon, name):
    """Waits until nobody writes the name: an absurd offset is then 554 and no longer 450."""

    def asked():
        reply, lane = ftp.begin(f"STOR {name}", rest=1 << 40)
        need(not lane and reply.code in (450, 554), f"REST far beyond the end and STOR: {reply!r}")
        return reply.code == 554

    ftp = Ftp(daemon)
    until("the writer to be gone", asked)
