"""Ends that are no ends: cut uploads, killed clients, many uploads, two writers of one name."""

import os, random, re, signal, threading
from ftp.clients import Run, curl, lftp
from ftp.daemon import Word
from ftp.sockets import (
    EXPLICIT12, EXPLICIT13, IMPLICIT12, IMPLICIT13, MODES, Ended, close_all, hang_up,
)
from ftp.stages import Watch, published, until_idle
from ftp.steps import Failed, need, same, step, until
from ftp.wire import Ftp

SECURE = [{"mode": mode} for mode in MODES if mode.tls]


def strict(w):
    return w.configured(tls=Word("Optional"), data_close_notify=Word("Require"))


@step("{mode}: an upload that ends without close_notify gives 426 and is continued", over=SECURE)
def no_close_notify(w, mode):
    daemon, name = strict(w), w.fresh("cut")
    old, data = os.urandom(10_000), os.urandom(500_000)
    ftp = Ftp(daemon, mode)
    ftp.store(name, old)
    lane = ftp.open(f"STOR {name}")
    lane.send(data[:300_000])
    lane.cut()
    text = ftp.expect(426, of="STOR without close_notify").text
    need("data_close_notify" in text, f"426 does not name the setting: {text!r}")
    logged(daemon, name, 299_999, "data_close_notify: Require")
    same("the old file", published(daemon, name), old)
    ftp.ask(f"SIZE {name}", 550)
    ftp.store(name, data[299_999:], rest=299_999)
    same("the file", published(daemon, name), data)


@step("{mode}: the size that ALLO said stands in for close_notify", over=SECURE)
def announced(w, mode):
    daemon, name, data = strict(w), w.fresh("allo"), os.urandom(300_000)
    ftp = Ftp(daemon, mode)
    for count, code in ((len(data) - 1, 426), (len(data), 226)):
        ftp.ask(f"ALLO {len(data)}", 200, 202)
        lane = ftp.open(f"STOR {name}")
        lane.send(data[:count])
        lane.cut()
        ftp.expect(code, of=f"{count} of {len(data)} bytes")
    same("the file", published(daemon, name), data)


@step("{mode}: with data_close_notify: Warn its absence is an end", over=SECURE)
def tolerated(w, mode):
    daemon = w.configured(tls=Word("Optional"), data_close_notify=Word("Warn"))
    name, data = w.fresh("warn"), os.urandom(300_000)
    ftp = Ftp(daemon, mode)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    lane.cut()
    ftp.expect(226)
    same("the file", published(daemon, name), data)


def lenient(w):
    return w.configured(tls=Word("Optional"))


@step("{mode}: without close_notify a client that waits for its reply has stored", over=SECURE)
def waits_for_its_reply(w, mode):
    daemon, name = lenient(w), w.fresh("net")
    ftp = Ftp(daemon, mode)
    for data in (os.urandom(300_000), b"x", b""):
        lane = ftp.open(f"STOR {name}")
        lane.send(data)
        lane.cut()
        ftp.expect(226, of=f"{len(data)} bytes without close_notify")
        same("the file", published(daemon, name), data)
    need("data_close_notify: Prefer" in daemon.log(), "the log does not say by what it is stored")


@step("{mode}: without close_notify a client that was killed has not stored, by {how}", over=[
    {"how": how, **mode} for how in ("FIN", "reset") for mode in SECURE
])
def killed_without_close_notify(w, how, mode):
    daemon, name, old, data = lenient(w), w.fresh("killed"), b"old", os.urandom(300_000)
    ftp, watch = Ftp(daemon, mode), Watch(daemon)
    ftp.store(name, old)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    watch.holds(len(data))
    hang_up(lane.sock, reset=how == "reset")
    ftp.drop(reset=how == "reset")
    same("the stage", left_alone(daemon, name, old, watch), len(data) - 1)
    # Whichever end is seen first.
    logged(daemon, name, len(data) - 1, "(data_close_notify|publish_on_lost_control)")


@step("{mode}: a reset data connection gives 426, which names the setting", over=SECURE)
def reset_without_close_notify(w, mode):
    daemon, name, data = lenient(w), w.fresh("reset"), os.urandom(300_000)
    ftp, watch = Ftp(daemon, mode), Watch(daemon)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    watch.holds(len(data))
    hang_up(lane.sock, reset=True)
    text = ftp.expect(426).text
    need("data_close_notify" in text, f"426 does not name the setting: {text!r}")
    same("the file", published(daemon, name), None)
    same("the stage", watch.size(), len(data) - 1)
    logged(daemon, name, len(data) - 1, "data_close_notify")


@step("publish_on_lost_control is for all users, in clear")
def all_cameras(w):
    daemon, name = w.configured(tls=Word("Optional"), publish_on_lost_control=Word("true")), "cam"
    data = os.urandom(300_000)
    ftp, watch = Ftp(daemon), Watch(daemon)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    watch.holds(len(data))
    ftp.drop()
    lane.finish()
    until("the file", lambda: published(daemon, name) == data)


