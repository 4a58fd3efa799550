"""The command line: from binaries to RESULTS.md."""

import argparse, datetime, json, os, pathlib, platform, re, signal, statistics, subprocess
import sys, time
from harness import plot, report, rounds
from harness.amounts import FULL, QUICK, SMOKE
from harness.bench import Bench
from harness.peers import Sshd, all_peers
from harness.process import Failed, make_group
from harness.rows import rows
from harness.servers import Null, Skiffd, SkiffdFsync

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]


def main(words):
    options = parse(words)
    # Whoever ends the run ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    amounts = SMOKE if options.smoke else QUICK if options.quick else FULL
    amounts.rounds = options.rounds or amounts.rounds
    chosen = [row for row in rows(amounts) if re.search(options.only, row.key)]
    if options.list:
        print("\n".join(f"{row.key:24} {row.group}: {row.title}" for row in chosen))
        return 0
    try:
        return bench(options, amounts, chosen)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1


def parse(words):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="skiffd beside its peers")
    short = parser.add_mutually_exclusive_group()
    short.add_argument(
        "--quick", action="store_true", help="less of everything: six minutes"
    )
    short.add_argument(
        "--smoke", action="store_true", help="skiffd alone, tiny: does all of it work?"
    )
    parser.add_argument("--rounds", type=int, help="instead of 3, or 2 if quick")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows whose key matches")
    parser.add_argument("--list", action="store_true", help="say the rows' keys and leave")
    parser.add_argument("--bin", type=pathlib.Path, help="binaries that are built already")
    parser.add_argument("--dir", type=pathlib.Path, help="the file system to measure on")
    parser.add_argument("--results", type=pathlib.Path, help="folder for RESULTS.md and plots")
    return parser.parse_args(words)


def bench(options, amounts, chosen):
    begin, target = time.monotonic(), pathlib.Path(
        os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    )
    binaries = options.bin or build(target)
    peers = target.resolve() / "bench-peers"
    work = Bench(binaries, peers, options.dir, amounts.files(chosen), amounts.entries(chosen))
    instances, results = [], rounds.Results()
    try:
        servers = [kind(work) for kind in lineup(options)]
        absent = rounds.start_all(servers, work.home, instances)
        if not any(instance.name == "skiffd" for instance in instances):
            raise Failed(f"skiffd does not run: {absent.get('skiffd')}")
        rounds.run(work, amounts, chosen, instances, results)
        page = tell(work, amounts, chosen, servers, absent, results, time.monotonic() - begin)
        print(page)
        keep(options, target, page, chosen, results)
    finally:
        for instance in instances:
            instance.stop()
        work.remove()
    return verdict(options, results)


def build(target):
    argv = ["cargo", "build", "--release", "--bins", "--workspace"]
    if subprocess.run(argv, cwd=ROOT).returncode:
        raise Failed("the release build fails")
    return target / "release"


def lineup(options):
    return (Skiffd,) if options.smoke else (Skiffd, *all_peers(), Sshd, SkiffdFsync, Null)


def verdict(options, results):
    """Only what skiffd cannot do, and a limit that could not be taken, is a failure."""
    ours = [f"{key}: {why}" for (key, name), why in results.failures.items() if name == "skiffd"]
    ours += results.notes
    if options.smoke:
        print(f"bench: {len(results.values)} rows measured, {len(ours)} failures")
    return 1 if ours else 0


