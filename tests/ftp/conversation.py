"""Lines as they may come: telnet's interrupts, single bytes, floods, absurd offsets, NUL."""

import os, socket
from ftp.clients import library
from ftp.daemon import Word
from ftp.sockets import EXPLICIT13, PLAIN, connect, reachable
from ftp.steps import need, same, step
from ftp.wire import Ftp

SESSIONS = 45  # fewer than one user may have
BIG = 40_000_000  # more than socket buffers hold, so that a reader who stops stops the server
IAC, IP, DM = b"\xff", b"\xf4", b"\xf2"


def prompt(w):
    return w.configured(tls=Word("Optional"), data_timeout="2s")


def big(w):
    """A large file in the home, made once."""
    daemon = prompt(w)
    path = daemon.home() / "big"
    if not path.exists():
        path.write_bytes(os.urandom(BIG))
    return daemon


# How clients interrupt: pieces, each with the flags of its send(2).
INTERRUPTS = {
    "IAC IP IAC urgent, then DM and ABOR": [
        (IAC + IP + IAC, socket.MSG_OOB), (DM + b"ABOR\r\n", 0),
    ],
    "IAC IP, DM urgent, then ABOR": [(IAC + IP, 0), (IAC + DM, socket.MSG_OOB), (b"ABOR\r\n", 0)],
    "all in line": [(IAC + IP + IAC + DM + b"ABOR\r\n", 0)],
    "ABOR urgent": [(b"ABOR\r\n", socket.MSG_OOB)],
    "ABOR alone": [(b"ABOR\r\n", 0)],
}


@step("ABOR in the middle of RETR: {how}", over=[{"how": how} for how in INTERRUPTS])
def interrupted(w, how):
    ftp = Ftp(big(w))
    lane = ftp.open("RETR big")
    need(len(lane.sock.recv(100_000)) > 0, "no byte came")
    for piece, flags in INTERRUPTS[how]:
        ftp.raw(piece, flags)
    ftp.expect(426, of="RETR")
    ftp.expect(225, 226, of="ABOR")
    lane.sock.close()
    ftp.alive()
    ftp.store(w.fresh("after"), b"alive")


@step("ABOR in the middle of RETR over TLS")
def interrupted_tls(w):
    ftp = Ftp(big(w), EXPLICIT13)
    lane = ftp.open("RETR big")
    need(len(lane.sock.recv(10_000)) > 0, "no byte came")
    ftp.send("ABOR")
    ftp.expect(426, of="RETR")
    ftp.expect(225, 226, of="ABOR")
    lane.sock.close()
    ftp.alive()


@step("more readers stop than there are threads: the others are served, and none loses a byte")
def stopped_readers(w):
    daemon = big(w)
    threads = len(os.listdir(f"/proc/{daemon.process.pid}/task"))
    stopped = [Ftp(daemon) for _ in range(min(threads + 1, SESSIONS))]
    lanes = [ftp.open("RETR big") for ftp in stopped]
    for lane in lanes:
        need(len(lane.sock.recv(1)) == 1, "no byte came")
    whole = (daemon.home() / "big").read_bytes()
    other = Ftp(daemon)
    same("what another session gets", other.get("big"), whole)
    other.store(w.fresh("beside"), b"alive")
    stopped[0].send("ABOR")
    stopped[0].expect(426, of="RETR")
    stopped[0].expect(225, 226, of="ABOR")
    same("what a reader gets that goes on", lanes[-1].read(), whole[1:])
    stopped[-1].expect(226, of="RETR")


@step("ABOR by ftplib, {mode}", "ftplib", over=[{"mode": PLAIN}, {"mode": EXPLICIT13}])
def interrupted_library(w, mode):
    daemon = big(w)
    with library(daemon, mode) as ftp:
        ftp.voidcmd("TYPE I")
        lane = ftp.transfercmd("RETR big")
        need(lane.recv(10_000), "no byte came")
        if mode is PLAIN:
            need(ftp.abort()[:3] in ("225", "226", "426"), "abort()")
        else:
            ftp.putline("ABOR")  # no urgent data under TLS
            need(ftp.getmultiline()[:3] == "426", "ABOR")
        lane.close()
        # abort() takes one reply of the two.
        need(ftp.getmultiline()[:3] in ("225", "226"), "the second reply")
        need(ftp.voidcmd("NOOP")[:3] == "200", "NOOP")


@step("ABOR with nothing to stop")
def nothing_to_abort(w):
    ftp = Ftp(prompt(w))
    ftp.ask("ABOR", 225, 226)
    ftp.passive()
    ftp.ask("ABOR", 225, 226)
    ftp.alive()


