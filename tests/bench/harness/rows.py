"""The figures: what is done, and what bounds it."""

import dataclasses, os
from harness.amounts import GIB, KIB, MIB
from harness.crowd import Crowd
from harness.kinds import AtOnce, Bulk, Cold, FirstLogins, Idle, Latency, Listing, Logins, Mixed
from harness.kinds import Small, Trips
from harness.native import Verified
from harness.trees import FarTree, Tree


@dataclasses.dataclass
class Row:
    """`who` takes part beside skiffd: peers, listers (those with MLSD), native, nobody; `fsync`
    whether skiffd with fsync is shown beside; `ceiling` whether the generator can serve it too;
    `passes` how often it is taken in a round; `once`: in the first round only."""

    key: str
    group: str
    title: str
    kind: object
    limit: str
    who: str = "peers"
    fsync: bool = False
    ceiling: bool = True
    passes: int = 1
    once: bool = False

    def wants(self, server):
        if server.name == "skiffd":
            return True
        if self.kind.mode == "tls" and not server.newest_tls:
            return False
        if server.name == "skiffd fsync":
            return self.fsync
        if server.name == "ceiling":
            return self.ceiling
        if server.name == "sftp":
            return self.who == "native"
        return self.who == "peers" or (self.who == "listers" and server.machine_listing)


def rows(amounts):
    return [
        *bulk(amounts),
        *cold(amounts),
        *small(amounts),
        *commands(amounts),
        *logins(amounts),
        *listings(amounts),
        *memory(amounts),
        *crowd(amounts),
        *latency(amounts),
        *mixed(amounts),
        *native(amounts),
        *trees(amounts),
        *curves(amounts),
    ]


# Milliseconds that a packet is on its way over the line.
DELAY = 20
COPY = "the kernel's copies on loopback, both ends on the same cores"
BOUNDS = {
    ("retr", "plain"): f"{COPY}; the server's part at best is the sendfile limit",
    ("stor", "plain"): f"{COPY}, and one into the page cache",
    ("retr", "tls"): f"AES-GCM at both ends, and {COPY}",
    ("stor", "tls"): f"AES-GCM at both ends, {COPY}, and one into the page cache",
}


def bulk(amounts):
    for verb in ("retr", "stor"):
        for mode in ("plain", "tls"):
            for streams, size in ((1, amounts.big), (8, amounts.wide)):
                yield Row(
                    f"{verb}-{mode}-{streams}",
                    "Big files",
                    f"{verb.upper()} {said(mode)}, {streams} × {amount(size)}",
                    Bulk(verb, mode, size, streams),
                    BOUNDS[verb, mode],
                    fsync=verb == "stor",
                    passes=amounts.passes,
                )


def cold(amounts):
    for mode in ("plain", "tls"):
        yield Row(
            f"cold-{mode}",
            "A big file that is not in the page cache",
            f"RETR {said(mode)}, 1 × {amount(amounts.cold)}",
            Cold("retr", mode, amounts.cold),
            "the disk, whose own cache (a host's, where the machine is virtual) forgets nothing; "
            "how far ahead it is read",
            ceiling=False,
        )


