"""How much of everything a run does: whole, quick, or only to see that it works."""

import dataclasses

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclasses.dataclass
class Amounts:
    """How much of everything a run does."""

    rounds: int
    # How often a row that takes a moment is taken in a round.
    passes: int
    big: int
    wide: int
    small: int
    trips: int
    logins: int
    listings: dict
    steps: tuple
    streams: tuple
    total: int
    sizes: tuple
    seconds: float
    # Of the mixture: sessions, seconds, and a download's size; an upload has an eighth of it.
    mixed: int
    mixed_seconds: float
    middle: int
    native: int
    tree: int
    # Files of a tree over a line with a delay.
    far: int
    cold: int
    # Sessions that stand idle beside those that are busy.
    crowd: tuple
    # Logins of users that were not in before, one after the other; and all at once.
    first_logins: int
    at_once: int
    limit: int
    synced: int

    def files(self, chosen):
        """Sizes of the files that the chosen rows need, and the limits."""
        sizes = (row.kind.size for row in chosen if row.kind.size)
        return {4096, self.wide, self.cold, *sizes}

    def entries(self, chosen):
        """The same for directories."""
        return {row.kind.entries for row in chosen if hasattr(row.kind, "entries")}


FULL = Amounts(
    rounds=3,
    passes=3,
    big=512 * MIB,
    wide=128 * MIB,
    small=500,
    trips=20_000,
    logins=200,
    listings={100: 200, 10_000: 10, 100_000: 2},
    steps=(1, 100, 1000, 10_000),
    streams=(1, 4, 16, 64),
    total=1 * GIB,
    sizes=(4 * KIB, 64 * KIB, 1 * MIB, 64 * MIB, 4 * GIB),
    seconds=5,
    mixed=50,
    mixed_seconds=10,
    middle=64 * MIB,
    native=1 * GIB,
    tree=3000,
    far=300,
    cold=256 * MIB,
    crowd=(950, 50),
    first_logins=20,
    at_once=20,
    limit=2 * GIB,
    synced=256 * MIB,
)
QUICK = Amounts(
    rounds=2,
    passes=1,
    big=64 * MIB,
    wide=16 * MIB,
    small=60,
    trips=2000,
    logins=20,
    listings={100: 20, 10_000: 2},
    steps=(1, 100),
    streams=(1, 8),
    total=128 * MIB,
    sizes=(4 * KIB, 1 * MIB, 64 * MIB),
    seconds=1,
    mixed=50,
    mixed_seconds=3,
    middle=64 * MIB,
    native=64 * MIB,
    tree=300,
    far=10,
    cold=64 * MIB,
    crowd=(95, 5),
    first_logins=10,
    at_once=20,
    limit=512 * MIB,
    synced=32 * MIB,
)
SMOKE = Amounts(
    rounds=1,
    passes=1,
    big=2 * MIB,
    wide=1 * MIB,
    small=4,
    trips=20,
    logins=2,
    listings={100: 2},
    steps=(1, 5),
    streams=(1, 4),
    total=4 * MIB,
    sizes=(4 * KIB, 1 * MIB),
    seconds=0.3,
    mixed=10,
    mixed_seconds=0.3,
    middle=1 * MIB,
    native=1 * MIB,
    tree=20,
    far=4,
    cold=1 * MIB,
    crowd=(4, 2),
    first_logins=2,
    at_once=2,
    limit=4 * MIB,
    synced=1 * MIB,
)
