"""Real clients: curl, lftp, tnftp and Python's ftplib, each run in one way for all modes."""

import ftplib, io, os, shutil, signal, ssl, subprocess, urllib.parse
from ftp.sockets import PATIENCE, PLAIN, tls_context
from ftp.steps import Failed, need

LIMIT = 30.0  # seconds for any one process
USER, PASSWORD = "tom", "123"
LFTP_SETTINGS = (
    "cmd:fail-exit yes", "net:max-retries 1", "net:timeout 10", "net:reconnect-interval-base 1",
    "ssl:verify-certificate no", "ssl:check-hostname no", "ftp:ssl-protect-data true",
    "ftp:ssl-protect-list true", "cmd:interactive no", "xfer:log no",
)
LFTP_VERSIONS = {"1.2": "NORMAL:-VERS-TLS1.3", "1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}


class Run:
    """A client's process, which never outlives LIMIT, nor its step."""

    started = []

    def __init__(self, argv, folder, said=""):
        self.name = argv[0]
        # No settings of whoever runs this may change what a client does.
        home = {"HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self.log = open(folder / f".{self.name}.log", "w+b")
        self.process = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **home}, stdin=subprocess.PIPE,
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )
        self.started.append(self)
        self.process.stdin.write(said.encode())
        self.process.stdin.close()

    def wait(self):
        """Its exit code and all it said."""
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} hung for {LIMIT:g} s; it said {self.said()}") from None
        return code, self.said()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-1500:]

    def running(self):
        return self.process.poll() is None

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    @classmethod
    def end_all(cls):
        while cls.started:
            run = cls.started.pop()
            run.kill()
            run.log.close()

    def well(self):
        code, said = self.wait()
        need(code == 0, f"{self.name} ended with {code}: {said}")
        return said


def installed(name):
    if name == "perl":
        tls = ["perl", "-MNet::FTP", "-MIO::Socket::SSL", "-e", "1"]
        return subprocess.run(tls, capture_output=True, timeout=LIMIT).returncode == 0
    return name == "ftplib" or shutil.which(name) is not None


def url(daemon, mode, path):
    scheme, name = ("ftps", "ftps") if mode.tls == "implicit" else ("ftp", "ftp")
    return f"{scheme}://127.0.0.1:{daemon.port(name)}/{urllib.parse.quote(path)}"


def curl(daemon, folder, path, *options, mode=PLAIN, active=False):
    """curl with `options` on one path below the home."""
    argv = ["curl", "-q", "-sS", "--connect-timeout", "10", "--user", f"{USER}:{PASSWORD}"]
    argv += ["--ssl-reqd", "-k"] if mode.tls == "explicit" else ["-k"] if mode.tls else []
    if mode.version:
        argv += [f"--tlsv{mode.version}", "--tls-max", mode.version]
    argv += ["--ftp-port", "127.0.0.1"] if active else []
    return Run([*argv, *map(str, options), url(daemon, mode, path)], folder)


def curl_version():
    done = subprocess.run(["curl", "--version"], capture_output=True, text=True, timeout=LIMIT)
    return tuple(int(part) for part in done.stdout.split()[1].split(".")[:2])


def lftp(daemon, folder, commands, mode=PLAIN, active=False):
    words = [*LFTP_SETTINGS, f"ftp:passive-mode {'off' if active else 'on'}"]
    words.append(f"ftp:ssl-allow {'yes' if mode.tls else 'no'}")
    words.append(f"ftp:ssl-force {'yes' if mode.tls else 'no'}")
    if mode.version:
        words.append(f'ssl:priority "{LFTP_VERSIONS[mode.version]}"')
    script = [f"set {word}" for word in words]
    script += [f"open -u {USER},{PASSWORD} {url(daemon, mode, '')}", commands]
    return Run(["lftp", "--norc", "-c", "; ".join(script)], folder)


def tnftp(daemon, folder, *lines, active=False):
    """tnftp has no TLS for these commands; its exit code says little."""
    script = [f"user {USER} {PASSWORD}", "binary", *lines, "quit"]
    argv = ["tnftp", "-n", "-i", "-v", "-A" if active else "-p"]
    argv += ["127.0.0.1", str(daemon.port())]
    return Run(argv, folder, "\n".join(script) + "\n")


def library(daemon, mode=PLAIN, active=False):
    """Python's ftplib, logged in."""
    if mode.tls:
        kind = Implicit if mode.tls == "implicit" else ftplib.FTP_TLS
        ftp = kind(context=tls_context(mode.version), timeout=PATIENCE)
    else:
        ftp = ftplib.FTP(timeout=PATIENCE)
    ftp.connect("127.0.0.1", daemon.port("ftps" if mode.tls == "implicit" else "ftp"))
    ftp.login(USER, PASSWORD)
    if mode.tls:
        ftp.prot_p()
    ftp.set_pasv(not active)
    return ftp


class Implicit(ftplib.FTP_TLS):
    """TLS from the first byte, which ftplib does not have by itself."""

    def __setattr__(self, name, value):
        if name == "sock" and value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value)
        super().__setattr__(name, value)

    def login(self, user, password):
        return ftplib.FTP.login(self, user, password)


def library_put(daemon, name, data, mode=PLAIN, active=False):
    with library(daemon, mode, active) as ftp:
        said = ftp.storbinary(f"STOR {name}", io.BytesIO(data))
    need(said.startswith("226"), f"ftplib: {said}")


def library_get(daemon, name, mode=PLAIN, active=False):
    got = []
    with library(daemon, mode, active) as ftp:
        said = ftp.retrbinary(f"RETR {name}", got.append)
    need(said.startswith("226"), f"ftplib: {said}")
    return b"".join(got)


def put(client, daemon, folder, local, name, mode=PLAIN, active=False):
    """One file up with the client of this name."""
    if client == "curl":
        curl(daemon, folder, name, "-T", local, mode=mode, active=active).well()
    elif client == "lftp":
        lftp(daemon, folder, f'put "{local}" -o "{name}"', mode, active).well()
    elif client == "tnftp":
        said = tnftp(daemon, folder, f'put "{local}" "{name}"', active=active).well()
        need("226" in said, f"tnftp: {said}")
    else:
        library_put(daemon, name, local.read_bytes(), mode, active)


def get(client, daemon, folder, name, mode=PLAIN, active=False):
    """One file down with the client of this name: its bytes."""
    local = folder / "got"
    if client == "curl":
        curl(daemon, folder, name, "-o", local, mode=mode, active=active).well()
    elif client == "lftp":
        lftp(daemon, folder, f'get "{name}" -o "{local}"', mode, active).well()
    elif client == "tnftp":
        said = tnftp(daemon, folder, f'get "{name}" "{local}"', active=active).well()
        need("226" in said, f"tnftp: {said}")
    else:
        return library_get(daemon, name, mode, active)
    return local.read_bytes()
