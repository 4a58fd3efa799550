"""Every dialogue of sessions/PROTOCOL.md, as a step of one walk; the doc line is what it claims."""

import hashlib, random
from native.session import ABORT, END, MIB, Session, md5, quote, unquote
from native.wire import need

STEPS = []
MTIME = "20260102030405"
ODD = b"caf\xe9 \xe4\xb8\xad\xe6\x96\x87 100%.bin"
SMALL = random.Random(1).randbytes(5000)
FILE = random.Random(2).randbytes(5 * MIB + 123)
# More than the buffers between two processes hold, so that it is surely under way when stopped.
LONG = random.Random(3).randbytes(MIB) * 32


def step(function):
    STEPS.append(function)
    return function


@step
def before_login(w):
    """before the login: NOOP and HELP work, the rest is 530, PASS is 503"""
    w.s = Session(w.address)
    for line, code in (("NOOP", 200), ("HELP", 214), ("PWD", 530), ("PASS scram=YQ==", 503)):
        w.s.ask(line, code)


@step
def login(w):
    """a wrong password is refused, the right one proves both sides"""
    w.s.login(w.user, w.password + "x", 530)
    w.s.login(w.user, w.password)
    w.s.ask("USER scram=YQ==", 503)


@step
def folders(w):
    """MKD, CWD, PWD with a space, Chinese, and a byte that is not UTF-8"""
    need(w.s.ask("PWD", 257).rest == "/", "the session does not start at /")
    need(unquote(w.s.ask("MKD " + quote(w.place), 257).rest) == w.place, "257 names another path")
    w.s.ask("MKD " + quote(w.place), 550)
    w.s.ask("MKD no/such/parent", 404)
    w.s.ask("CWD " + quote(w.place[1:]), 250)
    need(unquote(w.s.ask("pwd", 257).rest) == w.place, "PWD names another path")
    need(w.s.list() == {}, "a new folder is not empty")


@step
def upload(w):
    """STOR, 225 and 226 in frames of many sizes"""
    w.s.put(ODD, FILE, f"mtime={MTIME} ")
    w.s.put(b"empty", b"")
    w.s.put(b"./size=3", SMALL)


@step
def listing(w):
    """LIST, STAT and HASH tell the facts of what was sent"""
    entries = w.s.list()
    need(set(entries) == {ODD, b"empty", b"size=3"}, f"listed: {list(entries)}")
    facts = entries[ODD]
    need(facts["type"] == "file" and int(facts["size"]) == len(FILE), f"facts: {facts}")
    need(facts["modify"] == MTIME and facts["mode"].startswith("0"), f"facts: {facts}")
    need(w.s.list("LIST /")[w.place[1:]]["type"] == "dir", "the folder is no dir in /")
    stat = w.s.ask("STAT " + quote(ODD), 213)
    told = stat["type"], stat.number("size"), stat["mtime"]
    need(told == ("file", len(FILE), MTIME), stat.line)
    need(w.s.ask("HASH algo=md5 " + quote(ODD), 213)["md5"] == md5(FILE), "HASH md5")
    sha256 = hashlib.sha256(FILE).hexdigest()
    need(w.s.ask("HASH algo=sha256 " + quote(ODD), 213)["sha256"] == sha256, "HASH sha256")


@step
def account(w):
    """STAT and DF agree on the account, which has room for what is there"""
    status, df = w.s.ask("STAT", 211), w.s.ask("DF", 213)
    need(status["user"] == w.user, status.line)
    for key in ("used", "limit", "staged", "entries", "entries_limit"):
        need(status.number(key) == df.number(key), f"{status.line} but {df.line}")
    need(len(FILE) + len(SMALL) <= df.number("used") <= df.number("limit"), df.line)


@step
def cut(w):
    """an upload cut in the middle of a frame is resumed: 210, 211, 212, 226"""
    need(w.s.offer(b"cut", FILE)[0] == 0, "the upload does not start at 0")
    sent = 3 * MIB
    need(w.s.frames(FILE[:sent], MIB.to_bytes(4, "big") + FILE[sent : sent + 999]) is None, "early")
    w.s.wire.hang_up()
    w.s = w.open()
    w.s.ask("CWD " + quote(w.place), 250)
    offset, reply = w.s.put_again(b"cut", FILE)
    need(reply.code == 210 and 0 < offset <= sent + 999, f"not resumed: {reply.line!r}")
    need(w.s.fill(FILE, offset).code == 226, "the rest was not taken")
    w.holds(b"cut", FILE)