def tell(work, amounts, chosen, servers, absent, results, seconds):
    names = [s.name for s in servers if s.name != "skiffd" and not s.reference]
    lines = ["# Skiff beside its peers", "", *setting(work, amounts, seconds), "", "## Servers", ""]
    for server in servers:
        if server.name in absent:
            lines.append(f"- {server.name}: **not measured: {absent[server.name]}**.")
        else:
            lines.append(f"- {server.name} {server.version()}: {server.settings()}.")
    lines += ["", "## What the machine allows", "", *report.limit_table(results.limits)]
    lines += report.tables(chosen, results, names)
    lines += ["", "## Size of the program", "", *report.size_table(servers)]
    notes = [*results.notes, *sorted(work.notes)]
    if results.failures or notes:
        lines += ["", "## Not measured", ""]
        lines += [f"- {key}, {name}: {why}" for (key, name), why in results.failures.items()]
        lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def setting(work, amounts, seconds):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    find = ["findmnt", "-n", "-o", "FSTYPE", "-T", work.work]
    kind = subprocess.run(find, capture_output=True, text=True)
    yield f"{datetime.date.today()}, {amounts.rounds} rounds, {seconds / 60:.0f} minutes."
    yield f"{os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), Linux {platform.release()},"
    yield f"files on {kind.stdout.strip()}, everything on loopback and in the page cache unless a row"
    yield "says otherwise, the load generator on the same cores. TLS is 1.3 with AES-128-GCM and a P-256"
    yield "certificate; data connections resume their control connection's session, each ticket used"
    yield "once."
    yield ""
    yield "A cell is the median (least–most) of the rounds; 10,000 idle sessions, and 1,000 of servers"
    yield "that fork for each, are weighed once; a crowd of sessions, trees by lftp, and trees over a"
    yield "line with a delay (it stands in a network namespace of its own) are taken once. CPU is that"
    yield f"of all processes of the server, {clock()}."
    yield "What is weighed runs from a copy of its program: it shares no more than libraries."
    if amounts.passes > 1:
        yield f"Big files, small commands and short listings are taken {amounts.passes} times in a"
        yield "round, and their median is the round's figure."
    yield "The ratio says how many times as good skiffd is as the best peer was in the same round, since"
    yield "the machine's own speed changes from round to round: above 1 it is ahead."
    yield "`ceiling` is the generator against a server that does nothing, its own limit; what is weighed,"
    yield "waits for a disk, or is done by other programs than the generator (trees, verified files, the"
    yield "client's part of a native login), has none."
    yield "No server but skiffd with `durability: Fsync` syncs what it stores."


def clock():
    """Where CPU times come from on this machine."""
    if group := make_group("probe"):
        group.rmdir()
        return "from its control group"
    return "from /proc: in hundredths of a second, without children that nobody waited for"


def keep(options, target, page, chosen, results):
    whole = not (options.quick or options.smoke or options.only)
    folder = options.results or (HERE if whole else target / "bench")
    folder.mkdir(parents=True, exist_ok=True)
    plots = draw(folder, chosen, results)
    links = "".join(f"\n![{name}]({name})\n" for name in plots)
    (folder / "RESULTS.md").write_text(page + (f"\n## Curves\n{links}" if links else ""))
    raw = {
        "values": results.values,
        "limits": {" / ".join(k): v for k, v in results.limits.items()},
    }
    (target / "bench").mkdir(parents=True, exist_ok=True)
    (target / "bench" / "raw.json").write_text(json.dumps(raw, indent=1))
    print(f"bench: {folder / 'RESULTS.md'}", file=sys.stderr)


def draw(folder, chosen, results):
    """The plots that there are points for."""
    made = []
    for mode in ("plain", "tls"):
        sets = (
            (
                f"memory-{mode}.svg",
                f"Memory against idle sessions, {mode}",
                "sessions",
                "KiB PSS in all",
                memory(results, mode),
            ),
            (
                f"streams-{mode}.svg",
                f"RETR against streams, {mode}",
                "streams",
                "MiB/s",
                streams(chosen, results, mode),
            ),
        )
        for name, title, across, upwards, curves in sets:
            if plot.write(folder / name, title, across, upwards, curves):
                made.append(name)
    return made


def memory(results, mode):
    """KiB in all by sessions: at start and what was added."""
    curves, units = {}, results.values.get(f"idle-{mode}", {})
    for unit, servers in units.items():
        if found := re.match(r"KiB each of ([\d,]+)", unit):
            count = int(found[1].replace(",", ""))
            for name, values in servers.items():
                start = statistics.median(units["KiB at start"][name].values())
                point = (count, start + statistics.median(values.values()) * count)
                curves.setdefault(name, []).append(point)
    return curves


def streams(chosen, results, mode):
    curves = {}
    for row in chosen:
        if row.key.startswith(f"streams-{mode}-"):
            for name, values in results.values.get(row.key, {}).get("MiB/s", {}).items():
                point = (row.kind.streams, statistics.median(values.values()))
                curves.setdefault(name, []).append(point)
    return curves
