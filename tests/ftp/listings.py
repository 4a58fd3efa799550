"""Large directories by MLSD, LIST and NLST: every name, and a daemon that does not grow."""

import os, re, threading
from ftp.clients import library
from ftp.daemon import Word
from ftp.sockets import EXPLICIT13, PLAIN
from ftp.steps import need, same, step
from ftp.wire import Ftp

SIZES = (10_000, 100_000)
# The columns of `ls -l` up to one blank before the name.
LONG = re.compile(
    rb"[-dlbcps][-rwxsStT]{9}[.+]? +\d+ +\S+ +\S+ +\d+ +\w{3} +\d+ +[\d:]+ (.*)", re.S
)
KINDS = (
    b"%d", b"name with blanks %d", "Grüße %d".encode(), "文件%d".encode(), b"-%d", b"%d;=\"'*?["
)
ALLOWANCE = 1024  # KiB


def server(w):
    return w.configured(tls=Word("Optional"), quota="4GB")


def grown(w, daemon, count):
    """A directory of so many entries in the home: its name, and its names.

    It is made once, and moved from home to home.
    """
    if count not in w.made:
        w.made[count] = w.folder(f"entries-{count}")
        fill(w.made[count], count)
    place = daemon.home() / w.made[count].name
    w.made[count] = w.made[count].rename(place)
    names = sorted(os.listdir(os.fsencode(place)))
    same("entries made", len(names), count)
    return place.name, names


def fill(place, count):
    handle = os.open(place, os.O_DIRECTORY)
    for number in range(count):
        name = KINDS[number % len(KINDS)] % number
        if number % 50 == 7:
            os.mkdir(name, dir_fd=handle)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=handle))
    os.close(handle)


def named(line):
    """The name on a line of MLSD."""
    facts, blank, name = line.partition(b" ")
    need(blank and re.fullmatch(rb"([\w.]+=[^;]*;)+", facts), f"no facts: {line!r}")
    return name


def long_named(line):
    """The name on a line of LIST."""
    found = LONG.fullmatch(line)
    need(found, f"not a line of ls -l: {line!r}")
    return found[1]


def listed(ftp, verb, path):
    """The names that a listing shows, sorted, without the directory itself."""
    lines = ftp.names(f"{verb} {path}")
    if verb == "MLSD":
        facts = [line for line in lines if not re.match(rb"(?i)(.*;)?type=[cp]dir;", line)]
        return sorted(map(named, facts))
    if verb == "LIST":
        return sorted(long_named(line) for line in lines if not line.startswith(b"total "))
    return sorted(line.rsplit(b"/", 1)[-1] for line in lines)


@step("{verb} of {count} entries, {mode}: every name, once", over=[
    {"verb": verb, "count": count, "mode": mode}
    for count in SIZES for verb in ("MLSD", "LIST", "NLST") for mode in (PLAIN, EXPLICIT13)
])
def every_name(w, verb, count, mode):
    daemon = server(w)
    path, names = grown(w, daemon, count)
    same(f"{verb} of {count}", listed(Ftp(daemon, mode), verb, path), names)


@step("the working directory lists as well as a named one: {verb}", over=[
    {"verb": verb} for verb in ("MLSD", "LIST", "NLST", "LIST -la", "LIST -a", "NLST -1")
])
def here(w, verb):
    daemon = server(w)
    path, names = grown(w, daemon, 100)
    ftp = Ftp(daemon)
    ftp.ask(f"CWD {path}", 250)
    about = re.compile(rb"(?i)(total |(.*;)?type=[cp]dir)")
    lines = [line for line in ftp.names(verb) if not about.match(line)]
    plain = {"M": named, "L": long_named, "N": bytes}[verb[0]]
    same(verb, sorted(name for name in map(plain, lines) if name not in (b".", b"..")), names)


@step("ftplib: MLSD of 10,000 entries", "ftplib")
def by_library(w):
    daemon = server(w)
    path, names = grown(w, daemon, 10_000)
    with library(daemon, EXPLICIT13) as ftp:
        got = [name for name, facts in ftp.mlsd(path) if facts["type"] not in ("cdir", "pdir")]
    same("MLSD", sorted(os.fsencode(name) for name in got), names)


