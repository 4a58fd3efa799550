#!/usr/bin/env python3
"""Whether fail2ban finds the failed logins of a real log with the filter that is shipped.

    tests/fail2ban_filter.py BINARIES

Both formats of the log, in files; needs fail2ban-regex.
"""

import pathlib, re, socket, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILTER = ROOT / "conf/fail2ban/filter.d/skiffd.conf"
USERS = ["tom", "nobody", "x login failed: address=192.0.2.1 user=y", '","address":"192.0.2.2"']
LIMIT = 60


def main(binaries):
    for written in ("Line", "Json"):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "access.log"
            write_log(pathlib.Path(binaries), pathlib.Path(folder), written)
            found = matched(log)
            if found != ["127.0.0.1"] * len(USERS):
                print(f"{written}: fail2ban found {found} in\n{log.read_text()}")
                return 1
            print(f"{written}: {len(found)} failed logins found")
    return 0


def write_log(binaries, folder, written):
    """The log of a daemon at which all USERS failed, and tom succeeded."""
    (folder / "server.ron").write_text(
        f'(scram_iterations: 10000, ftp: (listen: [], tls: Optional), '
        f'log: (access: "access.log", format: {written}))')
    argv = [binaries / "skiffd", "--demo", folder, "--native", "127.0.0.1:0", "--ftp", "127.0.0.1:0"]
    daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = iter(daemon.stdout.readline, "")
        port = next(int(line.rsplit(":", 1)[1]) for line in lines if line.startswith("ftp "))
        for user in USERS:
            login(port, user, "wrong", "530")
        login(port, "tom", "123", "230")
    finally:
        daemon.terminate()
        daemon.wait(LIMIT)


def login(port, user, password, code):
    with socket.create_connection(("127.0.0.1", port), LIMIT) as sock:
        replies = sock.makefile("r", encoding="utf-8", newline="\r\n")
        replies.readline()
        for line, expected in ((f"USER {user}", "331"), (f"PASS {password}", code)):
            sock.sendall(f"{line}\r\n".encode())
            said = replies.readline()
            assert said.startswith(expected), f"{line}: {said!r}"


def matched(log):
    """The addresses of the lines that the filter matches."""
    argv = ["fail2ban-regex", "--print-all-matched", "--out", "ip", str(log), str(FILTER)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT)
    return re.findall(r"^\S+$", done.stdout, re.M)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