def logged(daemon, name, count, cause):
    """The log tells of each part that was kept: how many bytes, and by what."""
    line = re.compile(rf"tom: {count} bytes of an upload to .{name}. are kept.*{cause}")
    until(f"{count} bytes, {cause}, in the log", lambda: line.search(daemon.log()))


@step("{mode}: the server ends both ways with close_notify", over=SECURE)
def ends_well(w, mode):
    daemon, name, data = strict(w), w.fresh("end"), os.urandom(100_000)
    ftp = Ftp(daemon, mode)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    try:
        lane.sock.unwrap()
    except OSError as error:
        raise Failed(f"no close_notify answers ours: {error}") from error
    ftp.expect(226)
    same("RETR up to close_notify", ftp.get(name), data)


@step("in clear: control gone by {how} before the data ended publishes nothing", over=[
    {"how": "FIN"}, {"how": "reset"}
])
def control_gone(w, how):
    daemon, name = w.demo(), w.fresh("gone")
    old, data = os.urandom(1000), os.urandom(300_000)
    ftp, watch = Ftp(daemon), Watch(daemon)
    ftp.store(name, old)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    watch.holds(len(data))
    ftp.drop(reset=how == "reset")
    lane.sock.close()
    same("the stage", left_alone(daemon, name, old, watch), len(data) - 1)
    Ftp(daemon).store(name, b"tail", rest=len(data) - 1)
    same("the file", published(daemon, name), data[:-1] + b"tail")
    logged(daemon, name, len(data) - 1, "publish_on_lost_control")


# A kernel closes a dying process's sockets in no promised order: the end of the data may come some
# microseconds before that of control.
@step("in clear: data and control gone at the same moment publish nothing, a hundred times")
def both_gone(w):
    daemon, data, published_anyway = w.demo(), os.urandom(100_000), 0
    for _ in range(100):
        name, ftp = w.fresh("gone"), Ftp(daemon)
        ftp.store(name, b"old")
        watch, lane = Watch(daemon), ftp.open(f"STOR {name}")
        lane.send(data)
        watch.holds(len(data))
        lane.sock.close()
        ftp.drop()
        until_idle(daemon, name)
        published_anyway += published(daemon, name) != b"old"
        close_all()
    same("parts that were published", published_anyway, 0)


@step("in clear: QUIT behind a running upload lets it finish")
def quit_behind(w):
    daemon, name, data = w.demo(), w.fresh("quit"), os.urandom(300_000)
    ftp = Ftp(daemon)
    lane = ftp.open(f"STOR {name}")
    ftp.send("QUIT")
    lane.finish(data)
    ftp.expect(226)
    ftp.expect(221)
    same("the file", published(daemon, name), data)


@step("in clear: a reset data connection gives 426 and keeps the stage")
def data_reset(w):
    daemon, name, data = w.demo(), w.fresh("reset"), os.urandom(300_000)
    ftp, watch = Ftp(daemon), Watch(daemon)
    lane = ftp.open(f"STOR {name}")
    lane.send(data)
    watch.holds(len(data))
    hang_up(lane.sock, reset=True)
    ftp.expect(426)
    ftp.store(name, b"tail", rest=len(data) - 1)
    same("the file", published(daemon, name), data[:-1] + b"tail")
    logged(daemon, name, len(data) - 1, "broke off")


@step("{client}, plain: kill -9 of an uploader leaves the old file, 25 times", "{client}",
      over=[{"client": "curl"}, {"client": "lftp"}])
def killed(w, client):
    daemon, folder, rng = w.demo(), w.folder(), random.Random(7)
    for _ in range(25):
        name, old, data = w.fresh("killed"), os.urandom(5000), os.urandom(12_000_000)
        Ftp(daemon).store(name, old)
        (folder / name).write_bytes(data)
        watch = Watch(daemon)
        if client == "curl":
            run = curl(daemon, folder, name, "-T", name, "--limit-rate", 3_000_000)
        else:
            run = lftp(daemon, folder, f"set net:limit-rate 0:3000000; put {name}")
        watch.reaches(rng.randrange(1, 1_000_000))
        run.kill()
        kept = left_alone(daemon, name, old, watch)
        need(kept < len(data), "killed too late")
        close_all()


# A client whose data connection has the lowest descriptor, which a dying process closes first.
FIRST_PIECE = """
import os, signal, socket, sys
port, name, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
data = socket.socket()
others = [socket.socketpair() for _ in range(40)]
control = socket.create_connection(("127.0.0.1", port))
lines = control.makefile("rwb", 0)
lines.readline()
for line in ("USER tom", "PASS 123", "TYPE I", "EPSV"):
    lines.write(line.encode() + b"\\r\\n")
    said = lines.readline()
data.connect(("127.0.0.1", int(said.split(b"|")[3])))
lines.write(b"STOR " + name.encode() + b"\\r\\n")
assert lines.readline().startswith(b"150"), "no 150"
data.sendall(os.urandom(count))
os.kill(os.getpid(), signal.SIGKILL)
"""


