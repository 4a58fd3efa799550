"""Every client in every mode, active and passive: files, names, trees, segments, many listings."""

import ftplib, io, os
from ftp.clients import curl, curl_version, get, lftp, library, put, url
from ftp.daemon import Word, free_range
from ftp.sockets import EXPLICIT12, EXPLICIT13, IMPLICIT13, MODES, PLAIN
from ftp.stages import published
from ftp.steps import Failed, Skipped, need, same, step

CLIENTS = ("curl", "lftp", "tnftp", "ftplib")
# tnftp speaks FTP in clear only.
PAIRS = [
    {"client": client, "mode": mode}
    for client in CLIENTS
    for mode in MODES
    if client != "tnftp" or mode is PLAIN
]
NAMES = (
    "Grüße aus Köln", "文件 一", "ファイル", "пример", "e\u0301 decomposed", "💾 & 'x' #1 %41;",
)


def server(w):
    """In clear and under TLS, explicit and implicit, as a client likes."""
    return w.configured(tls=Word("Optional"))


@step("{client}, {mode}: put and get, {way}", "{client}", over=[
    {**pair, "way": way} for pair in PAIRS for way in ("passive", "active")
])
def put_and_get(w, client, mode, way):
    daemon, active = server(w), way == "active"
    if client == "curl" and active and mode.tls and curl_version() in ((7, 87), (7, 88)):
        raise Skipped("curl 7.87 and 7.88 forget TLS in active mode (curl issue 10666)")
    for size in (0, 1, 70_001, 3_000_000):
        name, data = w.fresh(f"{client} put"), os.urandom(size)
        put(client, daemon, w.folder(), w.file(data), name, mode, active)
        same(f"{size} bytes put", published(daemon, name), data)
        same(f"{size} bytes got", get(client, daemon, w.folder(), name, mode, active), data)


@step("{client}, plain: names that are not ASCII", "{client}", over=[
    {"client": client} for client in CLIENTS
])
def names(w, client):
    daemon, mode = server(w), PLAIN
    for text in NAMES:
        name, data = w.fresh(text), os.urandom(5000)
        put(client, daemon, w.folder(), w.file(data), name, mode)
        need((daemon.home() / name).exists(), f"{name!r} is not in the home")
        same(name, get(client, daemon, w.folder(), name, mode), data)


@step("ftplib lists names that are not ASCII, by MLSD and NLST", "ftplib")
def listed_names(w):
    daemon, folder = server(w), w.fresh("names")
    with library(daemon, EXPLICIT13) as ftp:
        ftp.mkd(folder)
        for name in NAMES:
            ftp.storbinary(f"STOR {folder}/{name}", io.BytesIO(b"x"))
        files = {name for name, facts in ftp.mlsd(folder) if facts["type"] == "file"}
        same("MLSD", files, set(NAMES))
        same("NLST", {name.rsplit("/", 1)[-1] for name in ftp.nlst(folder)}, set(NAMES))


@step("lftp, {mode}: mirror a tree up and down", "lftp", over=[{"mode": mode} for mode in MODES])
def mirrors(w, mode):
    daemon, folder, there = server(w), w.folder(), w.fresh("tree")
    plant(folder / "tree")
    lftp(daemon, folder, f'mirror -R tree "{there}"', mode).well()
    same_tree("put", tree(daemon.home() / there), tree(folder / "tree"))
    lftp(daemon, folder, f'mirror "{there}" back', mode).well()
    same_tree("got", tree(folder / "back"), tree(folder / "tree"))


@step("lftp mirrors with four transfers at once, over what is there, and deletes", "lftp")
def mirrors_again(w):
    daemon, folder, there = server(w), w.folder(), w.fresh("tree")
    plant(folder / "tree")
    lftp(daemon, folder, f'mirror -R -P 4 tree "{there}"', EXPLICIT13).well()
    (folder / "tree/a/3.bin").write_bytes(os.urandom(12_345))
    (folder / "tree/a/6.bin").unlink()
    (folder / "tree/new").write_bytes(b"new")
    lftp(daemon, folder, f'mirror -R -P 4 --delete tree "{there}"', EXPLICIT13).well()
    same_tree("put", tree(daemon.home() / there), tree(folder / "tree"))
    lftp(daemon, folder, f'mirror -P 4 "{there}" back; rm -r "{there}"', EXPLICIT13).well()
    same_tree("got", tree(folder / "back"), tree(folder / "tree"))
    need(not (daemon.home() / there).exists(), "rm -r left the tree")


