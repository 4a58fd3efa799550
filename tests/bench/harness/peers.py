"""The servers that one would pick instead, each with its settings.

All take the same certificate, log transfers to a file where they can, look up no names, and have
their limits on sessions raised; what else differs from their defaults stands in `settings`.
Passwords are hashed by crypt(3) SHA-256 with 1,000 rounds, its least, where a server takes that.
Nothing on the machine is changed: users that must be the system's exist in a mount namespace only.
"""

import base64, contextlib, ctypes, functools, hashlib, json, os, pathlib, re, shutil
import subprocess, time
from harness.bench import PASSWORD, UID, USER
from harness.servers import ROOM, Server, find, free_port

FETCH = "tests/bench/get-peers fetches it"
WHERE_PYTHON = """import os, site, sys, sysconfig
print(sys.base_prefix, os.path.join(*sysconfig.get_config_vars("LIBDIR", "INSTSONAME")))
print(*site.getsitepackages(), sep=chr(10))"""
WHICH_PYTHON = "import os, sys; print(os.path.realpath(sys.executable))"


class Peer(Server):
    program, package = "", ""
    forks = True

    def missing(self):
        if not self.binary():
            return f"not installed: apt-get install {self.package}, or {FETCH}"
        return None if self.bench.root else "needs root to start"

    def binary(self):
        return find(self.bench.peers, self.program)

    def hash_milliseconds(self):
        return hash_milliseconds()

    def env(self):
        libraries = self.bench.peers / "root/usr/lib/x86_64-linux-gnu"
        return {**os.environ, "LD_LIBRARY_PATH": str(libraries)} if libraries.exists() else None


class Vsftpd(Peer):
    name, program, package = "vsftpd", "vsftpd", "vsftpd"
    machine_listing = False

    def version(self):
        return said(self, "-v 0>&1")

    def settings(self):
        return (
            "PAM with pam_unix; a local user in a mount namespace; data TLS must resume (default)"
        )

    def start(self, home):
        folder, port, identity = self.folder(), free_port(), self.bench.identity
        words = {
            "listen": "YES",
            "listen_ipv6": "NO",
            "listen_address": "127.0.0.1",
            "listen_port": port,
            "background": "NO",
            "anonymous_enable": "NO",
            "local_enable": "YES",
            "write_enable": "YES",
            "local_umask": "022",
            "local_root": home,
            "chroot_local_user": "YES",
            "allow_writeable_chroot": "YES",
            "secure_chroot_dir": self.bench.empty,
            "pam_service_name": "vsftpd",
            "check_shell": "NO",
            "xferlog_enable": "YES",
            "vsftpd_log_file": folder / "xferlog",
            "ssl_enable": "YES",
            "force_local_data_ssl": "NO",
            "force_local_logins_ssl": "NO",
            "rsa_cert_file": identity / "certificate.pem",
            "rsa_private_key_file": identity / "key.pem",
            "max_clients": ROOM,
            "max_per_ip": ROOM,
            "idle_session_timeout": 36000,
        }
        config = folder / "vsftpd.conf"
        config.write_text("".join(f"{key}={value}\n" for key, value in words.items()))
        return self.launch(folder, in_namespace(folder, home, [self.runs(), config]), port)


class PureFtpd(Peer):
    name, program, package = "pure-ftpd", "pure-ftpd", "pure-ftpd"

    def version(self):
        return said(self, "--help")

    def settings(self):
        return "virtual user in a PureDB; listings up to 1,000,000 entries; its one log is the transfers'"

    def start(self, home):
        folder, port = self.folder(), free_port()
        passwords, database = folder / "passwd", folder / "pure.pdb"
        passwords.write_text(f"{USER}:{crypted()}:{UID}:{UID}::{home}/./::::::::::::\n")
        tool = find(self.bench.peers, "pure-pw")
        self.bench.run(tool, "mkdb", database, "-f", passwords, env=self.env())
        argv = [
            self.runs(),
            "-S",
            f"127.0.0.1,{port}",
            "-l",
            f"puredb:{database}",
            "-E",
            "-A",
            "-H",
        ]
        argv += ["-u", "1", "-c", ROOM, "-C", ROOM, "-I", "600", "-L", "1000000:5"]
        argv += ["-Y", "1", "-2", self.bench.identity / "both.pem"]
        argv += ["-O", f"clf:{folder}/transfers", "-g", folder / "pid", "-f", "none"]
        return self.launch(folder, argv, port)


