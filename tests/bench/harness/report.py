"""The results as tables: median, least and most; the ratios to the best peer; the ceiling."""

import statistics

OURS, FSYNC, CEILING = "skiffd", "skiffd fsync", "ceiling"


def tables(chosen, results, names):
    """Markdown: one table for each group of rows. `names` are the peers that took part."""
    lines = []
    for group in dict.fromkeys(row.group for row in chosen):
        rows = [row for row in chosen if row.group == group]
        lines += ["", f"## {group}", "", *table(rows, results, names), "", *bounds(rows)]
    return lines


def table(rows, results, names):
    shown = [name for name in (OURS, FSYNC, *names, CEILING) if appears(rows, results, name)]
    head = ["figure", "unit", *shown, "best peer", "ratio", "ratio, fsync"]
    yield "| " + " | ".join(head) + " |"
    yield "|---|---|" + "---:|" * len(shown) + "---|---:|---:|"
    for row in rows:
        for unit in results.values.get(row.key, {}):
            cells = [told(results.of(row, unit, name)) for name in shown]
            cells += compared(row, unit, results, names)
            yield "| " + " | ".join([row.title, unit, *cells]) + " |"


def appears(rows, results, name):
    return any(
        name in servers for row in rows for servers in results.values.get(row.key, {}).values()
    )


def bounds(rows):
    """What each row is made of; said once for rows that share it."""
    shared = {}
    for row in rows:
        shared.setdefault(row.limit, []).append(row.title)
    for limit, titles in shared.items():
        yield f"- {'; '.join(titles) if len(shared) > 1 else 'All'}: {limit}."


def compared(row, unit, results, names):
    """The best peer by its median, and how many times as good skiffd is, without fsync and with it."""
    told_of = {name: results.medians(row, name) for name in names}
    medians = {name: numbers[unit] for name, numbers in told_of.items() if unit in numbers}
    ours = results.by_round(row, unit, OURS)
    if not medians or not ours or unit.startswith("%"):
        return ["", "", ""]
    more = unit in row.kind.more
    best = (max if more else min)(medians, key=medians.get)
    theirs, synced = results.by_round(row, unit, best), results.by_round(row, unit, FSYNC)
    with_fsync = told(ratios(synced, theirs, more)) if synced else ""
    return [best, told(ratios(ours, theirs, more)), with_fsync]


def ratios(ours, theirs, more):
    """One a round that both were measured in: a machine that becomes slower from one round to
    the next is the same for both."""
    pairs = [(ours[turn], theirs[turn]) for turn in ours.keys() & theirs.keys()]
    return [mine / other if more else other / mine for mine, other in pairs if min(mine, other) > 0]


def limit_table(limits):
    yield "| limit | unit | median (least–most) |"
    yield "|---|---|---:|"
    for (name, unit), values in limits.items():
        yield f"| {name} | {unit} | {told(values)} |"


def told(values):
    if not values:
        return "–"
    median = statistics.median(values)
    if len(values) == 1:
        return figures(median)
    return f"{figures(median)} ({figures(min(values))}–{figures(max(values))})"


def figures(value):
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def size_table(servers):
    yield "| server | MiB |"
    yield "|---|---:|"
    for server in servers:
        if not server.reference and (binary := server.binary()):
            yield f"| {server.name} | {figures(binary.stat().st_size / (1 << 20))} |"
