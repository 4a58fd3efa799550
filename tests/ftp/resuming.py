"""The same table with real clients, and clients that were killed half-way, up and down."""

import os
from ftp.clients import curl, lftp, library, library_put, tnftp
from ftp.sockets import EXPLICIT12, EXPLICIT13, PLAIN
from ftp.stages import Watch, leave_stage, published, until_idle
from ftp.steps import need, same, step, until
from ftp.wire import Ftp

WHOLE, STAGED, SLOW = 900_000, 412_345, 1_500_000
ROWS = ("a stage", "a file", "a file and a stage", "a longer file and a stage")
MODES = (PLAIN, EXPLICIT12, EXPLICIT13)
TABLE = [{"row": row, "mode": mode} for row in ROWS for mode in MODES]


class Case:
    """A local file, and what the server has of its name."""

    def __init__(self, w, row):
        self.daemon, self.folder, self.row = w.demo(), w.folder(), row
        self.name, self.data = w.fresh("resume"), os.urandom(WHOLE)
        self.local = self.folder / self.name
        self.local.write_bytes(self.data)
        # A file alone is an earlier part of the same one; beside a stage it is another one.
        lengths = {"a file and a stage": 1000, "a longer file and a stage": STAGED + 5000}
        self.old = self.data[:STAGED] if row == "a file" else os.urandom(lengths.get(row, 0))
        if "file" in row:
            library_put(self.daemon, self.name, self.old)
        if "stage" in row:
            leave_stage(self.daemon, self.name, self.data[:STAGED])

    def becomes(self, expected):
        same(f"the file after {self.row}", published(self.daemon, self.name), expected)


@step("curl -C - over {row}, {mode}", "curl", over=TABLE)
def curl_continues(w, row, mode):
    case = Case(w, row)
    curl(case.daemon, case.folder, case.name, "-T", case.local, "-C", "-", mode=mode).well()
    case.becomes(case.data)


@step("curl --append over {row}, {mode}", "curl", over=TABLE)
def curl_appends(w, row, mode):
    case = Case(w, row)
    before = case.data[:STAGED] if row == "a stage" else case.old
    curl(case.daemon, case.folder, case.name, "-T", case.local, "--append", mode=mode).well()
    case.becomes(before + case.data)


@step("lftp {verb} over {row}, {mode}", "lftp",
      over=[{"verb": verb, **facts} for verb in ("put -c", "reput") for facts in TABLE])
def lftp_continues(w, verb, row, mode):
    case = Case(w, row)
    lftp(case.daemon, case.folder, f"{verb} {case.name}", mode).well()
    case.becomes(case.data)


@step("lftp mirror -R {more} over {row}", "lftp",
      over=[{"more": more, "row": row} for more in ("", "--continue") for row in ROWS])
def lftp_mirrors(w, more, row):
    case = Case(w, row)
    lftp(case.daemon, case.folder, f"mirror -R {more} -i {case.name} . .").well()
    case.becomes(case.data)


@step("as FileZilla does over {row}, {mode}: the size from the listing, REST and STOR", over=TABLE)
def filezilla_continues(w, row, mode):
    case = Case(w, row)
    ftp = Ftp(case.daemon, mode)
    size = listed_size(ftp, case.name)
    if size is None:
        ftp.store(case.name, case.data)
    elif row == "a longer file and a stage":
        ftp.refused(f"STOR {case.name}", 554, rest=size)
    else:
        ftp.store(case.name, case.data[size:], rest=size)
    case.becomes(case.old if row == "a longer file and a stage" else case.data)


def listed_size(ftp, name):
    """What MLSD says, None where the name is not listed."""
    for line in ftp.names("MLSD"):
        facts, _, entry = line.decode().partition("; ")
        if entry == name:
            return int(dict(fact.split("=", 1) for fact in facts.lower().split(";"))["size"])
    return None


@step("tnftp: restart and put over a stage", "tnftp")
def tnftp_restarts(w):
    case = Case(w, "a stage")
    tnftp(case.daemon, case.folder, f"restart {STAGED}", f"put {case.name}").well()
    case.becomes(case.data)


@step("ftplib: rest= over a stage, {mode}", "ftplib", over=[{"mode": mode} for mode in MODES])
def ftplib_restarts(w, mode):
    case = Case(w, "a stage")
    with library(case.daemon, mode) as ftp, open(case.local, "rb") as file:
        ftp.voidcmd("TYPE I")
        at = ftp.size(case.name)
        file.seek(at)
        ftp.storbinary(f"STOR {case.name}", file, rest=at)
    case.becomes(case.data)


@step("{client}, {mode}: all but the end of an upload had come, and is continued", "{client}",
      over=[{"client": client, "mode": mode} for client in ("curl", "lftp") for mode in MODES])