@step("during RETR: NOOP and STAT are answered, other verbs queue")
def meanwhile(w):
    ftp = Ftp(big(w))
    lane = ftp.open("RETR big")
    ftp.ask("NOOP", 200)
    ftp.ask("STAT", 211, 213)
    ftp.send("PWD")
    same("RETR", len(lane.read()), BIG)
    ftp.expect(226)
    ftp.expect(257)


@step("telnet negotiation between commands is passed over")
def negotiation(w):
    ftp = Ftp(prompt(w))
    for option in (b"\xfb\x01", b"\xfd\x03", b"\xfc\x06", b"\xfe\x18"):
        ftp.raw(IAC + option + b"NOOP\r\n")
        ftp.expect(200)


@step("a name that holds the byte 255 doubled is that byte")
def doubled(w):
    ftp, name = Ftp(prompt(w)), w.fresh("iac").encode()
    ftp.ask(b"MKD " + name + IAC + IAC, 257)
    need(os.path.isdir(os.fsencode(prompt(w).home()) + b"/" + name + IAC), "no such folder")


@step("commands one byte at a time")
def byte_by_byte(w):
    ftp, name = Ftp(prompt(w), user=None), w.fresh("slow")
    for line, code in (("USER tom", 331), ("PASS 123", 230), (f"MKD {name}", 257), ("PWD", 257)):
        for byte in f"{line}\r\n".encode():
            ftp.raw(bytes([byte]))
        ftp.expect(code, of=line)


@step("many commands in one packet are answered one by one and in order")
def pipelined(w):
    ftp = Ftp(prompt(w))
    ftp.raw(b"NOOP\r\nPWD\r\nSYST\r\nNOPE\r\nTYPE I\r\n" * 40)
    codes = [ftp.reply().code for _ in range(200)]
    same("the codes", codes, [200, 257, 215, 500, 200] * 40)
    ftp.alive()


@step("a login in one packet")
def login_at_once(w):
    ftp = Ftp(prompt(w), user=None)
    ftp.raw(b"USER tom\r\nPASS 123\r\nPWD\r\n")
    same("the codes", [ftp.reply().code for _ in range(3)], [331, 230, 257])


@step("commands before the end of the client are done and answered")
def half_closed(w):
    made = w.fresh("made")
    sock = connect(("127.0.0.1", prompt(w).port("ftp", "127.0.0.1")))
    sock.sendall(f"USER tom\r\nPASS 123\r\nMKD {made}\r\nPWD\r\nMKD half".encode())
    sock.shutdown(socket.SHUT_WR)
    said = b"".join(iter(lambda: sock.recv(4096), b"")).decode().splitlines()
    same("the codes", [line[:3] for line in said], ["220", "331", "230", "257", "257"])
    home = prompt(w).home()
    need((home / made).is_dir() and not (home / "half").exists(), "not what was asked")


@step("a line of {count} bytes is one 500, and the next command works", over=[
    {"count": count} for count in (20_000, 3_000_000)
])
def long_line(w, count):
    ftp = Ftp(prompt(w))
    ftp.raw(b"NOOP " + b"x" * count + b"\r\n")
    ftp.expect(500, of=f"a line of {count} bytes")
    ftp.alive()


# Offsets.


@step("REST beyond the end: RETR is refused, and the next RETR is whole")
def rest_beyond(w):
    ftp, name = Ftp(prompt(w)), w.fresh("rest")
    ftp.store(name, b"0123456789")
    same("from the end", ftp.get(name, rest=10), b"")
    for offset in (11, (1 << 63) - 1):
        ftp.refused(f"RETR {name}", 550, 551, 554, rest=offset)
        same("the next RETR", ftp.get(name), b"0123456789")


@step("REST {offset} is refused, and the next RETR is whole", over=[
    {"offset": offset} for offset in (
        "-1", str(1 << 63), str((1 << 64) - 1), str(1 << 64), "9" * 40, "x", "1 2", "0x10", "+5", ""
    )
])
def rest_absurd(w, offset):
    ftp, name = Ftp(prompt(w)), w.fresh("rest")
    ftp.store(name, b"0123456789")
    ftp.ask(f"REST {offset}".rstrip(), 501, 554)
    same("the next RETR", ftp.get(name), b"0123456789")


