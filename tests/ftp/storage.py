"""What is stored: digests that are remembered, quotas, what the two dialects tell of each other."""

import hashlib, os, re, subprocess
from ftp.clients import curl, lftp
from ftp.daemon import Word
from ftp.sockets import EXPLICIT12, EXPLICIT13, PLAIN, receive
from ftp.stages import published
from ftp.steps import need, same, step
from ftp.wire import Ftp

MIB = 1 << 20
QUOTA = 2_000_000


def native_put(w, daemon, data, name, *options):
    """A file by way of skiff, with its digest verified at both ends."""
    code, said = native_command(w, daemon, data, name, f"put {name}", *options)
    need(code == 0, f"skiff ended with {code}: {said}")


def native_command(w, daemon, data, name, command, *options):
    """The exit code of a command of skiff where `name` holds `data`, and what it said."""
    folder = w.folder("native")
    (folder / name).write_bytes(data)
    (folder / "password").write_text("123\n")
    (folder / "password").chmod(0o600)
    argv = [w.binaries / "skiff", f"tom@127.0.0.1:{daemon.port('native')}", "--trust", "new", "-q"]
    argv += ["--password-file", folder / "password", "-c", command, *options]
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, timeout=30)
    return done.returncode, repr(done.stderr[-500:])


def digest_in(reply, expected):
    need(expected in reply.text.lower().split(), f"got {reply!r}, the digest is {expected}")


