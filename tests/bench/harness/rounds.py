"""Who is measured when: rounds of all figures, each beginning with another server."""

import statistics, sys, time
from harness import limits
from harness.process import Failed


class Results:
    """Values by row, unit, server and round; failures by row and server, the last of each."""

    def __init__(self):
        self.values, self.failures, self.limits, self.notes = {}, {}, {}, []

    def add(self, row, server, turn, numbers):
        for unit, value in numbers.items():
            of_row = self.values.setdefault(row.key, {})
            of_row.setdefault(unit, {}).setdefault(server.name, {})[turn] = value

    def by_round(self, row, unit, server):
        return self.values.get(row.key, {}).get(unit, {}).get(server, {})

    def of(self, row, unit, server):
        return list(self.by_round(row, unit, server).values())

    def medians(self, row, server):
        """By unit; empty where nothing was measured."""
        units = self.values.get(row.key, {})
        taken = {unit: self.of(row, unit, server) for unit in units}
        return {unit: statistics.median(values) for unit, values in taken.items() if values}


def start_all(servers, home, running):
    """Adds the instances that run, and says why others do not."""
    absent = {}
    for server in servers:
        why = server.missing()
        if why is None:
            try:
                running.append(server.start(home))
                continue
            except Failed as failure:
                why = str(failure)
        absent[server.name] = why
    return absent


def run(bench, amounts, chosen, instances, results):
    every, begin = limits.limits(bench, amounts), time.monotonic()
    for turn in range(amounts.rounds):
        limits.take_all(every, bench, results.limits, results.notes)
        for row in chosen:
            if row.once and turn > 0:
                continue
            if why := row.kind.missing():
                bench.notes.add(f"{row.key}: {why}")
                continue
            say(f"[{time.monotonic() - begin:5.0f} s] round {turn + 1}: {row.key}")
            if row.kind.size:
                bench.warm(row.kind.size)
            take_row(bench, row, [i for i in instances if row.wants(i.server)], turn, results)


def take_row(bench, row, instances, turn, results):
    """All servers by turns, as often as the row asks for; the median is the round's figure."""
    taken = {}
    for once in range(row.passes):
        for instance in rotated(instances, turn + once):
            numbers = take(bench, row, instance, turn, results)
            for unit, value in numbers.items():
                taken.setdefault(instance, {}).setdefault(unit, []).append(value)
    for instance, units in taken.items():
        numbers = {unit: statistics.median(values) for unit, values in units.items()}
        results.add(row, instance.server, turn, numbers)


def take(bench, row, instance, turn, results):
    try:
        return row.kind.take(bench, instance, turn)
    except (Failed, OSError) as failure:
        results.failures[row.key, instance.name] = str(failure)
        say(f"    {instance.name}: {failure}")
        return {}


def rotated(items, turn):
    at = turn % len(items) if items else 0
    return items[at:] + items[:at]


def say(line):
    print(line, file=sys.stderr, flush=True)
