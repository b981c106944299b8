"""Run clang-tidy on the sources that changed and print "EXPECTED PASSED FAILED SKIPPED".

    tidy_changed.py BUILD_TREE LOG_FILE

Changed means against the branch that this one started from; on that branch itself, against the previous commit. A
changed header stands for the sources that include it by name. Bounded: at most FILES_MAX files, two at a time, and a
time budget; what did not fit is printed in the log and not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FILES_MAX = 16
BUDGET_SECONDS = 360


def git(*arguments: str) -> str:
    """Run git and return its output, or nothing when it refuses."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def base_commit() -> str:
    """Where this branch began, else the previous commit, else nothing."""
    head = git("rev-parse", "HEAD")
    for name in ("origin/HEAD", "origin/main", "origin/master", "main", "master"):
        found = git("merge-base", "HEAD", name)
        if found and found != head:
            return found
    return git("rev-parse", "--verify", "-q", "HEAD~1")


def changed_sources(tree: Path) -> list[str]:
    """C++ sources in the compile commands that changed, or that include a header that did."""
    commands = json.loads((tree / "compile_commands.json").read_text())
    known = {str(Path(entry["file"]).resolve()) for entry in commands}
    root = Path.cwd()
    base = base_commit()
    names = git("diff", "--name-only", base).splitlines() if base else git("ls-files").splitlines()
    changed = [root / name for name in names]
    headers = [path for path in changed if path.suffix == ".hpp"]
    wanted = {str(path) for path in changed if path.suffix == ".cpp"}
    for path in sorted(known):
        if not path.startswith((str(root / "src"), str(root / "bindings"))):
            continue
        text = Path(path).read_text(errors="replace")
        if any(f'"{header.parent.name}/{header.name}"' in text for header in headers):
            wanted.add(path)
    return sorted(path for path in wanted if path in known and path.startswith(str(root)) and "/build/" not in path)


def tidy(tree: Path, path: str) -> tuple[str, int, str]:
    """Run clang-tidy on one file."""
    # -fno-pch-timestamp and friends are for the compiler proper; unknown flags must not fail the check.
    command = ["clang-tidy-19", "-p", str(tree), "--quiet", "--extra-arg=-Wno-unknown-warning-option", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return path, done.returncode, done.stdout + done.stderr


def main() -> None:
    """Check what changed within the budget; print the counts."""
    tree, log = Path(sys.argv[1]), Path(sys.argv[2])
    files = changed_sources(tree)
    chosen = files[:FILES_MAX]
    end = time.monotonic() + BUDGET_SECONDS
    passed = failed = 0
    with log.open("w") as out, ThreadPoolExecutor(2) as pool:
        for path in files[FILES_MAX:]:
            out.write(f"not checked (more than {FILES_MAX} files changed): {path}\n")

        def one(path: str) -> tuple[str, int, str] | None:
            return tidy(tree, path) if time.monotonic() < end else None

        for result in pool.map(one, chosen):
            if result is None:
                out.write("not checked: out of time\n")
                continue
            path, status, text = result
            out.write(f"--- {path}: exit {status}\n{text}\n")
            if status == 0:
                passed += 1
            else:
                failed += 1
    print(passed + failed, passed, failed, 0)


if __name__ == "__main__":
    main()