@step("a file put natively: FTP serves it, and reads it when its digest is asked for")
def asked(w):
    daemon, data = w.demo(), os.urandom(32 * MIB)
    for verified, other in (("md5", "sha256"), ("sha256", "md5")):
        name = w.fresh("native")
        native_put(w, daemon, data, name, "--digest", verified)
        ftp = Ftp(daemon)
        # What is remembered of it is not told: the disk may have changed.
        for algorithm in (verified, other, other, verified):
            before, expected = daemon.bytes_read(), hashlib.new(algorithm, data).hexdigest()
            digest_in(ftp.ask(f"X{algorithm} {name}", 213, 250), expected)
            read = daemon.bytes_read() - before
            need(read // MIB == 32, f"{read} bytes were read, put by {verified}")
        same("RETR", ftp.get(name), data)


@step("a file put by FTP: XMD5, XSHA256, HASH and RANG")
def digests(w):
    ftp, name, data = Ftp(w.demo()), w.fresh("hashed"), os.urandom(300_000)
    ftp.store(name, data)
    digest_in(ftp.ask(f"XMD5 {name}", 213, 250), hashlib.md5(data).hexdigest())
    digest_in(ftp.ask(f"XSHA256 {name}", 213, 250), hashlib.sha256(data).hexdigest())
    for algorithm in ("MD5", "SHA-256", "SHA-512"):
        ftp.ask(f"OPTS HASH {algorithm}", 200)
        digest = hashlib.new(algorithm.replace("-", "").lower())
        digest.update(data)
        reply = ftp.ask(f"HASH {name}", 213)
        digest_in(reply, digest.hexdigest())
        need(f" 0-{len(data)} " in reply.text, f"no range in {reply!r}")
    ftp.ask("OPTS HASH MD5", 200)
    # RANG ends with the last byte (draft-bryan-ftp-range); HASH tells the offset behind it.
    ftp.ask("RANG 0 99999", 350)
    digest_in(ftp.ask(f"HASH {name}", 213), hashlib.md5(data[:100_000]).hexdigest())
    digest_in(ftp.ask(f"HASH {name}", 213), hashlib.md5(data).hexdigest())


@step("a digest follows the file: APPE, REST, a write behind the daemon's back")
def digest_changes(w):
    daemon, name = w.demo(), w.fresh("changed")
    ftp = Ftp(daemon)
    ftp.store(name, b"one")
    digest_in(ftp.ask(f"XMD5 {name}", 213, 250), hashlib.md5(b"one").hexdigest())
    ftp.store(name, b"two", verb="APPE")
    digest_in(ftp.ask(f"XMD5 {name}", 213, 250), hashlib.md5(b"onetwo").hexdigest())
    ftp.store(name, b"X", rest=3)
    digest_in(ftp.ask(f"XMD5 {name}", 213, 250), hashlib.md5(b"oneX").hexdigest())
    (daemon.home() / name).write_bytes(b"behind its back")
    digest_in(ftp.ask(f"XMD5 {name}", 213, 250), hashlib.md5(b"behind its back").hexdigest())


@step("a file put by FTP comes down natively, and back")
def both_ways(w):
    daemon, name, data = w.demo(), w.fresh("across"), os.urandom(200_000)
    Ftp(daemon).store(name, b"old")
    ftp = Ftp(daemon)
    ftp.ask(f"DELE {name}", 250)
    native_put(w, daemon, data, name)
    same("by FTP", ftp.get(name), data)


# Directories that may not be written.


@step("a directory that may not be written: refused before a byte, in both dialects")
def closed_directory(w):
    daemon, there, name = w.powerless(), w.fresh("closed"), w.fresh("file")
    ftp = Ftp(daemon)
    ftp.ask(f"MKD {there}", 257)
    ftp.ask(f"CWD {there}", 250)
    ftp.store(name, b"old")
    folder = daemon.home() / there
    folder.chmod(0o555)
    for line in (f"STOR {name}", "STOR new", "STOU new"):
        ftp.refused(line, 550)
    ftp.refused(f"STOR {name}", 550, rest=1)
    code, said = native_command(w, daemon, bytes(1000), name, f"put -f {name} {there}/{name}")
    need(code == 1 and "permission" in said, f"skiff ended with {code}: {said}")
    same("the file", published(daemon, f"{there}/{name}"), b"old")
    same("the stages", daemon.stages(), {})
    ftp.store(name, b" and new", verb="APPE")
    folder.chmod(0o755)
    ftp.store(name, b"new")


@step("a directory that is closed while an upload runs: 550, and nothing is kept")
def closed_meanwhile(w):
    daemon, there = w.powerless(), w.fresh("closing")
    ftp = Ftp(daemon)
    ftp.ask(f"MKD {there}", 257)
    before = free(ftp)
    lane = ftp.open(f"STOR {there}/file")
    lane.send(os.urandom(300_000))
    (daemon.home() / there).chmod(0o555)
    lane.finish()
    ftp.expect(550)
    same("the stages", daemon.stages(), {})
    same("AVBL", free(ftp), before)
    (daemon.home() / there).chmod(0o755)


# Quota.


def small(w):
    """A daemon whose users may store little; tom's home is emptied."""
    daemon = w.configured(tls=Word("Optional"), quota=f"{QUOTA}")
    ftp = Ftp(daemon)
    for name in ftp.names("NLST"):
        ftp.ask(b"DELE " + name, 250)
    return daemon


def free(ftp):
    return int(re.search(r"\d+", ftp.ask("AVBL", 213).text[4:])[0])


@step("quota: an upload over it ends with 552 in one line, and leaves no file")
def over_quota(w):
    daemon, name = small(w), w.fresh("over")
    ftp = Ftp(daemon)
    reply = ftp.put(name, os.urandom(QUOTA + MIB))
    same("the reply", (reply.code, len(reply.lines)), (552, 1))
    same("the file", published(daemon, name), None)
    ftp.alive()
    ftp.answer(f"DELE {name}")
    ftp.store(w.fresh("fits"), os.urandom(QUOTA // 2))


@step("quota, {mode}: an upload over it is answered while its client still waits, and not kept",
      over=[{"mode": EXPLICIT12}, {"mode": EXPLICIT13}])
def over_quota_tls(w, mode):
    daemon, name = small(w), w.fresh("over")
    ftp, before = Ftp(daemon, mode), daemon.stages()
    lane = ftp.open(f"STOR {name}")
    lane.send(os.urandom(QUOTA + MIB))
    same("the data connection", receive(lane.sock), b"")
    ftp.expect(552)
    same("the stages", daemon.stages(), before)
    ftp.store(w.fresh("fits"), os.urandom(QUOTA // 2))


@step("quota, {mode}: lftp mirror -R stores all files but the one that does not fit", "lftp",
      over=[{"mode": PLAIN}, {"mode": EXPLICIT13}])
def mirrored(w, mode):
    daemon, folder = w.configured(tls=Word("Optional"), quota="24MiB"), w.folder()
    there = w.fresh("mirrored")
    Ftp(daemon).ask(f"MKD {there}", 257)
    files = {"0": os.urandom(30_000_000), **{name: os.urandom(1_000_000) for name in "123"}}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    code, said = lftp(daemon, folder, f"mirror -R -x ^[.] . {there}", mode).wait()
    need(code != 0, "lftp takes a file over quota for done")
    need("552" in said or "quota" in said.lower(), f"lftp says {said!r}")
    same("0", published(daemon, f"{there}/0"), None)
    for name in "123":
        same(name, published(daemon, f"{there}/{name}"), files[name])
    same("the stages", daemon.stages(), {})


@step("quota: the old file stays when its replacement does not fit")
def over_quota_again(w):
    daemon, name, old = small(w), w.fresh("over"), os.urandom(1000)
    ftp = Ftp(daemon)
    ftp.store(name, old)
    for verb in ("STOR", "APPE"):
        same(verb, ftp.put(name, os.urandom(QUOTA + MIB), verb=verb).code, 552)
        same("the file", published(daemon, name), old)


@step("quota: ALLO answers 552 at once, and a replacement needs the difference only")
def announced(w):
    daemon, name = small(w), w.fresh("allo")
    ftp = Ftp(daemon)
    ftp.ask(f"ALLO {QUOTA + 1}", 552)
    ftp.ask(f"ALLO {QUOTA // 2}", 200, 202)
    ftp.store(name, os.urandom(QUOTA * 3 // 4))
    ftp.store(name, os.urandom(QUOTA * 3 // 4 + 1000))
    same("another file", ftp.put(w.fresh("allo"), os.urandom(QUOTA // 2)).code, 552)


@step("quota: AVBL and SITE QUOTA tell it to the byte")
def told(w):
    daemon, name = small(w), w.fresh("told")
    ftp = Ftp(daemon)
    before = free(ftp)
    ftp.store(name, os.urandom(123_456))
    same("AVBL after 123,456 bytes", free(ftp), before - 123_456)
    text = ftp.ask("SITE QUOTA", 200, 211, 213, 214).text
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)}
    need({QUOTA - before + 123_456, QUOTA} <= numbers, f"used and limit are not in {text!r}")
    ftp.ask(f"DELE {name}", 250)
    same("AVBL after DELE", free(ftp), before)


@step("quota: {client} shows the 552", "{client}", over=[{"client": "curl"}, {"client": "lftp"}])
def shown(w, client):
    daemon, folder = small(w), w.folder()
    (folder / "big").write_bytes(os.urandom(QUOTA + MIB))
    run = curl(daemon, folder, "big", "-v", "-T", "big") if client == "curl" else lftp(
        daemon, folder, "put big")
    code, said = run.wait()
    need(code != 0, f"{client} takes an upload over quota for done")
    need("552" in said or "quota" in said.lower(), f"{client} says {said!r}")
    same("the file", published(daemon, "big"), None)


@step("quota: eight uploads at once never pass it")
def at_once(w):
    daemon = small(w)
    sessions = [Ftp(daemon) for _ in range(8)]
    lanes = [ftp.open(f"STOR {w.fresh('at once')}") for ftp in sessions]
    for _ in range(40):
        for lane in lanes:
            try:
                lane.send(bytes(10_000))
            except OSError:
                pass
    for lane in lanes:
        lane.finish()
    codes = [ftp.reply().code for ftp in sessions]
    need(set(codes) <= {226, 552} and 552 in codes, f"the codes are {codes}")
    inside = sum(path.stat().st_size for path in daemon.home().glob("at once*"))
    need(inside + sum(daemon.stages().values()) <= QUOTA, f"{inside} bytes are stored")