@step("REST is spent by the next command")
def rest_spent(w):
    ftp, name = Ftp(prompt(w)), w.fresh("rest")
    ftp.store(name, b"0123456789")
    same("from 4", ftp.get(name, rest=4), b"456789")
    same("the next RETR", ftp.get(name), b"0123456789")
    # PASV between REST and RETR is how some clients go about it.
    ftp.ask("REST 7", 350)
    same("REST, PASV, RETR", ftp.get(name), b"789")


@step("TYPE A: REST and SIZE are 550, what moves is as it is")
def ascii_type(w):
    ftp, name = Ftp(prompt(w)), w.fresh("ascii")
    ftp.store(name, b"a\r\nb\r\n")
    ftp.ask("TYPE A", 200)
    ftp.ask(f"SIZE {name}", 550)
    ftp.refused(f"RETR {name}", 550, rest=1)
    ftp.alive()


# Up to 16 KiB a file is sent without a second look at the disk.
SMALL = (0, 1, 4096, 16_383, 16_384, 16_385)


@step(
    "files about the size that is sent at once, {mode}: whole, from any offset, as text",
    over=[{"mode": PLAIN}, {"mode": EXPLICIT13}],
)
def small_files(w, mode):
    ftp = Ftp(prompt(w), mode)
    for size in SMALL:
        # Nothing but line ends is changed on the way.
        data, name = (b"line %d\n" * 2048 % tuple(range(2048)))[:size], w.fresh(f"small-{size}")
        ftp.store(name, data)
        for rest in sorted({0, 1, size // 2, size} & set(range(size + 1))):
            same(f"{size} bytes from {rest}", ftp.get(name, rest=rest), data[rest:])
        ftp.ask("TYPE A", 200)
        same(f"{size} bytes as text", ftp.get(name), data.replace(b"\n", b"\r\n"))
        ftp.ask("TYPE I", 200)


# Data connections that never come.


@step("a data connection that is never opened: 425 in time, the next command works")
def never_opened(w):
    ftp, name = Ftp(prompt(w)), w.fresh("never")
    for line in ("LIST", "MLSD", f"STOR {name}"):
        address = ftp.passive()
        ftp.ask(line, 425)
        need(not reachable(address), "the passive port is still open after 425")
    need(not (prompt(w).home() / name).exists(), "STOR made the file")
    ftp.store(name, b"works")


@step("PORT to a port where nobody listens: 425 in time, the next command works")
def nobody_listens(w):
    ftp = Ftp(prompt(w))
    door = ftp.door()
    door.close()
    ftp.ask("LIST", 425)
    ftp.fetch("LIST")


@step("no PASV and no PORT: 425 or 503, the next command works")
def no_address(w):
    ftp = Ftp(prompt(w))
    ftp.ask("LIST", 425, 503)
    ftp.fetch("LIST")


@step("TLS on a data connection that never comes: 426 or 425 in time, {mode}",
      over=[{"mode": EXPLICIT13}])
def never_encrypted(w, mode):
    ftp, name = Ftp(prompt(w), mode), w.fresh("never")
    ftp.store(name, b"old")
    sock = connect(ftp.passive())
    ftp.ask(f"STOR {name}", 150, 125)
    ftp.expect(425, 426, of="no ClientHello")
    sock.close()
    same("the file", ftp.get(name), b"old")


# Names.


@step("NUL, CR and LF in a name are refused: {verb}", over=[
    {"verb": verb} for verb in ("CWD", "MKD", "DELE", "SIZE", "MLST", "RNFR", "RMD")
])
def bad_bytes(w, verb):
    daemon, name = prompt(w), w.fresh("bad")
    (daemon.home() / name).mkdir()
    ftp, before = Ftp(daemon), set(os.listdir(daemon.home()))
    for byte in (b"\0", b"\r", b"\r\0"):
        ftp.send(f"{verb} {name}".encode() + byte + b"x")
        reply = ftp.reply()
        need(500 <= reply.code < 600, f"{verb} with {byte!r}: {reply!r}")
        ftp.alive()
    same("the home", set(os.listdir(daemon.home())), before)


@step("NUL in a name is refused by {verb}", over=[
    {"verb": verb} for verb in ("RETR", "STOR", "APPE")
])
def bad_transfer(w, verb):
    daemon, name = prompt(w), w.fresh("bad")
    ftp = Ftp(daemon)
    ftp.store(name, b"old")
    reply, lane = ftp.begin(f"{verb} {name}".encode() + b"\0x")
    need(not lane and 500 <= reply.code < 600, f"{verb}: {reply!r}")
    ftp.alive()
    same("the file", (daemon.home() / name).read_bytes(), b"old")
