"""What a name is: the same for every verb, and the names that listings tell are usable."""

import hashlib, os, re
from ftp.clients import lftp, tnftp
from ftp.daemon import Word
from ftp.steps import need, same, step
from ftp.wire import Ftp


def place(w):
    """A daemon, and a new folder in tom's home with a name of its own."""
    daemon = w.configured(tls=Word("Optional"))
    folder = daemon.home() / w.fresh("names")
    folder.mkdir()
    return daemon, folder


def entry(ftp, path):
    """The line of facts that MLST tells."""
    return ftp.ask(f"MLST {path}", 250).lines[1]


@step("a link is listed as a link, by every verb, with where it leads")
def links(w):
    daemon, folder = place(w)
    (folder / "dir").mkdir()
    (folder / "dir" / "file").write_bytes(b"content")
    told = {
        "to-dir": ("dir", "dir"), "to-file": ("dir/file", "dir/file"), "self": (".", "."),
        "out": ("/etc", "?"), "nowhere": ("missing", "missing"), "blank": ("a b", "a b"),
    }
    for name, (target, _) in told.items():
        (folder / name).symlink_to(target)
    ftp = Ftp(daemon)
    ftp.ask(f"CWD {folder.name}", 250)
    same("links", sum(b" -> " in line for line in ftp.names("LIST")), len(told))
    for name, (_, leads) in told.items():
        line = next(l for l in ftp.names("LIST") if f" {name} -> ".encode() in l)
        need(line.startswith(b"lrwxrwxrwx "), f"LIST: {line!r}")
        need(line.endswith(f" {name} -> {leads}".encode()), f"LIST: {line!r}")
        fact = f"type=OS.unix=slink:{'?' if ' ' in leads else leads};"
        need(any(l.startswith(fact.encode()) and l.endswith(f"; {name}".encode())
                 for l in ftp.names("MLSD")), f"MLSD: no {fact} of {name}")
        need(entry(ftp, name).startswith(f" {fact}"), f"MLST: {entry(ftp, name)!r}")
        if name in ("to-dir", "self"):
            ftp.ask(f"CWD {name}", 250)
            ftp.ask("CDUP", 250)
            need(ftp.names(f"LIST {name}"), f"LIST {name} is empty")
        else:
            same(f"LIST {name}", ftp.names(f"LIST {name}"), [line])
            ftp.ask(f"CWD {name}", 550)
    same("RETR to-file", ftp.get("to-file"), b"content")
    for name, verb in zip(told, ("RMD", "DELE", "RMD", "DELE", "RMD", "DELE")):
        ftp.ask(f"{verb} {name}", 250)
    same("what is left", sorted(p.name for p in folder.iterdir()), ["dir"])
    same("what was led to", (folder / "dir" / "file").read_bytes(), b"content")


@step("lftp: rm -r of a link leaves what it leads to, and a mirror goes round no loop", "lftp")
def lftp_links(w):
    daemon, folder = place(w)
    (folder / "dir").mkdir()
    (folder / "dir" / "file").write_bytes(b"content")
    (folder / "dir" / "self").symlink_to(".")
    (folder / "dlink").symlink_to("dir")
    here = w.folder()
    lftp(daemon, here, f"mirror {folder.name}/dir got").well()
    same("mirrored", sorted(p.name for p in (here / "got").rglob("*")), ["file", "self"])
    need((here / "got" / "self").is_symlink(), "the link is mirrored as a directory")
    lftp(daemon, here, f"rm -r {folder.name}/dlink").well()
    same("left", sorted(p.name for p in folder.rglob("*")), ["dir", "file", "self"])


NLST = {
    "": ["a.txt", "b", "sub"], ".": ["a.txt", "b", "sub"], "*.txt": ["a.txt"],
    "sub": ["sub/a.txt", "sub/c"], "sub/": ["sub/a.txt", "sub/c"], "./sub": ["./sub/a.txt", "./sub/c"],
    "sub/*.txt": ["sub/a.txt"], "sub/a.txt": ["sub/a.txt"], "a.txt": ["a.txt"],
    "-1 sub/?": ["sub/c"], "sub/none*": [],
}