@step
def other_prefix(w):
    """a part of something else is not continued: 210, 200, 212 offset=0"""
    w.leave_part(b"other", LONG[: len(FILE)], MIB)
    offset, reply = w.s.offer(b"other", FILE)
    need((reply.code, offset) == (210, 0), "spliced")
    need(w.s.fill(FILE, 0).code == 226, "not taken")
    w.holds(b"other", FILE)


@step
def given_up(w):
    """410 keeps the part for later"""
    w.leave_part(b"later", FILE, 100_000)
    w.s.ask(f"STOR size={len(FILE)} later", 210)
    w.s.say("410")
    need(w.stages().get(w.at(b"later")) == 100_000, "the part is not kept")
    w.s.put(b"later", FILE)


@step
def download(w):
    """RETR from the start, and start=0 with no turn"""
    w.holds(ODD, FILE)
    w.holds(b"empty", b"")
    w.s.ask("RETR start=0 " + quote(ODD), 150)
    need(w.s.body() == FILE, "start=0 brings something else")
    need(w.s.expect(226)["md5"] == md5(FILE), "226 has another digest")


@step
def resume_download(w):
    """RETR with a proven prefix: 210 and the rest; with the whole: nothing but 226"""
    for have in (1, 2 * MIB + 7, len(FILE)):
        part = bytearray(FILE[:have])
        need(w.s.get(ODD, part) == 210 and part == FILE, f"resume at {have}")


@step
def wrong_prefix(w):
    """RETR with another prefix gets all from the start: 200"""
    part = bytearray(LONG[: 2 * MIB])
    need(w.s.get(ODD, part) == 200 and part == FILE, "spliced")


@step
def offered(w):
    """an offer ends without an answer at 400 and 401, and at any other command"""
    for line in ("400", "401", "NOOP"):
        w.s.ask("RETR " + quote(ODD), 150)
        w.s.say(line)
        if line == "NOOP":
            w.s.expect(200)
        w.s.ask("PWD", 257)


@step
def stop_download(w):
    """ABOR stops a download: frames up to the abort, one 550, and the session lives"""
    w.s.put(b"long", LONG)
    s = w.open(window=32768)
    s.ask("RETR start=0 " + quote(w.at(b"long")), 150)
    pieces = s.pieces()
    got = len(next(pieces))
    s.say("ABOR")
    *rest, last = pieces
    need(last is None and got + sum(map(len, rest)) < len(LONG), "it was sent to its end")
    s.expect(550)
    s.ask("PWD", 257)
    s.ask("ABOR", 226)
    s.ask("220", 221)


@step
def stop_upload(w):
    """an abort frame keeps the part: STAGES shows it, STOR resumes it"""
    w.leave_part(b"stopped", FILE, MIB)
    need(w.stages().get(w.at(b"stopped")) == MIB, "STAGES does not show the part")
    need(b"stopped" not in w.s.list(), "a part is listed")
    w.s.ask("RETR stopped", 404)
    offset, reply = w.s.offer(b"stopped", FILE)
    need((reply.code, offset) == (210, MIB), reply.line)
    need(w.s.fill(FILE, offset).code == 226 and w.at(b"stopped") not in w.stages(), "not resumed")


@step
def drop_part(w):
    """STAGES drop=1 forgets a part, once"""
    w.leave_part(b"dropped", FILE, MIB)
    w.s.ask("STAGES drop=1 dropped", 250)
    need(w.at(b"dropped") not in w.stages(), "still there")
    w.s.ask("STAGES drop=1 dropped", 404)


@step
def replace(w):
    """a file that is there is replaced only on demand"""
    w.s.put(b"./size=3", SMALL, code=200)
    w.s.put(b"./size=3", SMALL[1:], code=550)
    w.s.put(b"./size=3", SMALL[::-1], "replace=1 ")
    w.holds(b"./size=3", SMALL[::-1])


