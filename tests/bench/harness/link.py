"""A line with a delay: loopback in a network namespace of this thread's own, whose packets go
through a tun device and wait on the way."""

import contextlib, ctypes, fcntl, os, pathlib, struct, subprocess, sys
from harness.process import Failed

CLONE_NEWNET = 0x4000_0000
# linux/if_tun.h: the request, and a device of IP packets without a header of their own.
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
DEVICE = "delay0"
TUN = "/dev/net/tun"
LIBC = ctypes.CDLL(None, use_errno=True)

# Packets to 127.0.0.1 leave by the device; what comes back from it is for this machine.
RULES = f"""link set lo up
link set {DEVICE} up
rule add pref 1 iif {DEVICE} lookup local
rule add pref 2 to 127.0.0.1 lookup 100
rule add pref 3 lookup local
rule del pref 0
route add 127.0.0.1 dev {DEVICE} src 127.0.0.1 table 100"""
# Loopback addresses on another device are taken for forged otherwise.
SETTINGS = {
    f"{DEVICE}/route_localnet": 1,
    f"{DEVICE}/accept_local": 1,
    f"{DEVICE}/rp_filter": 0,
    "all/rp_filter": 0,
}


def missing():
    """What this machine lacks for it; None if nothing."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"no {TUN}"
    return None


@contextlib.contextmanager
def delayed(milliseconds):
    """Whatever is started and connected within has that delay each way to 127.0.0.1; the rest of
    the machine's network is untouched."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    relay = None
    try:
        check(LIBC.unshare(CLONE_NEWNET), "unshare")
        relay = start_relay(milliseconds)
        configure()
        yield
    finally:
        check(LIBC.setns(outside, CLONE_NEWNET), "setns")
        os.close(outside)
        if relay:
            relay.kill()
            relay.wait()


def start_relay(milliseconds):
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(device, TUNSETIFF, request)
        argv = [sys.executable, "-B", pathlib.Path(__file__).with_name("delay.py")]
        argv = [*map(str, argv), str(device), str(milliseconds)]
        return subprocess.Popen(argv, pass_fds=(device,), stdin=subprocess.DEVNULL)
    except OSError as error:
        raise Failed(f"a line with a delay: {error}") from None
    finally:
        os.close(device)


def configure():
    for rule in RULES.splitlines():
        done = subprocess.run(["ip", *rule.split()], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"ip {rule}: {done.stderr.strip()}")
    for name, value in SETTINGS.items():
        pathlib.Path(f"/proc/sys/net/ipv4/conf/{name}").write_text(str(value))


def check(result, what):
    if result:
        raise Failed(f"{what}: {os.strerror(ctypes.get_errno())}")
