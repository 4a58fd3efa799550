"""Clients that people's programs are made of: rclone, Perl's Net::FTP and PHP's ftp functions."""

import os, subprocess
from ftp.clients import LIMIT, PASSWORD, USER, Run
from ftp.daemon import Word
from ftp.sockets import EXPLICIT13, PLAIN
from ftp.stages import Watch, published, until_idle
from ftp.steps import need, same, step, until

BOTH = [{"mode": PLAIN}, {"mode": EXPLICIT13}]
SLOW = "256k"  # bytes per second, for what is to be killed half-way


def lenient(w, quota="4GB"):
    return w.configured(tls=Word("Optional"), quota=quota)


# rclone: a tree copier that lists, compares and writes under a name of its own first.


def rclone(daemon, folder, mode, *words):
    argv = ["rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]
    argv += ["--ftp-host", "127.0.0.1", "--ftp-port", str(daemon.port()), "--ftp-user", USER]
    argv += ["--ftp-pass", obscured(PASSWORD)]
    if mode.tls:
        argv += ["--ftp-explicit-tls", "--ftp-no-check-certificate"]
    return Run([*argv, *words], folder)


def obscured(password):
    argv = ["rclone", "obscure", password]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=True)
    return done.stdout.strip()


def tree(folder, sizes):
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return {name: (folder / name).read_bytes() for name in sizes}


@step("rclone, {mode}: a tree goes up, is found equal, and comes down", "rclone", over=BOTH)
def rclone_copies(w, mode):
    daemon, folder, name = lenient(w), w.folder(), w.fresh("tree")
    files = tree(folder / "up", {"a": 0, "b c/d": 70_000, "b c/é.bin": 2_000_000, "e": 1})
    rclone(daemon, folder, mode, "copy", "up", f":ftp:{name}").well()
    for path, data in files.items():
        same(path, published(daemon, f"{name}/{path}"), data)
    rclone(daemon, folder, mode, "check", "--download", "up", f":ftp:{name}").well()
    rclone(daemon, folder, mode, "copy", f":ftp:{name}", "down").well()
    for path, data in files.items():
        same(path, (folder / "down" / path).read_bytes(), data)
    (folder / "up" / "e").unlink()
    rclone(daemon, folder, mode, "sync", "up", f":ftp:{name}").well()
    same("what sync deletes", published(daemon, f"{name}/e"), None)


@step("rclone, {mode}: killed while it replaces a file, the old one is whole", "rclone", over=BOTH)
def rclone_killed(w, mode):
    daemon, folder, name = lenient(w), w.folder(), w.fresh("tree")
    old = tree(folder / "up", {"f": 300_000})["f"]
    rclone(daemon, folder, mode, "copy", "up", f":ftp:{name}").well()
    new = tree(folder / "up", {"f": 3_000_000})["f"]
    watch = Watch(daemon)
    first = rclone(daemon, folder, mode, "--bwlimit", SLOW, "copy", "up", f":ftp:{name}")
    watch.reaches(200_000)
    first.kill()
    until_idle(daemon, f"{name}/f")
    same("the file after the kill", published(daemon, f"{name}/f"), old)
    rclone(daemon, folder, mode, "copy", "up", f":ftp:{name}").well()
    same("the file", published(daemon, f"{name}/f"), new)


@step("rclone, {mode}: a tree that does not fit the quota fails, and holds whole files only",
      "rclone", over=BOTH)
def rclone_over_quota(w, mode):
    daemon, folder = lenient(w, quota="5MiB"), w.folder()
    name = w.fresh("tree")
    files = tree(folder / "up", {f"f{n}": 1_000_000 for n in range(8)})
    run = rclone(daemon, folder, mode, "copy", "up", f":ftp:{name}")
    code, said = run.wait()
    need(code != 0, "rclone takes a tree over quota for copied")
    need("quota" in said, f"rclone does not say why: {said!r}")
    there = {path: published(daemon, f"{name}/{path}") for path in files}
    there = {path: data for path, data in there.items() if data is not None}
    need(there, "nothing is stored")
    for path, data in there.items():
        same(path, data, files[path])
    need(sum(map(len, there.values())) <= 5 << 20, "more than the quota is stored")
    rclone(daemon, folder, mode, "purge", f":ftp:{name}").well()


# Perl's Net::FTP, with IO::Socket::SSL for TLS.

PERL = """
use strict; use Net::FTP;
my ($port, $tls, @do) = @ARGV;
my %tls = (SSL_verify_mode => 0);
my $ftp = Net::FTP->new("127.0.0.1", Port => $port, Timeout => 20, %tls) or die "connect: $@";
if ($tls) {
    $ftp->starttls or die "starttls: " . $ftp->message;
}
$ftp->login("USER", "PASSWORD") or die "login: " . $ftp->message;
$ftp->prot("P") if $tls;
$ftp->binary;
my $verb = shift @do;
if ($verb eq "put") { $ftp->put(@do) or die "put: " . $ftp->message; }
if ($verb eq "get") { $ftp->get(@do) or die "get: " . $ftp->message; }
if ($verb eq "append") { $ftp->append(@do) or die "append: " . $ftp->message; }
if ($verb eq "dir") { print join("\\n", $ftp->ls($do[0])), "\\n"; }
if ($verb eq "size") { print $ftp->size($do[0]) // "none", "\\n"; }
$ftp->quit;
""".replace("USER", USER).replace("PASSWORD", PASSWORD)