@step
def no_turn(w):
    """STOR go=1 needs no turn; a refused one is discarded up to its 225"""
    for data, code in ((SMALL, 150), (SMALL[1:], 550)):
        w.s.say(f"STOR size={len(data)} go=1 go")
        w.s.wire.send(len(data).to_bytes(4, "big") + data + END)
        w.s.say("225 md5=" + md5(data), "PWD")
        w.s.expect(code)
        if code == 150:
            w.s.expect(226)
        w.s.expect(257)
    w.holds(b"go", SMALL)


@step
def not_verified(w):
    """a wrong digest, too many bytes, too large a frame: one 550, nothing published"""
    w.s.ask(f"STOR size={len(SMALL)} bad", 150)
    w.s.frames(SMALL)
    w.s.ask("225 md5=" + md5(b"else"), 550)
    w.s.ask("STOR size=10 bad", 150)
    w.s.wire.send((20).to_bytes(4, "big") + bytes(20) + END)
    w.s.say("225 md5=" + md5(bytes(20)))
    w.s.expect(550)
    w.s.ask(f"STOR size={4 * MIB} bad", 150)
    w.s.wire.send((MIB + 1).to_bytes(4, "big"))
    w.s.expect(550)
    w.s.wire.send(bytes(MIB + 1) + ABORT)
    w.s.ask("STAT bad", 404)


@step
def over_quota(w):
    """what cannot fit is refused before a byte is sent"""
    reply = w.s.ask(f"STOR size={w.s.ask('DF', 213).number('limit') + 1} huge", 551)
    need(reply.number("needed") > reply.number("available") >= 0, reply.line)


@step
def rename(w):
    """RNFR and 351; a target that exists, a source that does not"""
    w.s.ask("RNFR cut", 350)
    w.s.ask("351 " + quote(b"new \xfe name"), 250)
    w.holds(b"new \xfe name", FILE)
    w.s.ask("RNFR empty", 350)
    w.s.ask("351 other", 401)
    w.s.ask("RNFR cut", 404)


@step
def refused(w):
    """what is missing, of the wrong kind, or above the home"""
    inside = quote(w.place)
    for line, code in (
        ("RETR missing", 404), ("LIST missing", 404), ("STAT missing", 404), ("DELE missing", 404),
        ("HASH algo=md5 missing", 404), ("STOR size=1 missing/x", 404), ("CWD missing", 550),
        ("CWD empty", 550), ("RETR " + inside, 551), ("HASH algo=md5 " + inside, 551),
        ("DELE " + inside, 550), ("CWD ../..", 403), ("RETR /../x", 403),
    ):  # fmt: skip
        w.s.ask(line, code)


@step
def broken(w):
    """lines that are not understood change nothing"""
    for raw, code in (
        (b"WHAT", 500), (b"NOOP \xff", 500), (b"NO\0OP", 500), (b"A" * 9000, 500), (b"SYST x=1", 501),
        (b"RETR start=0 start=0 x", 501), (b"STOR x", 501), (b"CWD a%00b", 501), (b"351 x", 503),
    ):  # fmt: skip
        w.s.wire.send(raw + b"\r\n")
        w.s.expect(code)
        w.s.ask("NOOP", 200)


@step
def pipelined(w):
    """commands sent at once are answered in order"""
    w.s.say("SYST", "PWD", "RETR start=0 ./size=3", "227 x", "NOOP", "DF")
    for code in (215, 257, 150):
        w.s.expect(code)
    need(w.s.body() == SMALL[::-1], "another body")
    for code in (226, 200, 213):
        w.s.expect(code)


@step
def leave(w):
    """DELE of everything, and 220"""
    w.s.ask("CWD /", 250)
    for name in w.s.list("LIST " + quote(w.place)):
        w.s.ask("DELE " + quote(w.at(name)), 250)
    w.s.ask("DELE " + quote(w.place), 250)
    need(not any(name.startswith(w.place) for name in w.stages()), "parts are left")
    w.s.ask("220", 221)
