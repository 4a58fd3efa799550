"""What a name is: the same for every verb, and the names that listings tell are usable."""

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