@step("plain: kill -9 behind the first piece of a file, {count} bytes, publishes nothing, 20 times",
      over=[{"count": 1}, {"count": 4000}, {"count": 16_000}])
def killed_early(w, count):
    daemon, folder = w.demo(), w.folder()
    for _ in range(20):
        name, old = w.fresh("early"), os.urandom(5000)
        Ftp(daemon).store(name, old)
        argv = ["python3", "-c", FIRST_PIECE, str(daemon.port()), name, str(count)]
        code, said = Run(argv, folder).wait()
        need(code == -signal.SIGKILL, f"the client ended with {code}: {said}")
        until_idle(daemon, name)
        same("the old file", published(daemon, name), old)
        close_all()


def left_alone(daemon, name, old, watch):
    """Once the lost session is seen, the old file stands; the bytes in the stage."""
    until_idle(daemon, name)
    same("the old file", published(daemon, name), old)
    Ftp(daemon).ask(f"SIZE {name}", 550)
    need(watch.size(), "the stage is gone")
    return watch.size()


# Many uploads.


@step("{client}, TLS: many uploads, and how many arrived whole", "{client}",
      over=[{"client": "curl"}, {"client": "lftp"}])
def many_uploads(w, client):
    daemon, folder, rng, whole = strict(w), w.folder(), random.Random(1), 0
    modes = (EXPLICIT13, EXPLICIT12, IMPLICIT13, IMPLICIT12)
    there = w.fresh(f"many {client}")
    Ftp(daemon).ask(f"MKD {there}", 257)
    failures = []
    for number in range(w.uploads):
        mode, name = modes[number % len(modes)], f"{there}/{number}"
        data = rng.randbytes(rng.choice((0, 1, 16_384, 100_000, 1_000_003, 3_000_000)))
        (folder / "local").write_bytes(data)
        if client == "curl":
            run = curl(daemon, folder, name, "-T", "local", mode=mode)
        else:
            run = lftp(daemon, folder, f'put local -o "{name}"', mode)
        code, said = run.wait()
        if code == 0 and published(daemon, name) == data:
            whole += 1
        else:
            failures.append(f"{number}, {mode.name}, {len(data)} bytes: {code} {said[-200:]}")
    print(f"  {client}: {whole} of {w.uploads} uploads arrived whole")
    need(not failures, f"{len(failures)} did not arrive whole; {failures[:3]}")


# Two writers.


@step("two writers of one name: the second gets 450 while the first moves")
def busy(w):
    daemon, name, done = w.demo(), w.fresh("two"), threading.Event()
    first, second = Ftp(daemon), Ftp(daemon)
    lane, sent = first.open(f"STOR {name}"), [0]

    def move():
        while not done.wait(0.05):
            lane.send(b"1" * 1000)
            sent[0] += 1000

    mover = threading.Thread(target=move, daemon=True)
    mover.start()
    try:
        until("the first to move", lambda: sent[0])
        for line in (f"STOR {name}", f"APPE {name}"):
            second.refused(line, 450)
        second.ask(f"DELE {name}", 450)
    finally:
        done.set()
        mover.join()
    lane.finish()
    first.expect(226)
    same("the file", published(daemon, name), b"1" * sent[0])


@step("a client is back while its dead session still holds the transfer: REST and STOR")
def back_again(w):
    daemon, name, data, dead = silent(w)
    ftp = Ftp(daemon)
    got_in = lambda: ftp.put(name, data[299_999:], rest=299_999).code == 226
    until("the silent writer to give way", got_in)
    same("the file", published(daemon, name), data)
    # The old session hears of it, if it is still there to hear.
    try:
        dead.expect(426, 450, 451)
    except Ended:
        pass


@step("a client is back while its dead session still holds the transfer: curl -C -", "curl")
def curl_back_again(w):
    daemon, name, data, dead = silent(w)
    folder = w.folder()
    (folder / name).write_bytes(data)
    again = lambda: curl(daemon, folder, name, "-T", name, "-C", "-").wait()[0] == 0
    until("curl to get in", again)
    same("the file", published(daemon, name), data)


@step("a client is back while its dead session still holds the transfer: lftp put -c", "lftp")
def lftp_back_again(w):
    daemon, name, data, dead = silent(w)
    folder = w.folder()
    (folder / name).write_bytes(data)
    again = lambda: lftp(daemon, folder, f"put -c {name}").wait()[0] == 0
    until("lftp to get in", again)
    same("the file", published(daemon, name), data)


def silent(w):
    """A session that sent 300,000 bytes of an upload, and then no word: neither FIN nor byte."""
    daemon, name, data = w.demo(), w.fresh("silent"), os.urandom(500_000)
    watch, dead = Watch(daemon), Ftp(daemon)
    dead.open(f"STOR {name}").send(data[:300_000])
    watch.holds(300_000)
    return daemon, name, data, dead