def all_but_the_end(w, client, mode):
    """Whoever is told the whole size says that all is well, and nothing is there."""
    case, watch = Case(w, "nothing"), Watch(w.demo())
    ftp = Ftp(case.daemon, mode)
    lane = ftp.open(f"STOR {case.name}")
    lane.send(case.data)
    watch.holds(WHOLE)
    ftp.drop(reset=True)
    until_idle(case.daemon, case.name)
    same("SIZE", Ftp(case.daemon).ask(f"SIZE {case.name}", 213).text, f"213 {WHOLE - 1}")
    if client == "curl":
        curl(case.daemon, case.folder, case.name, "-T", case.local, "-C", "-", mode=mode).well()
    else:
        lftp(case.daemon, case.folder, f"put -c {case.name}", mode).well()
    case.becomes(case.data)


# Clients that were killed.


@step("curl, {mode}: an upload killed half-way is continued", "curl",
      over=[{"mode": mode} for mode in MODES])
def curl_killed_up(w, mode):
    up_again(w, mode, lambda case, slow: curl(
        case.daemon, case.folder, case.name, "-T", case.local,
        *(("--limit-rate", SLOW) if slow else ("-C", "-")), mode=mode,
    ))


@step("lftp, {mode}: an upload killed half-way is continued", "lftp",
      over=[{"mode": mode} for mode in MODES])
def lftp_killed_up(w, mode):
    slow_first = f"set net:limit-rate 0:{SLOW}; put"
    up_again(w, mode, lambda case, slow: lftp(
        case.daemon, case.folder, f"{slow_first if slow else 'put -c'} {case.name}", mode,
    ))


def up_again(w, mode, client):
    """Kills the first process when much has arrived; the second continues, once it may."""
    case = Fresh(w)
    watch = Watch(case.daemon)
    first = client(case, True)
    watch.reaches(WHOLE)
    first.kill()
    until_idle(case.daemon, case.name)
    there = published(case.daemon, case.name)
    need(there is None, f"{len(there or b'')} bytes have the name (all of them: killed too late)")
    need(watch.size(), "the stage is gone")
    client(case, False).well()
    same("the file", published(case.daemon, case.name), case.data)


class Fresh:
    """A local file of many seconds at the pace of SLOW, unknown to the server."""

    def __init__(self, w):
        self.daemon, self.folder = w.demo(), w.folder()
        self.name, self.data = w.fresh("killed"), os.urandom(20 * WHOLE)
        self.local = self.folder / self.name
        self.local.write_bytes(self.data)


@step("{client}, {mode}: a download killed half-way is continued", "{client}", over=[
    {"client": client, "mode": mode}
    for client in ("curl", "lftp", "lftp pget", "tnftp") for mode in MODES
    if client != "tnftp" or mode is PLAIN
])
def killed_down(w, client, mode):
    case = Fresh(w)
    library_put(case.daemon, case.name, case.data)
    case.local.unlink()
    first = download(case, client, mode, True)
    until("half of the download", lambda: here(case.local) >= WHOLE)
    first.kill()
    need(client == "lftp pget" or here(case.local) < len(case.data), "killed too late")
    download(case, client, mode, False).well()
    same("what was got", case.local.read_bytes(), case.data)


@step("ftplib, {mode}: a download cut half-way is continued", "ftplib",
      over=[{"mode": mode} for mode in MODES])
def library_cut(w, mode):
    case, got = Fresh(w), []
    library_put(case.daemon, case.name, case.data)
    first = library(case.daemon, mode)
    first.voidcmd("TYPE I")
    lane = first.transfercmd(f"RETR {case.name}")
    while sum(map(len, got)) < WHOLE:
        got.append(lane.recv(65536))
    lane.close()
    first.close()
    with library(case.daemon, mode) as ftp:
        ftp.retrbinary(f"RETR {case.name}", got.append, rest=sum(map(len, got)))
    same("what was got", b"".join(got), case.data)


def download(case, client, mode, slow):
    if client == "curl":
        how = ("--limit-rate", SLOW) if slow else ("-C", "-")
        return curl(case.daemon, case.folder, case.name, "-o", case.local, *how, mode=mode)
    if client == "tnftp":
        lines = [f"rate get {SLOW}", f"get {case.name}"] if slow else [f"reget {case.name}"]
        return tnftp(case.daemon, case.folder, *lines)
    verb = "pget -n 3" if client == "lftp pget" else "get"
    pace = SLOW // (3 if "pget" in verb else 1)
    verb = f"set net:limit-rate {pace}:0; {verb}" if slow else f"{verb} -c"
    return lftp(case.daemon, case.folder, f"{verb} {case.name}", mode)


def here(path):
    """Bytes on the disk: blocks, since segments leave holes."""
    return min(path.stat().st_size, path.stat().st_blocks * 512) if path.exists() else 0