class Proftpd(Peer):
    name, program, package = "proftpd", "proftpd", "proftpd-core proftpd-mod-crypto"

    def version(self):
        return said(self, "-v")

    def settings(self):
        # It hands out no tickets on uploads, and a client that uses each once would be refused.
        return "virtual user in an AuthUserFile; mod_delay off; NoSessionReuseRequired"

    def start(self, home):
        folder, port, identity = self.folder(), free_port(), self.bench.identity
        users, modules = folder / "users", self.bench.peers / "root/usr/lib/proftpd"
        users.write_text(f"{USER}:{crypted()}:{UID}:{UID}::{home}:/bin/sh\n")
        users.chmod(0o600)
        config = folder / "proftpd.conf"
        config.write_text(f"""{f'ModulePath {modules}' if modules.exists() else ''}
LoadModule mod_tls.c
ServerType standalone
ServerName bench
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
UseIPv6 off
UseReverseDNS off
User nobody
Group nogroup
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/system.log
TransferLog {folder}/transfers
DelayEngine off
WtmpLog off
MaxInstances none
TimeoutIdle 36000
TimeoutLogin 600
DefaultRoot ~
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
AllowOverwrite on
TLSEngine on
TLSRequired off
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {identity}/certificate.pem
TLSECCertificateKeyFile {identity}/key.pem
TLSCACertificateFile {identity}/certificate.pem
TLSOptions NoSessionReuseRequired
TLSLog {folder}/tls.log
""")
        return self.launch(folder, [self.runs(), "-n", "-q", "-c", config], port)


class Pyftpdlib(Server):
    name = "pyftpdlib"

    def python(self):
        for python in (self.bench.peers / "venv/bin/python", "python3"):
            probe = [python, "-c", "import pyftpdlib, OpenSSL"]
            with contextlib.suppress(OSError):
                if subprocess.run(probe, capture_output=True).returncode == 0:
                    return python
        return None

    def missing(self):
        if self.python():
            return None
        return f"not installed: pip install pyftpdlib pyOpenSSL in a venv, or {FETCH}"

    def version(self):
        probe = (
            "import sys, pyftpdlib; print(pyftpdlib.__ver__, 'on Python', sys.version.split()[0])"
        )
        return self.bench.run(self.python(), "-c", probe).strip()

    def settings(self):
        return "one process, one thread; runs unprivileged; passwords compared in clear, no hash"

    def executable(self):
        """Python itself, not the venv's link to it."""
        return pathlib.Path(self.bench.run(self.python(), "-c", WHICH_PYTHON).strip())

    def env(self):
        """A copy of Python needs to be told where its packages are, and has its library copied."""
        if self.copied is None:
            return None
        prefix, library, *packages = self.bench.run(self.python(), "-c", WHERE_PYTHON).split()
        env = {"PYTHONHOME": prefix, "PYTHONPATH": ":".join(packages)}
        if pathlib.Path(library).is_file():
            env["LD_PRELOAD"] = str(shutil.copy2(library, self.bench.folder("alone-libpython")))
        return {**os.environ, **env}

    def start(self, home):
        folder, port = self.folder(), free_port()
        (folder / "both.pem").write_bytes((self.bench.identity / "both.pem").read_bytes())
        script = pathlib.Path(__file__).with_name("pyftpdlib_server.py")
        self.bench.give(folder)
        argv = [self.copied or self.python(), "-B", script, port, USER, PASSWORD]
        argv += [home, folder, self.bench.uid]
        return self.launch(folder, argv, port)