def perl(daemon, folder, mode, *words):
    tls = "1" if mode.tls else ""
    return Run(["perl", "-e", PERL, str(daemon.port()), tls, *map(str, words)], folder)


# PHP: ftp_put with FTP_AUTORESUME asks SIZE, then REST and STOR.

PHP = """
[, $port, $tls, $verb, $here, $there] = $argv;
$ftp = $tls ? ftp_ssl_connect("127.0.0.1", (int) $port, 20) : ftp_connect("127.0.0.1", (int) $port, 20);
if (!$ftp || !ftp_login($ftp, "USER", "PASSWORD")) { fwrite(STDERR, "no login"); exit(2); }
ftp_set_option($ftp, FTP_USEPASVADDRESS, false);
ftp_pasv($ftp, true);
$done = match ($verb) {
    "put" => ftp_put($ftp, $there, $here, FTP_BINARY),
    "resume" => ftp_put($ftp, $there, $here, FTP_BINARY, FTP_AUTORESUME),
    "get" => ftp_get($ftp, $here, $there, FTP_BINARY),
    "get-resume" => ftp_get($ftp, $here, $there, FTP_BINARY, FTP_AUTORESUME),
    "append" => ftp_append($ftp, $there, $here, FTP_BINARY),
    "dir" => (bool) print(implode("\\n", ftp_nlist($ftp, $there)) . "\\n"),
    "size" => (bool) print(ftp_size($ftp, $there) . "\\n"),
};
ftp_close($ftp);
exit($done ? 0 : 1);
""".replace("USER", USER).replace("PASSWORD", PASSWORD)


def php(daemon, folder, mode, verb, here, there):
    tls = "1" if mode.tls else ""
    argv = ["php", "-d", "display_errors=stderr", "-r", PHP, "--"]
    return Run([*argv, str(daemon.port()), tls, verb, str(here), str(there)], folder)


def script(client, daemon, folder, mode, verb, here, there):
    """One of the verbs that both have: put, get, append."""
    if client == "php":
        return php(daemon, folder, mode, verb, here, there)
    words = (there, here) if verb == "get" else (here, there)
    return perl(daemon, folder, mode, verb, *words)


SCRIPTS = [{"client": client, **mode} for client in ("perl", "php") for mode in BOTH]


@step("{client}, {mode}: up, down, appended and listed", "{client}", over=SCRIPTS)
def script_stores(w, client, mode):
    daemon, folder, name = lenient(w), w.folder(), w.fresh("file")
    data = os.urandom(1_500_000)
    local = w.file(data)
    script(client, daemon, folder, mode, "put", local, name).well()
    same("the file", published(daemon, name), data)
    script(client, daemon, folder, mode, "get", folder / "got", name).well()
    same("what came back", (folder / "got").read_bytes(), data)
    script(client, daemon, folder, mode, "append", local, name).well()
    same("the file and more", published(daemon, name), data + data)
    run = php(daemon, folder, mode, "dir", "", name) if client == "php" else \
        perl(daemon, folder, mode, "dir", name)
    need(name in run.well().split(), "the listing lacks the file")


@step("{client}, {mode}: killed while it replaces a file, the old one is whole", "{client}",
      over=SCRIPTS)
def script_killed(w, client, mode):
    daemon, folder, name = lenient(w), w.folder(), w.fresh("file")
    old, new = os.urandom(100_000), os.urandom(200_000_000)
    script(client, daemon, folder, mode, "put", w.file(old), name).well()
    local, watch = w.file(new), Watch(daemon)
    first = script(client, daemon, folder, mode, "put", local, name)
    watch.reaches(1)
    first.kill()
    until_idle(daemon, name)
    same("the file after the kill", published(daemon, name), old)
    local.write_bytes(new[:300_000])
    script(client, daemon, folder, mode, "put", local, name).well()
    same("the file", published(daemon, name), new[:300_000])


@step("php, {mode}: what was cut is gone on with by FTP_AUTORESUME, both ways", "php", over=BOTH)
def php_resumes(w, mode):
    daemon, folder, name = lenient(w), w.folder(), w.fresh("file")
    data = os.urandom(30_000_000)
    local, watch = w.file(data), Watch(daemon)
    first = php(daemon, folder, mode, "put", local, name)
    watch.reaches(1)
    first.kill()
    until_idle(daemon, name)
    # It may have been too quick for the kill: then there is nothing to go on with.
    php(daemon, folder, mode, "resume", local, name).well()
    same("the file", published(daemon, name), data)
    part = folder / "part"
    part.write_bytes(data[:1_234_567])
    php(daemon, folder, mode, "get-resume", part, name).well()
    same("what came back", part.read_bytes(), data)


@step("{client}, {mode}: an upload over the quota fails and keeps nothing", "{client}", over=SCRIPTS)
def script_over_quota(w, client, mode):
    daemon, folder, name = lenient(w, quota="5MiB"), w.folder(), w.fresh("file")
    before = daemon.stages()
    run = script(client, daemon, folder, mode, "put", w.file(os.urandom(6_000_000)), name)
    code, said = run.wait()
    need(code != 0, f"{client} takes a file over quota for stored: {said}")
    need("over your quota" in said, f"{client} does not say why: {said!r}")
    same("the file", published(daemon, name), None)
    until("no stage to be left", lambda: daemon.stages() == before)