def warm(daemon, mode):
    """Has all workers touch their buffers, which are the daemon's and no listing's."""
    (daemon.home() / "bulk").write_bytes(os.urandom(8 << 20))
    sessions = [Ftp(daemon, mode) for _ in range(12)]
    threads = [threading.Thread(target=session.get, args=["bulk"]) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@step("memory: {verb} of 100,000 entries takes at most 1 MiB more than of 100, {mode}", over=[
    {"verb": verb, "mode": mode}
    for verb in ("MLSD", "LIST", "NLST") for mode in (PLAIN, EXPLICIT13)
])
def memory(w, verb, mode):
    # What an earlier listing had taken would hide what this one takes.
    daemon = w.alone(tls=Word("Optional"))
    small, _ = grown(w, daemon, 100)
    large, _ = grown(w, daemon, 100_000)
    ftp, peaks = Ftp(daemon, mode), {}
    warm(daemon, mode)
    for _ in range(5):
        ftp.names(f"{verb} {small}")
    for path in (small, large):
        daemon.forget_peak()
        ftp.names(f"{verb} {path}")
        peaks[path] = daemon.peak()
    print(f"  {verb}: peak {peaks[small]} KiB for 100, {peaks[large]} KiB for 100,000")
    growth = peaks[large] - peaks[small]
    need(growth <= ALLOWANCE, f"{growth} KiB more for 100,000 entries ({peaks})")


ORDERS = {
    "": lambda found: found,
    "-r": lambda found: found[::-1],
    "-t": lambda found: sorted(found, key=lambda each: -each[1].st_mtime_ns),
    "-lS": lambda found: sorted(found, key=lambda each: -each[1].st_size),
    "-ltr": lambda found: sorted(found, key=lambda each: -each[1].st_mtime_ns)[::-1],
    "-a -S -r": lambda found: sorted(found, key=lambda each: -each[1].st_size)[::-1],
}


@step("{verb} {options} is sorted as ls does, by the bytes of names", over=[
    {"verb": verb, "options": options} for verb in ("LIST", "NLST", "STAT") for options in ORDERS
])
def in_order(w, verb, options):
    daemon = server(w)
    folder = daemon.home() / w.fresh("order")
    folder.mkdir()
    for number, name in enumerate(("b", "B", "a", "é", "z z", "_", "10", "9", ".h")):
        (folder / name).write_bytes(b"x" * (number * 7 % 5))
        os.utime(folder / name, ns=(0, number * 11 % 6 * 10**9))
    found = [(name, (folder / name).stat()) for name in os.listdir(folder)]
    found.sort(key=lambda each: os.fsencode(each[0]))
    expected = [os.fsencode(name) for name, _ in ORDERS[options](found)]
    ftp = Ftp(daemon)
    ftp.ask(f"CWD {folder.name}", 250)
    line = f"{verb} {options}".rstrip()
    if verb == "STAT":
        reply = ftp.ask(f"{line} .", 213)
        lines = [line.encode("utf-8", "surrogateescape") for line in reply.lines[1:-1]]
    else:
        lines = ftp.names(line)
    same(line, lines if verb == "NLST" else [long_named(line) for line in lines], expected)


@step("up to 10,000 entries are sorted, more are streamed; MLSD keeps the order of the disk")
def sorted_while_few(w):
    daemon = server(w)
    ftp = Ftp(daemon)
    for count in (10_000, 100_000):
        path, names = grown(w, daemon, count)
        got = [line.split(b"/", 1)[1] for line in ftp.names(f"NLST {path}")]
        same(f"sorted, {count}", got == names, count == 10_000)
        on_disk = os.listdir(os.fsencode(daemon.home() / path))
        same("MLSD", [named(line) for line in ftp.names(f"MLSD {path}")], on_disk)
    ftp.refused("LIST -R", 504)
    ftp.refused("NLST -lR .", 504)
