#!/usr/bin/env python3
"""Whether a parser of OpenMetrics takes what skiffd tells, and the numbers are those of what was moved.

    tests/openmetrics.py BINARIES

Needs the package prometheus_client. Reads /metrics before, during and after transfers of both
dialects, over TCP; the last line counts the steps that passed.
"""

import ftplib, http.client, io, pathlib, queue, subprocess, sys, tempfile, threading

from prometheus_client.openmetrics.parser import text_string_to_metric_families

LIMIT = 60
CONTENT = bytes(range(256)) * 2000
BYTES = "skiffd_transferred_bytes_total"
TRANSFERS = "skiffd_transfers_total"


def main(binaries):
    binaries = pathlib.Path(binaries).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        settings = ('(scram_iterations: 10000, ftp: (listen: [], tls: Optional), '
                    'metrics: (listen: "127.0.0.1:0"))')
        (folder / "server.ron").write_text(settings)
        daemon = Daemon(binaries, folder)
        try:
            steps = run(binaries, folder, daemon)
        finally:
            daemon.end()
    print(f"openmetrics: {steps} steps passed")
    return 0


class Daemon:
    """A demo on ports of its own."""

    def __init__(self, binaries, folder):
        argv = [binaries / "skiffd", "--demo", folder, "--native", "127.0.0.1:0", "--ftp", "127.0.0.1:0"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.metrics = port_after(self.process.stderr, "serving metrics on ")
        self.native = port_after(self.process.stdout, "native ")
        self.ftp = port_after(self.process.stdout, "ftp ")

    def read(self):
        """All samples, by their names and labels, as the parser understands them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=LIMIT)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200, response.status
        assert response.headers.get_content_type() == "application/openmetrics-text"
        text = response.read().decode()
        families = list(text_string_to_metric_families(text))
        assert all(family.documentation and family.type != "unknown" for family in families), text
        samples = [sample for family in families for sample in family.samples]
        return {(one.name, frozenset(one.labels.items())): one.value for one in samples}

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=LIMIT)


def port_after(stream, words):
    """The port at the end of the line with these words; what follows is read and dropped."""
    for line in iter(stream.readline, ""):
        if words in line:
            rest = threading.Thread(target=lambda: [None for _ in stream], daemon=True)
            if words != "native ":
                rest.start()
            return int(line.rsplit(":", 1)[1])
    raise AssertionError(f"no line with {words!r}")


def run(binaries, folder, daemon):
    before = daemon.read()

    def grew(name, **labels):
        key = (name, frozenset(labels.items()))
        return daemon.read()[key] - before[key]

    def expect(found, wanted, what):
        assert found == wanted, f"{what}: {found}, not {wanted}"
        expect.steps += 1

    expect.steps = 1
    # FTP: an upload that is read in its middle.
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", daemon.ftp, timeout=LIMIT)
    ftp.login("jerry", "123")
    half = len(CONTENT) // 2
    lane = ftp.transfercmd("STOR by-ftp")
    lane.sendall(CONTENT[:half])
    until(lambda: grew(BYTES, dialect="ftp", direction="upload") == half, "half of an upload")
    uploads = {"dialect": "ftp", "direction": "upload", "result": "complete"}
    expect(grew(TRANSFERS, **uploads), 0, "uploads that are complete")
    lane.sendall(CONTENT[half:])
    lane.close()
    ftp.voidresp()
    expect(grew(TRANSFERS, **uploads), 1, "uploads that are complete")
    expect(grew(BYTES, dialect="ftp", direction="upload"), len(CONTENT), "bytes")
    got = io.BytesIO()
    ftp.retrbinary("RETR by-ftp", got.write)
    expect(got.getvalue() == CONTENT, True, "what was uploaded")
    expect(grew(BYTES, dialect="ftp", direction="download"), len(CONTENT), "bytes")
    ftp.quit()

    # The native dialect, by skiff.
    (folder / "local").write_bytes(CONTENT)
    skiff(binaries, folder, daemon, "put local by-skiff; get by-skiff back; get -f by-skiff back")
    expect((folder / "back").read_bytes() == CONTENT, True, "what was uploaded")
    expect(grew(BYTES, dialect="native", direction="upload"), len(CONTENT), "bytes")
    downloads = {"dialect": "native", "direction": "download", "result": "complete"}
    assert grew(TRANSFERS, **downloads) >= 1
    moved = grew(BYTES, dialect="native", direction="download")
    expect(moved, grew(TRANSFERS, **downloads) * len(CONTENT), "bytes")

    # A wrong password.
    try:
        ftp = ftplib.FTP()
        ftp.connect("127.0.0.1", daemon.ftp, timeout=LIMIT)
        ftp.login("tom", "wrong")
    except ftplib.error_perm:
        pass
    ftp.close()
    expect(grew("skiffd_logins_total", result="failed"), 1, "failed logins")
    return expect.steps


def skiff(binaries, folder, daemon, commands):
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    argv = [binaries / "skiff", "--password-stdin", "--trust", "new", f"tom@127.0.0.1:{daemon.native}", "-c", commands]
    done = subprocess.run(argv, input="123\n", text=True, capture_output=True, cwd=folder,
                          env=environment, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr


def until(condition, awaited):
    """Asks again at once, as each answer takes its time; LIMIT is for a daemon that hangs."""
    timer = threading.Event()
    stop = threading.Timer(LIMIT, timer.set)
    stop.start()
    while not condition():
        assert not timer.is_set(), f"no {awaited}"
    stop.cancel()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
