"""The table of interrupted uploads: each row and column on the wire, and what the disk holds."""

import os
from ftp.stages import leave_stage, published
from ftp.steps import need, same, step, until
from ftp.wire import Ftp

WHOLE, STAGED = 900_000, 412_345
OLD = 100_000


class Case:
    """A name in one row of the table: perhaps a published file, perhaps a stage."""

    def __init__(self, w, old=None, staged=None):
        self.daemon, self.name, self.data = w.demo(), w.fresh("resume"), os.urandom(WHOLE)
        self.old = os.urandom(old) if old is not None else None
        if old is not None:
            with_session(self.daemon, lambda ftp: ftp.store(self.name, self.old))
        if staged is not None:
            leave_stage(self.daemon, self.name, self.data[:staged])
        self.ftp = Ftp(self.daemon)

    def holds(self, what, expected):
        same(what, published(self.daemon, self.name), expected)

    def inode(self):
        return (self.daemon.home() / self.name).stat().st_ino

    def listed(self):
        """How often MLSD, NLST and LIST show the name."""
        shown = [line.split(b"; ", 1)[-1] for line in self.ftp.names("MLSD")]
        shown += self.ftp.names("NLST")
        shown += [line.split(b" ")[-1] for line in self.ftp.names("LIST")]
        return shown.count(self.name.encode())

    def size(self, expected):
        same("SIZE", self.ftp.ask(f"SIZE {self.name}", 213).text, f"213 {expected}")

    def store(self, data, verb="STOR", rest=None):
        self.ftp.store(self.name, data, verb=verb, rest=rest)

    def refused_beyond(self, staged):
        """REST past what is there: 554 once, and nothing has changed."""
        before = published(self.daemon, self.name)
        self.ftp.refused(f"STOR {self.name}", 554, rest=staged + 1)
        self.holds("after 554", before)
        # The offset went with the command that was refused.
        self.ftp.alive()


def with_session(daemon, act):
    ftp = Ftp(daemon)
    act(ftp)
    ftp.ask("QUIT", 221)


# Only a stage.


@step("only a stage: SIZE and MDTM tell it, RETR and the listings do not")
def stage_seen(w):
    case = Case(w, staged=STAGED)
    case.size(STAGED)
    case.ftp.ask(f"MDTM {case.name}", 213)
    case.ftp.refused(f"RETR {case.name}", 550)
    case.ftp.ask(f"MLST {case.name}", 550)
    same("times listed", case.listed(), 0)
    case.holds("under the name", None)


@step("only a stage: another user sees nothing of it")
def stage_of_another(w):
    case = Case(w, staged=STAGED)
    other = Ftp(case.daemon, user="jerry")
    other.ask(f"SIZE {case.name}", 550)
    other.refused(f"STOR {case.name}", 554, rest=STAGED)


@step("only a stage: APPE continues it")
def stage_append(w):
    case = Case(w, staged=STAGED)
    case.store(case.data[STAGED:], "APPE")
    case.holds("after APPE", case.data)


@step("only a stage: REST {offset} of 412,345 and STOR cut it there and continue", over=[
    {"offset": offset} for offset in (1, 200_000, STAGED - 1, STAGED)
])
def stage_rest(w, offset):
    case, other = Case(w, staged=STAGED), os.urandom(500_000)
    case.store(other, rest=offset)
    case.holds(f"after REST {offset}", case.data[:offset] + other)


@step("only a stage: REST past it is refused with 554, the stage stays")
def stage_rest_beyond(w):
    case = Case(w, staged=STAGED)
    case.refused_beyond(STAGED)
    case.size(STAGED)
    case.store(case.data[STAGED:], rest=STAGED)
    case.holds("afterwards", case.data)


@step("only a stage: STOR starts over")
def stage_store(w):
    case, other = Case(w, staged=STAGED), os.urandom(1000)
    case.store(other)
    case.holds("after STOR", other)


@step("only a stage: STOR that starts over and sends nothing leaves nothing of it")
def stage_store_nothing(w):
    case = Case(w, staged=STAGED)
    data = case.ftp.open(f"STOR {case.name}")
    case.ftp.send("ABOR")
    case.ftp.expect(426, of="STOR that ABOR stops")
    case.ftp.expect(225, 226, of="ABOR")
    data.sock.close()
    # Its client would go on behind the older upload's bytes.
    case.ftp.ask(f"SIZE {case.name}", 550)


@step("only a stage: DELE drops it")
def stage_delete(w):
    case = Case(w, staged=STAGED)
    case.ftp.ask(f"DELE {case.name}", 250)
    case.ftp.ask(f"SIZE {case.name}", 550)


@step("only a stage, of an upload that runs: SIZE, MDTM and MLST say that nothing is there")
def running_new(w):
    case = Case(w)
    seen_while_it_runs(case, 550, 550, 550)


@step("only a stage, which is being continued: SIZE, MDTM and MLST say that nothing is there")
def running_stage(w):
    case = Case(w, staged=STAGED)
    seen_while_it_runs(case, 550, 550, 550, rest=STAGED)


@step("a file that is being replaced: SIZE, MDTM, MLST and RETR tell it")
def running_over(w):
    case = Case(w, old=OLD)
    seen_while_it_runs(case, 213, 213, 250)
    case = Case(w, old=OLD, staged=STAGED)
    seen_while_it_runs(case, 213, 213, 250, rest=STAGED)