@step("lftp, {mode}: four segments at once", "lftp",
      over=[{"mode": mode} for mode in (PLAIN, EXPLICIT12, EXPLICIT13, IMPLICIT13)])
def segments(w, mode):
    daemon, folder, name, data = server(w), w.folder(), w.fresh("big"), os.urandom(12_000_001)
    put("lftp", daemon, w.folder(), w.file(data), name)
    lftp(daemon, folder, f"pget -n 4 {name} -o got", mode).well()
    same("what pget got", (folder / "got").read_bytes(), data)


@step("ftplib makes, renames, stamps and removes", "ftplib")
def upkeep(w):
    daemon, folder = server(w), w.fresh("folder")
    with library(daemon, EXPLICIT13) as ftp:
        same("MKD", ftp.mkd(folder).rsplit("/", 1)[-1], folder)
        ftp.cwd(folder)
        ftp.storbinary("STOR one", io.BytesIO(b"1234"))
        ftp.rename("one", "two")
        same("SIZE", ftp.size("two"), 4)
        ftp.voidcmd("MFMT 20010203040506 two")
        same("MDTM", ftp.voidcmd("MDTM two"), "213 20010203040506")
        same("PWD", ftp.pwd(), f"/{folder}")
        try:
            ftp.rmd(f"/{folder}")
            raise Failed("a folder with a file in it was removed")
        except ftplib.error_perm:
            pass
        ftp.delete("two")
        ftp.cwd("/")
        ftp.rmd(folder)
    need(not (daemon.home() / folder).exists(), "the folder is still there")


@step("ftplib, {mode}: 1,000 listings in a row from 6 passive ports", "ftplib",
      over=[{"mode": PLAIN}, {"mode": EXPLICIT13}])
def listings(w, mode):
    with library(six_ports(w), mode) as ftp:
        for turn in range(1000):
            command = ("MLSD", "LIST", "NLST")[turn % 3]
            try:
                ftp.retrlines(command, lambda line: None)
            except ftplib.Error as error:
                raise Failed(f"listing {turn + 1}: {error}") from error


@step("lftp and curl: 300 listings in a row from 6 passive ports", "lftp", "curl")
def client_listings(w):
    daemon = six_ports(w)
    said = lftp(daemon, w.folder(), "set cache:enable no; repeat -d 0 -c 300 cls -1").well()
    same("names listed by lftp", said.split(), ["one"] * 300)
    # One process of curl lists again and again over the same session.
    again = [url(daemon, PLAIN, "")] * 29
    for _ in range(10):
        said = curl(daemon, w.folder(), "", "-l", *again).well()
        same("names listed by curl", said.split(), ["one"] * 30)


def six_ports(w):
    if not hasattr(w, "six"):
        w.six = free_range(6)
    daemon = w.configured(tls=Word("Optional"), passive_ports=w.six)
    (daemon.home() / "one").write_bytes(b"1")
    return daemon


def plant(root):
    """A tree with all that is awkward: depth, no bytes, no files, blanks, names of every kind."""
    for number in range(12):
        file = root / "abc"[number % 3] / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(number * 4099))
    deep = root / "d/e/f/g/h"
    deep.mkdir(parents=True)
    (deep / "leaf").write_bytes(b"leaf")
    (root / "empty folder").mkdir()
    for name in (*NAMES, "no bytes", ".hidden", "two  blanks"):
        (root / name).write_bytes(name.encode() if name != "no bytes" else b"")


def tree(root):
    """Each path with its bytes; None for a folder."""
    inside = sorted(root.rglob("*"))
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in inside
    }


def same_tree(what, got, expected):
    different = {path for path in got.keys() | expected.keys()
                 if got.get(path, "absent") != expected.get(path, "absent")}
    first = sorted(different)[:5]
    need(not different, f"the tree {what} differs in {len(different)} paths: {first}")
