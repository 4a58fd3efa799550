"""What the machine itself allows, measured in the same rounds as the servers."""

import time
from harness.amounts import GIB, MIB
from harness.load import alone
from harness.process import Failed


CACHED = "loopback TCP from the page cache"


class Limit:
    def __init__(self, name, verb, words):
        self.name, self.verb, self.words = name, verb, words

    def take(self, bench):
        told = alone(bench, self.verb, self.words)
        gib = told["bytes"] / GIB
        numbers = {"MiB/s": gib * 1024 / told["seconds"]}
        if "cpu" in told:
            numbers["CPU s/GiB"] = told["cpu"] / gib
        if "cpu_receiver" in told:
            numbers["receiver's CPU s/GiB"] = told["cpu_receiver"] / gib
        if "files_per_second" in told:
            numbers["files of 4 KiB per s"] = told["files_per_second"]
        return numbers


class ColdRead:
    """A file whose pages were dropped, read by a program that does nothing else."""

    name = "read of a file that is not in the page cache, 1 MiB at a time"

    def __init__(self, size):
        self.size = size

    def take(self, bench):
        bench.cool(self.size)
        begin = time.monotonic()
        bench.warm(self.size)
        return {"MiB/s": self.size / MIB / (time.monotonic() - begin)}


def limits(bench, amounts):
    many, served = f"bytes={amounts.limit}", f"path={bench.home / f'file-{amounts.wide}'}"
    wide = [f"bytes={amounts.wide}", served, "streams=8"]
    synced = [f"dir={bench.folder('client')}", f"bytes={amounts.synced}"]
    return [
        Limit("loopback TCP, write and read of 256 KiB", "loopback", [many]),
        Limit(f"{CACHED}, sendfile", "sendfile", [many, served, "streams=1"]),
        Limit(f"{CACHED}, sendfile, 8 streams", "sendfile", wide),
        Limit(f"{CACHED}, read and write of 128 KiB, 8 streams", "copy", wide),
        Limit("AES-128-GCM in TLS records (rustls, ring), one core", "aes", [many]),
        Limit("MD5 (the md-5 crate), one core", "digest", ["algorithm=md5", many]),
        Limit("SHA-256 (the sha2 crate), one core", "digest", ["algorithm=sha256", many]),
        Limit("write and fsync; create, fsync, rename, fsync", "fsync", [*synced, "count=20"]),
        ColdRead(amounts.cold),
    ]


def take_all(every, bench, results, notes):
    """One round of them."""
    for limit in every:
        try:
            for unit, value in limit.take(bench).items():
                results.setdefault((limit.name, unit), []).append(value)
        except Failed as failure:
            notes.append(f"{limit.name}: {failure}")