def small(amounts):
    """Once in a round: each leaves thousands of ports at rest, which the next ones pay for."""
    for verb, word in (("small-down", "down"), ("small-up", "up")):
        for mode in ("plain", "tls"):
            bound = "system calls and wake-ups for EPSV, the data connection and three replies"
            bound += "; a TLS handshake" if mode == "tls" else ""
            bound += "; a new name, which skiffd stages and renames" if word == "up" else ""
            yield Row(
                f"{verb}-{mode}",
                "Files of 4 KiB, 4 sessions",
                f"{word}, {said(mode)}",
                Small(verb, mode, amounts.small),
                bound,
                fsync=word == "up",
            )
    yield Row(
        "small-up-nagle",
        "Files of 4 KiB, 4 sessions",
        "up, TLS, one session of a client with Nagle's algorithm",
        Small("small-up", "tls", max(amounts.small // 10, 4), sessions=1, nagle=True),
        "the acknowledgements that the client waits for, 40 ms each where they are delayed",
        fsync=True,
    )


def commands(amounts):
    bound = "a wake-up, a read and a write at each end; SIZE: a stat more"
    for pinned in (True, False):
        where = "both ends on one core" if pinned else "where the scheduler puts them"
        for line, code in (("NOOP", 200), ("PWD", 257), ("SIZE file-4096", 213)):
            verb = line.split()[0]
            yield Row(
                verb.lower() if pinned else f"{verb.lower()}-free",
                "Small commands, one session",
                f"{verb}, {where}",
                Trips(line, code, amounts.trips, pinned),
                bound,
                passes=amounts.passes,
            )


def logins(amounts):
    group = "Logins, one after the other"
    for mode in ("plain", "tls"):
        bound = "accept, the replies, a fork where each session is a process, the hash where it is "
        bound += "not remembered (pyftpdlib has none)"
        bound += "; a full handshake with P-256" if mode == "tls" else ""
        kind = Logins("login", mode, amounts.logins)
        yield Row(f"login-{mode}", group, f"FTP, {said(mode)}", kind, bound)
        title = f"FTP, {said(mode)}, a password that was not proven before"
        kind = FirstLogins(mode, amounts.first_logins)
        yield Row(f"login-first-{mode}", group, title, kind, bound)
    kind = Logins("login-native", "tls", amounts.logins)
    bound = "a full handshake and some HMACs; the client's PBKDF2 is in the time, not in the CPU"
    yield Row("login-native", group, "native, SCRAM", kind, bound, "nobody", ceiling=False)
    yield from at_once(amounts)


def at_once(amounts):
    """At the server's default, where a login takes a tenth of a second of a core."""
    hashes = "the server's PBKDF2, on a quarter of its workers"
    kinds = [
        ("ftp", "FTP over TLS, for the first time", "at-once", False, hashes),
        ("ftp-again", "FTP over TLS, remembered", "at-once", True, "a full handshake each"),
        (
            "native",
            "native, SCRAM",
            "at-once-native",
            False,
            "the client's PBKDF2 on the same cores, and a full handshake; none is the server's",
        ),
    ]
    for key, title, verb, again, bound in kinds:
        yield Row(
            f"at-once-{key}",
            f"{amounts.at_once} users who log in at once, 600,000 rounds",
            title,
            AtOnce(verb, "tls", amounts.at_once, again),
            bound,
            who="nobody",
            ceiling=False,
        )


def listings(amounts):
    for verb in ("MLSD", "LIST"):
        for entries, times in amounts.listings.items():
            yield Row(
                f"{verb.lower()}-{entries}",
                "Listings",
                f"{verb}, {entries:,} entries",
                Listing(verb, entries, times),
                "getdents and a stat for each entry",
                who="listers" if verb == "MLSD" else "peers",
                passes=amounts.passes if entries <= 100 else 1,
            )


    yield Row(
        "list-100-pinned",
        "Listings",
        "LIST, 100 entries, both ends on one core",
        Listing("LIST", 100, amounts.listings[100], pinned=True),
        "getdents and a stat for each entry",
        passes=amounts.passes,
    )


def memory(amounts):
    group = "Memory (PSS of all processes)"
    bound = "what a session must remember; the kernel's sockets are not in it"
    for mode in ("plain", "tls"):
        title, kind = f"idle sessions, {said(mode)}", Idle(mode, amounts.steps)
        yield Row(f"idle-{mode}", group, title, kind, bound, ceiling=False)
    title, kind = "idle sessions, native", Idle("tls", amounts.steps, "idle-native")
    yield Row("idle-native", group, title, kind, bound, "nobody", ceiling=False)


def crowd(amounts):
    idle, busy = amounts.crowd
    for mode in ("plain", "tls"):
        yield Row(
            f"crowd-{mode}",
            f"{idle + busy:,} sessions, {busy} of them busy",
            f"store, fetch and delete 4 KiB, {said(mode)}",
            Crowd(mode, idle, busy, amounts.seconds),
            "two transfers and three more replies, more of them at once than there are cores",
            fsync=True,
            ceiling=False,
            once=True,
        )


def latency(amounts):
    streams = 4 * (os.cpu_count() or 1)
    kind = Latency(amounts.wide, streams, amounts.seconds)
    title = f"NOOP beside {streams} RETR over TLS"
    bound = "the scheduler, where more threads want to run than there are cores; a server that moves "
    bound += "less, or leaves cores idle, has less to make way for"
    yield Row("latency", "A small command while bulk saturates", title, kind, bound)


def mixed(amounts):
    bound = "both cores: whoever serves more bulk has less of them for the rest"
    for mode in ("plain", "tls"):
        kind = Mixed(mode, amounts.mixed, amounts.mixed_seconds, amounts.middle, amounts.middle // 8)
        yield Row(
            f"mixed-{mode}",
            "A server's day, all at once",
            f"{amounts.mixed} sessions, {said(mode)}: of ten 4 RETR of {amount(amounts.middle)}, "
            f"2 STOR of {amount(amounts.middle // 8)}, 2 store, fetch and delete 4 KiB, 2 LIST of 100",
            kind,
            bound,
            fsync=True,
            ceiling=False,
        )


def native(amounts):
    bounds = {
        "put": "the digest at both ends on the same cores, AES-GCM at both, and the page cache",
        "put-over": "the same, with room for two files at once",
        "get": "the digest at the client, AES-GCM at both ends, and the page cache",
    }
    alone, proven = "sftp proves nothing", "sftp and sha256sum"
    kinds = [
        ("put", alone, {}),
        ("put", proven, {"proof": True}),
        ("put", "by MD5; " + proven, {"digest": "md5", "proof": True}),
        ("put-over", alone, {}),
        ("get", "remembered; " + alone, {}),
        ("get", "remembered; " + proven, {"proof": True}),
        ("get", "met for the first time; " + alone, {"known": False}),
    ]
    for number, (verb, told, words) in enumerate(kinds):
        yield Row(
            f"native-{verb}-{number}",
            "Verified files (skiff, or sftp)",
            f"{verb.replace('-over', ' over a file')} of {amount(amounts.native)}, {told}",
            Verified(verb, amounts.native, **words),
            bounds[verb],
            who="native",
            fsync=verb != "get",
            ceiling=False,
        )


def trees(amounts):
    """By lftp and over the long line once in a run: a peer is a minute at it."""
    group = "Trees of small files"
    own = "a turn less for each file; the disk's commits where skiffd syncs"
    theirs = "a data connection, a handshake and some replies for each file, of the client's making"
    for verb in ("put", "get"):
        for sessions in (1, 4):
            over = "one session" if sessions == 1 else f"{sessions} sessions, sftp over one"
            title = f"{verb} of {amounts.tree} x 4 KiB by skiff, or sftp, over {over}"
            kind = Tree(verb, amounts.tree, sessions)
            yield Row(
                f"tree-{verb}-{sessions}", group, title, kind, own, "native", True, ceiling=False
            )
        title = f"{verb} of {amounts.tree} x 4 KiB by lftp, FTPS, 4 sessions"
        kind = Tree(verb, amounts.tree, 4, lftp=True)
        yield Row(f"tree-{verb}-lftp", group, title, kind, theirs, "peers", True, False, once=True)
    group = f"Trees of small files, {2 * DELAY} ms of round trip"
    far = "how many round trips a file takes, and how many of them wait for each other"
    for verb in ("put", "get"):
        what = f"{verb} of {amounts.far} x 4 KiB by"
        for title, key, who, sessions in (
            ("skiff, or sftp", "1", "native", 1),
            ("lftp, FTPS, 4 sessions", "lftp", "peers", 4),
        ):
            kind = FarTree(verb, amounts.far, DELAY, sessions, lftp=key == "lftp")
            title = f"{what} {title}"
            yield Row(f"far-{verb}-{key}", group, title, kind, far, who, True, False, once=True)


def curves(amounts):
    for mode in ("plain", "tls"):
        for streams in amounts.streams:
            yield Row(
                f"streams-{mode}-{streams}",
                f"RETR {said(mode)} of {amount(amounts.total)} in all, as streams grow",
                f"{streams}",
                Bulk("retr", mode, amounts.total // streams, streams),
                BOUNDS["retr", mode],
            )
    for verb in ("retr", "stor"):
        for size in amounts.sizes:
            times = max(1, min(amounts.small * 2, amounts.wide * 2 // size))
            yield Row(
                f"size-{verb}-{amount(size).replace(' ', '')}",
                f"{verb.upper()} in clear, one stream, as files grow",
                amount(size),
                Bulk(verb, "plain", size, 1, times),
                BOUNDS[verb, "plain"],
                fsync=verb == "stor",
            )


def said(mode):
    return "TLS 1.3" if mode == "tls" else "in clear"


def amount(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} bytes"
