"""Run clang-tidy on the sources that changed and write "EXPECTED PASSED FAILED SKIPPED" into a file.

    tidy_changed.py [--all] BUILD_TREE COUNTS_FILE

Changed means: not committed yet, or committed since this branch left another one. On a branch that left none (a fresh
clone of one branch), it means the last commits. The newest come first; of one commit's files the commit id decides the
order, so that a clone of depth one checks other files after every commit. A changed header stands for one source that
sees it. Bounded: FILES_MAX sources, one a processor at a time, none begun after BUDGET_SECONDS; what did not fit is
printed and not counted. --all takes every source, without a bound.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

FILES_MAX = 16
BUDGET_SECONDS = 180
COMMITS_MAX = 100
OTHER_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def git(root: Path, *arguments: str) -> list[str]:
    """Run git and return its lines, or none when it refuses."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def fork_point(root: Path) -> str | None:
    """Where this branch left another one, unless it left none."""
    head = git(root, "rev-parse", "HEAD")
    for name in OTHER_BRANCHES:
        found = git(root, "merge-base", "HEAD", name)
        if found and found != head:
            return found[0]
    return None


def changed_paths(root: Path) -> Iterator[str]:
    """Changed files, relative to the root, the newest first; some more than once, some gone again."""
    yield from git(root, "diff", "--name-only", "HEAD")
    yield from git(root, "ls-files", "--others", "--exclude-standard")
    base = fork_point(root)
    for commit in git(root, "rev-list", "--first-parent", f"-n{COMMITS_MAX}", f"{base}..HEAD" if base else "HEAD"):
        paths = git(root, "show", "--first-parent", "-m", "--name-only", "--format=", commit)
        yield from sorted(paths, key=lambda path: hashlib.sha256(f"{commit} {path}".encode()).digest())


def source_of(path: Path, sources: Iterable[Path]) -> Path | None:
    """Return the source that stands for a changed file: itself, a header's own .cpp, else one that includes it."""
    if path.suffix == ".cpp":
        return path
    if path.suffix != ".hpp" or not path.exists():
        return None
    own = path.with_suffix(".cpp")
    if own in sources:
        return own
    names = (f'"{path.parent.name}/{path.name}"', f'"{path.name}"')
    for source in sources:
        text = source.read_text(errors="replace")
        if any(f"#include {name}" in text for name in names):
            return source
    return None


def choose(root: Path, sources: list[Path]) -> list[Path]:
    """Return the sources of the build that changed, the newest first; without a history all of them."""
    if not git(root, "rev-parse", "HEAD"):
        return sources
    chosen: dict[Path, None] = {}
    for name in changed_paths(root):
        source = source_of(root / name, sources)
        if source in sources:
            chosen[source] = None
    return list(chosen)


def sources_of_build(root: Path, tree: Path) -> list[Path]:
    """All our sources in the compile commands: the product's first, then tests and benchmarks."""
    entries = json.loads((tree / "compile_commands.json").read_text())
    files = {(Path(entry["directory"]) / entry["file"]).resolve() for entry in entries}
    ours = [path for path in files if path.is_relative_to(root) and not path.is_relative_to(root / "build")]
    return sorted(ours, key=lambda path: (not path.is_relative_to(root / "src"), path))


def tidy(tree: Path, path: Path, latest_start: float) -> tuple[int | None, float, str]:
    """Run clang-tidy on one file: its exit code (None when it was too late to begin), seconds and findings."""
    start = time.monotonic()
    if start > latest_start:
        return None, 0.0, ""
    command = ["clang-tidy-19", "-p", str(tree), "--quiet", "--extra-arg=-Wno-unknown-warning-option", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, time.monotonic() - start, done.stdout + done.stderr


def main() -> None:
    """Check what was chosen, say how each file did, and write the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="every source, without a bound")
    parser.add_argument("tree", type=Path)
    parser.add_argument("counts", type=Path)
    options = parser.parse_args()
    root = Path.cwd().resolve()
    sources = sources_of_build(root, options.tree)
    wanted = sources if options.all else choose(root, sources)
    chosen = wanted if options.all else wanted[:FILES_MAX]
    for path in wanted[len(chosen) :]:
        print(f"not checked, more than {FILES_MAX} sources changed: {path.relative_to(root)}")
    latest_start = float("inf") if options.all else time.monotonic() + BUDGET_SECONDS
    passed = 0
    findings: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(tidy, options.tree, path, latest_start): path for path in chosen}
        for number, future in enumerate(as_completed(running), 1):
            status, seconds, text = future.result()
            name = running[future].relative_to(root)
            if status is None:
                print(f"not checked, out of time: {name}", flush=True)
                continue
            print(f"[{number}/{len(chosen)}] {name}: {seconds:.0f} s, exit {status}", flush=True)
            if status == 0:
                passed += 1
            else:
                findings.append(text)
    options.counts.write_text(f"{passed + len(findings)} {passed} {len(findings)} 0\n")
    if findings:
        sys.exit("".join(findings))


if __name__ == "__main__":
    main()