def seen_while_it_runs(case, *codes, rest=None):
    before = sum(case.daemon.stages().values())
    data = Ftp(case.daemon)
    lane, there = data.open(f"STOR {case.name}", rest=rest), rest or 0
    lane.send(case.data[there:])
    whole = lambda: sum(case.daemon.stages().values()) - before == WHOLE - there
    until("all bytes on the disk", whole)
    for ftp in (case.ftp, Ftp(case.daemon)):
        for verb, code in zip(("SIZE", "MDTM", "MLST"), codes):
            text = ftp.ask(f"{verb} {case.name}", code).text
            need(verb == "MDTM" or code == 550 or str(OLD) in text, f"{verb}: {text!r}")
        if codes[0] == 213:
            same("RETR", ftp.get(case.name), case.old)
    lane.finish()
    data.expect(226)
    case.size(WHOLE)
    case.holds("afterwards", case.data)


# Only a published file.


@step("only a file: SIZE, MDTM, MLST, RETR and the listings tell it")
def file_seen(w):
    case = Case(w, old=OLD)
    case.size(OLD)
    case.ftp.ask(f"MDTM {case.name}", 213)
    need(f"size={OLD};" in case.ftp.ask(f"MLST {case.name}", 250).text.lower(), "MLST: no size")
    same("RETR", case.ftp.get(case.name), case.old)
    same("RETR from 5,000", case.ftp.get(case.name, rest=5000), case.old[5000:])
    same("times listed", case.listed(), 3)


@step("only a file: APPE appends in place")
def file_append(w):
    case = Case(w, old=OLD)
    inode = case.inode()
    case.store(case.data, "APPE")
    case.holds("after APPE", case.old + case.data)
    same("the inode", case.inode(), inode)


@step("only a file: REST at its end and STOR append in place")
def file_rest_end(w):
    case = Case(w, old=OLD)
    inode = case.inode()
    case.store(case.data, rest=OLD)
    case.holds(f"after REST {OLD}", case.old + case.data)
    same("the inode", case.inode(), inode)


@step("only a file: APPE that is cut leaves what was there")
def file_append_cut(w):
    case = Case(w, old=OLD)
    data = case.ftp.open(f"APPE {case.name}")
    data.send(case.data)
    path = case.daemon.home() / case.name
    until("bytes behind the old ones", lambda: path.stat().st_size > OLD)
    case.ftp.send("ABOR")
    case.ftp.expect(426)
    case.ftp.expect(225, 226)
    case.holds("after the cut", case.old)


@step("only a file: REST {offset} of 100,000 keeps the beginning, and replaces it at once", over=[
    {"offset": offset} for offset in (1, 50_000, OLD - 1)
])
def file_rest_within(w, offset):
    case = Case(w, old=OLD)
    data = case.ftp.open(f"STOR {case.name}", rest=offset)
    data.send(case.data[:300_000])
    case.holds("while it moves", case.old)
    data.finish(case.data[300_000:])
    case.ftp.expect(226)
    case.holds(f"after REST {offset}", case.old[:offset] + case.data)


@step("only a file: REST past its end is refused with 554")
def file_rest_beyond(w):
    case = Case(w, old=OLD)
    case.refused_beyond(OLD)


@step("only a file: STOR stages anew, readers see the old file until the end")
def file_store(w):
    case = Case(w, old=OLD)
    data, reader = case.ftp.open(f"STOR {case.name}"), Ftp(case.daemon)
    data.send(case.data[:300_000])
    case.holds("while it moves", case.old)
    same("RETR meanwhile", reader.get(case.name), case.old)
    data.finish(case.data[300_000:])
    case.ftp.expect(226)
    case.holds("after STOR", case.data)


# Both.


@step("a file and a stage: SIZE is 550, MDTM, MLST and RETR tell the file")
def both_seen(w):
    case = Case(w, old=OLD, staged=STAGED)
    case.ftp.ask(f"SIZE {case.name}", 550)
    case.ftp.ask(f"MDTM {case.name}", 213)
    need(f"size={OLD};" in case.ftp.ask(f"MLST {case.name}", 250).text.lower(), "MLST: no size")
    same("RETR", case.ftp.get(case.name), case.old)
    same("times listed", case.listed(), 3)


@step("a file and a stage: APPE appends to the file in place")
def both_append(w):
    case = Case(w, old=OLD, staged=STAGED)
    inode = case.inode()
    case.store(b"appended", "APPE")
    case.holds("after APPE", case.old + b"appended")
    same("the inode", case.inode(), inode)


@step("a file and a stage: REST {offset} of 412,345 and STOR continue the stage", over=[
    {"offset": offset} for offset in (1, OLD, STAGED)
])
def both_rest(w, offset):
    case = Case(w, old=OLD, staged=STAGED)
    data = case.ftp.open(f"STOR {case.name}", rest=offset)
    data.send(case.data[offset : offset + 300_000])
    case.holds("while it moves", case.old)
    data.finish(case.data[offset + 300_000 :])
    case.ftp.expect(226)
    case.holds(f"after REST {offset}", case.data)


@step("a file of {old} bytes and a stage: REST past the stage is refused with 554", over=[
    {"old": 100}, {"old": 600_000}
])
def both_rest_beyond(w, old):
    case = Case(w, old=old, staged=STAGED)
    case.refused_beyond(STAGED)
    case.store(case.data[STAGED:], rest=STAGED)
    case.holds("afterwards", case.data)


@step("a file and a stage: STOR starts over")
def both_store(w):
    case, other = Case(w, old=OLD, staged=STAGED), os.urandom(1000)
    case.store(other)
    case.holds("after STOR", other)