class Unftp(Server):
    name, newest_tls = "unftp", False
    ROUNDS = 10_000

    def missing(self):
        return None if self.binary() else f"not installed: cargo install unftp, or {FETCH}"

    def binary(self):
        return find(self.bench.peers / "unftp", "unftp")

    def version(self):
        return said(self, "--version")

    def settings(self):
        return (
            "the file system's back end; runs unprivileged; PBKDF2-SHA256 of 10,000 rounds; logs "
            "what goes wrong (default); its program allows TLS 1.2 and no other, so that it has no "
            "figure for TLS 1.3, and lftp speaks 1.2 with it"
        )

    def hash_milliseconds(self):
        """Not known: what else computes it here takes longer than unftp does."""
        return None

    def start(self, home):
        folder, port = self.folder(), free_port()
        salt = os.urandom(8)
        key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, self.ROUNDS)
        text = lambda raw: base64.b64encode(raw).decode()
        user = {"username": USER, "pbkdf2_salt": text(salt), "pbkdf2_key": text(key)}
        users = folder / "users.json"
        users.write_text(json.dumps([{**user, "pbkdf2_iter": self.ROUNDS}]))
        (folder / "both.pem").write_bytes((self.bench.identity / "both.pem").read_bytes())
        self.bench.give(folder)
        words = {
            "bind-address": f"127.0.0.1:{port}",
            "bind-address-http": f"127.0.0.1:{free_port()}",
            "root-dir": home,
            "auth-type": "json",
            "auth-json-path": users,
            "ftps-certs-file": folder / "both.pem",
            "ftps-key-file": folder / "both.pem",
            "idle-session-timeout": 36000,
        }
        argv = [self.runs(), *(f"--{key}={value}" for key, value in words.items())]
        user = self.bench.uid if self.bench.root else None
        return self.launch(folder, argv, port, user)


class Sshd(Peer):
    """For the native rows only: OpenSSH speaks another protocol."""

    name, program, package = "sftp", "sshd", "openssh-server"

    def missing(self):
        if not find(self.bench.peers, "sftp"):
            return "not installed: apt-get install openssh-client"
        return super().missing()

    def version(self):
        return said(self, "-V")

    def settings(self):
        return "aes128-gcm, login by key, internal-sftp"

    def start(self, home):
        folder, port = self.folder(), free_port()
        for key in ("host", "user"):
            self.bench.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
        config = folder / "sshd_config"
        config.write_text(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
UseDNS no
Ciphers aes128-gcm@openssh.com
Subsystem sftp internal-sftp
""")
        argv = [self.runs(), "-D", "-e", "-f", config]
        instance = self.launch(folder, in_namespace(folder, home, argv), port)
        instance.key = folder / "user"
        return instance


def in_namespace(folder, home, argv):
    """The command line of a daemon for which the benchmark's user is one of the system's."""
    (folder / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"
        "sshd:x:61233:65534::/run/sshd:/bin/false\nftp:x:61232:65534::/nonexistent:/bin/false\n"
        f"{USER}:x:{UID}:{UID}::{home}:/bin/sh\n"
    )
    (folder / "group").write_text(f"root:x:0:\nnogroup:x:65534:\n{USER}:x:{UID}:\n")
    (folder / "shadow").write_text(f"root:*:19000::::::\n{USER}:{crypted()}:19000:0:99999:7:::\n")
    (folder / "shadow").chmod(0o600)
    (folder / "pam.d").mkdir()
    for service in ("vsftpd", "other"):
        (folder / "pam.d" / service).write_text(
            "auth required pam_unix.so\naccount required pam_unix.so\n"
        )
    binds = "".join(
        f"mount --bind '{folder}/{name}' /etc/{name}; "
        for name in ("passwd", "group", "shadow", "pam.d")
    )
    script = f'set -e; {binds}mount -t tmpfs tmpfs /run; mkdir -p /run/sshd; exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *argv]


@functools.cache
def crypted():
    """The password as crypt(3) hashes it at its least: SHA-256, 1,000 rounds."""
    return crypt(PASSWORD)


def crypt(password):
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$5$rounds=1000$skiffbenchsalt").decode()


@functools.cache
def hash_milliseconds():
    """CPU of one such hash, on this machine."""
    crypted()
    begin = time.process_time()
    for _ in range(200):
        crypt(PASSWORD)
    return (time.process_time() - begin) / 200 * 1000


def said(server, flags):
    """The version in what a program says of itself, which is rarely in the same place."""
    command = f"'{server.binary()}' {flags}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=server.env())
    found = re.search(r"v?\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def all_peers():
    return (Vsftpd, PureFtpd, Proftpd, Pyftpdlib, Unftp)