@step("NLST tells names that can be used from where the client stands")
def usable_names(w):
    daemon, folder = place(w)
    for name in ("a.txt", "b", "sub/a.txt", "sub/c"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    ftp = Ftp(daemon)
    ftp.ask(f"CWD {folder.name}", 250)
    root = f"/{folder.name}"
    rows = {**NLST, f"{root}/sub": [f"{root}/sub/a.txt", f"{root}/sub/c"]}
    for argument, names in rows.items():
        told = sorted(name.decode() for name in ftp.names(f"NLST {argument}".rstrip()))
        same(f"NLST {argument}", told, names)
        for name in told:
            if not name.endswith("sub"):
                path = folder / name if name[0] != "/" else daemon.home() / name[1:]
                same(f"RETR {name}", ftp.get(name), path.read_bytes())
    ftp.ask("CWD sub", 250)
    same("NLST ..", sorted(ftp.names("NLST ..")), [b"../a.txt", b"../b", b"../sub"])


@step("mdelete of a pattern in another directory deletes there, and nothing here", "tnftp")
def mdelete(w):
    daemon, folder = place(w)
    for name in ("a.txt", "b.txt", "old/a.txt", "old/b.txt", "old/c"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    tnftp(daemon, w.folder(), f"cd {folder.name}", "prompt off", "mdelete old/*.txt").well()
    left = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    same("left", left, ["a.txt", "b.txt", "old/c"])


class Thing:
    """Something that has a name: its kind, and the kind of what it leads to inside the home."""

    def __init__(self, name, kind, leads=None, full=False):
        self.name, self.kind, self.full = name, kind, full
        self.leads = leads if kind == "link" else kind

    def make(self, folder):
        path = folder / self.name
        if self.kind == "file":
            path.write_bytes(b"content")
        elif self.kind == "dir":
            path.mkdir()
            if self.full:
                (path / "inner").write_bytes(b"inner")
        elif self.kind == "fifo":
            os.mkfifo(path)
        elif self.kind == "link":
            (folder / "target file").write_bytes(b"content")
            (folder / "target dir").mkdir()
            (folder / "target dir" / "inner").write_bytes(b"inner")
            targets = {"file": "target file", "dir": "target dir", "out": "/etc/passwd"}
            path.symlink_to(targets.get(self.leads, "nowhere"))


THINGS = [
    Thing("file", "file"), Thing("name with blanks.txt", "file"), Thing("-dash", "file"),
    Thing("empty", "dir"), Thing("full", "dir", full=True), Thing("fifo", "fifo"),
    Thing("to file", "link", "file"), Thing("to dir", "link", "dir"),
    Thing("dangling", "link", "nothing"), Thing("out", "link", "out"), Thing("missing", None),
]
TYPES = {"file": "file", "dir": "dir", "fifo": "OS.unix=other", "link": "OS.unix=slink:"}
LETTERS = {"file": "-", "dir": "d", "fifo": "p", "link": "l"}


def ask(ftp, line, *_):
    return ftp.answer(line).code


def fetch(ftp, line, thing):
    """The final code, and where a listing is given, what it says of the thing."""
    reply, lane = ftp.begin(line)
    if not lane:
        return reply.code
    got = lane.read()
    if line.startswith("RETR"):
        same(line, got, b"content")
    elif line.startswith("MLSD") or thing.leads == "dir":
        same(line, b"inner" in got, thing.leads == "dir" and (thing.full or thing.kind == "link"))
    elif line.startswith("NLST"):
        same(line, got.decode(), f"{thing.name}\r\n")
    else:
        need(got.decode()[0] == LETTERS[thing.kind] and got.count(b"\n") == 1, f"{line}: {got!r}")
    return ftp.reply().code


def send(ftp, line, *_):
    reply, lane = ftp.begin(line)
    if not lane:
        return reply.code
    lane.finish(b"new")
    return ftp.reply().code


def rename_over(ftp, line, *_):
    ftp.store("source", b"source")
    ftp.ask("RNFR source", 350)
    return ftp.answer(line).code


def entry_of(ftp, line, thing):
    reply = ftp.answer(line)
    if reply.code == 250:
        need(reply.lines[1].startswith(f" type={TYPES[thing.kind]}"), f"{line}: {reply!r}")
    return reply.code


def on(codes, truth):
    return codes[0 if truth else 1]


# For each verb that takes a path: how it is asked, and its code for a thing.
USES = {
    "CWD": (ask, lambda t: on((250, 550), t.leads == "dir")),
    "RETR": (fetch, lambda t: on((226, 550), t.leads == "file")),
    "STOR": (send, lambda t: on((226, 550), t.leads in ("file", "nothing", None))),
    "APPE": (send, lambda t: on((226, 550), t.leads in ("file", "nothing", None))),
    "STOU": (send, lambda t: 226),
    "RNFR": (ask, lambda t: on((350, 550), t.kind)),
    "RNTO": (rename_over, lambda t: on((250, 550), t.kind in ("file", None))),
    "DELE": (ask, lambda t: on((250, 550), t.kind not in ("dir", None))),
    "RMD": (ask, lambda t: on((250, 550), t.kind == "link" or t.kind == "dir" and not t.full)),
    "MKD": (ask, lambda t: on((257, 550), not t.kind)),
    "LIST": (fetch, lambda t: on((226, 550), t.kind)),
    "NLST": (fetch, lambda t: on((226, 550), t.kind)),
    "STAT": (ask, lambda t: on((213, 550), t.kind)),
    "MLST": (entry_of, lambda t: on((250, 550), t.kind)),
    "MLSD": (fetch, lambda t: 226 if t.leads == "dir" else on((501, 550), t.kind)),
    "SIZE": (ask, lambda t: on((213, 550), t.leads == "file")),
    "MDTM": (ask, lambda t: on((213, 550), t.leads == "file")),
    "MFMT 20260102030405": (ask, lambda t: on((213, 550), t.leads in ("file", "dir"))),
    "AVBL": (ask, lambda t: on((213, 550), t.leads == "dir")),
    "HASH": (ask, lambda t: on((213, 550), t.leads == "file")),
    "XMD5": (ask, lambda t: on((250, 550), t.leads == "file")),
    "SITE UTIME 20260102030405": (ask, lambda t: on((213, 550), t.leads in ("file", "dir"))),
    "SITE SYMLINK beside": (ask, lambda t: on((257, 550), not t.kind)),
    "SITE CHMOD 755": (ask, lambda t: on((200, 550), t.leads in ("file", "dir"))),
}
ALIKE = {"XCWD": "CWD", "XRMD": "RMD", "XMKD": "MKD", "XSHA256": "XMD5", "XSHA512": "XMD5"}
USES |= {
    name: (USES[other][0], lambda t, code=USES[other][1]: code(t)) for name, other in ALIKE.items()
}


@step("what a name is does not depend on the verb that asks: {thing}",
      over=[{"thing": thing} for thing in THINGS])
def agreement(w, thing):
    daemon, _ = place(w)
    ftp, wrong = Ftp(daemon), []
    for verb, (use, code) in USES.items():
        folder = daemon.home() / w.fresh("thing")
        folder.mkdir()
        thing.make(folder)
        (folder / "beside").touch()
        ftp.ask(f"CWD /{folder.name}", 250)
        got = use(ftp, f"{verb} {thing.name}", thing)
        if got != code(thing):
            wrong.append(f"{verb}: {got} instead of {code(thing)}")
        if thing.kind == "link":
            same(f"{verb}: behind the link", (folder / "target dir" / "inner").read_bytes(), b"inner")
            need((folder / "target file").exists(), f"{verb} removes what is behind the link")
    need(not wrong, "; ".join(wrong))


@step("every verb that takes a path has a row in the table of uses")
def every_verb(w):
    daemon, _ = place(w)
    ftp, seen = Ftp(daemon), set()
    overview = " ".join(ftp.ask("HELP", 214).lines[1:-1])
    names = [name for name in overview.split() if not name.endswith("*")]
    need("RETR" in names, f"HELP: {overview!r}")
    for line in [ftp.ask(f"HELP {name}", 214).lines[-1] for name in names if name != "SITE"]:
        verb, _, syntax = line[4:].partition(" ")
        if "PATH" in syntax.split(":")[0]:
            seen.add(verb)
    for line in ftp.ask("HELP SITE", 214).lines[1:-1]:
        if " PATH" in line.split(":")[0]:
            seen.add(" ".join(line.split()[:2]))
    tried = {" ".join(use.split()[:2 if use.startswith("SITE") else 1]) for use in USES}
    same("verbs with a path", sorted(seen), sorted(tried))


@step("a digest that is asked for is that of the bytes on the disk, whatever their time")
def digests(w):
    daemon, folder = place(w)
    ftp, data = Ftp(daemon), b"content"
    ftp.ask(f"CWD {folder.name}", 250)
    ftp.store("file", data)
    for round in range(3):
        for verb, digest in (("XMD5", "md5"), ("XSHA256", "sha256"), ("HASH", "sha256")):
            told = ftp.ask(f"{verb} file", 213, 250).text
            need(hashlib.new(digest, data).hexdigest() in told, f"{verb}: {told!r}, round {round}")
        times = (folder / "file").stat()
        data = bytes([round]) + data[1:]
        (folder / "file").write_bytes(data)
        os.utime(folder / "file", ns=(times.st_atime_ns, times.st_mtime_ns))
