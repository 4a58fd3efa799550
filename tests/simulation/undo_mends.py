#!/usr/bin/env python3
"""Shows that the simulation finds what it is for: undoes one mend after the other in a copy of the
sources, and runs simulated worlds until one goes wrong.

    tests/simulation/undo_mends.py [--steps N] [WORD...]

Only the mends whose names have one of the words, if there are any. A mend whose code cannot be
found any more fails too. It takes some minutes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["Cargo.toml", "Cargo.lock", "conf", "quota", "vfs", "sessions", "reactor", "client", "tests"]
FAST = [f"--config=profile.dev.package.{name}.opt-level=2" for name in ("skiff-vfs", "skiffd")]

# Each: the file, the code with the mend, and the code without it.
MENDS = {
    "stages are cut to what was synced": [(
        "vfs/src/staging/recovery.rs",
        "if label.synced == stage.size {",
        "if label.synced <= stage.size {",
    )],
    "a stage that is also published is dropped, and the staging directory is synced": [(
        "vfs/src/staging/mod.rs",
        "            false => self.sync(),",
        "            false => Ok(()),",
    ), (
        "vfs/src/staging/mod.rs",
        "        self.links != 1",
        "        self.links > 99",
    )],
    "the content is synced before the rename": [(
        "vfs/src/upload/publish.rs",
        "Durability::Fsync => Ok(fsync(&self.file)?),",
        "Durability::Fsync => Ok(()),",
    )],
    "the name is synced": [(
        "vfs/src/upload/publish.rs",
        "self.guard.writer.name_at.folder.sync(durability)?;",
        "",
    )],
    "what is kept is synced": [(
        "vfs/src/upload/checkpoint.rs",
        "        fdatasync(&self.file)?;\n        self.write_label(self.len)?;\n"
        "        fsync(&self.file)?;\n        self.staging.sync()\n",
        "        self.write_label(self.len)\n",
    )],
    "an append is recorded": [(
        "vfs/src/staging/recovery.rs",
        "        let is_longer = entry::size(&stat) > record.size;",
        "        let is_longer = entry::size(&stat) > u64::MAX - record.size;",
    )],
    "a removal is synced": [(
        "vfs/src/changing/remove.rs",
        "name_at.folder.sync(self.policy.durability)?;",
        "",
    )],
    "who hangs up before the name is given is not published": [(
        "sessions/src/server/stream/readying.rs",
        "        if self.control == Control::Ended {\n            return lose(cx);\n        }\n",
        "",
    )],
    "an older stage is gone before the client is told to send": [(
        "reactor/src/workers/jobs.rs",
        "StreamStart::Offset(0)) =",
        "StreamStart::Offset(u64::MAX)) =",
    )],
    "a removed stage is not charged": [(
        "vfs/src/upload/mod.rs",
        "        let now = Charge::of_sizes(self.published, None);\n        self.guard.settle(&mut state, now);\n"
        "        drop(state);",
        "        let now = Charge::of_sizes(self.published, Some(self.len));\n"
        "        self.guard.settle(&mut state, now);\n        drop(state);",
    )],
    "a stopped command is not ended by an answer like that of NOOP": [(
        "sessions/src/client/drain.rs",
        "awaited: Awaited::Abort,",
        "awaited: Awaited::Noop,",
    )],
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--steps", type=int, default=1_000_000)
    arguments.add_argument("words", nargs="*")
    asked = arguments.parse_args()
    chosen = {name: mend for name, mend in MENDS.items()
              if not asked.words or any(word in name for word in asked.words)}
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        for name, mend in chosen.items():
            found, what = try_without(tree, mend, asked.steps)
            missed += not found
            print(f"{'found ' if found else 'MISSED'} {name}: {what}", flush=True)
    print(f"undo_mends: {len(chosen) - missed} found, {missed} missed")
    return missed != 0


def try_without(tree, mend, steps):
    """Whether a world goes wrong without the mend, and how."""
    copy_sources(tree)
    for file, mended, undone in mend:
        path = tree / file
        text = path.read_text()
        if mended not in text:
            return False, f"{file} has no such code"
        path.write_text(text.replace(mended, undone, 1))
    target = tree.parent / "target"
    build = ["cargo", "build", "-q", *FAST, "--package=skiffd", "--features=simulation", "--bin=simulation"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "TMPDIR": str(tree.parent)}
    built = subprocess.run(build, cwd=tree, env=environment, capture_output=True, text=True)
    if built.returncode:
        return False, f"it does not build: {built.stderr[-400:]}"
    run = [target / "debug" / "simulation", "--steps", str(steps)]
    ran = subprocess.run(run, env=environment, capture_output=True, text=True)
    lines = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    return ran.returncode != 0, lines[0][:160] if lines else "nothing was said"


def copy_sources(tree):
    """A fresh copy, all of it newer than what was built of the one before."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / name, tree / name)


if __name__ == "__main__":
    sys.exit(main())
