"""Gives each packet of a tun device back to it after a while: DESCRIPTOR MILLISECONDS."""

import collections, contextlib, os, select, sys, time

# Of one packet: more than the device's largest.
ROOM = 1 << 16


def main(device, delay):
    waiting = collections.deque()
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            os.write(device, waiting.popleft()[1])
        patience = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        select.select([device], [], [], patience)
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = os.read(device, ROOM)
                waiting.append((time.monotonic() + delay, packet))


main(int(sys.argv[1]), float(sys.argv[2]) / 1000)
