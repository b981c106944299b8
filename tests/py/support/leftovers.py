"""What a machine holds that sandboxes are made of; what is new since a snapshot; and removing it.

    leftovers.py snapshot FILE     write what is there now
    leftovers.py check FILE        fail (and say what) when something new of ours is left
    leftovers.py clean FILE        remove what is new and ours

"Ours" are processes that carry this check run's mark in their environment or sit in a new cgroup of ours, and mounts,
network namespaces, links, nftables tables and cgroups that are new and bear one of our names. Nothing that was there
before is ever touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "SANDBOXD_CHECK_RUN"
OURS = re.compile(r"sandboxd|sbx|runsc|k8s\.io")
Facts = dict[str, list[str]]


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def _environment(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "environ").read_bytes()
    except OSError:
        return b""


def _command(pid: str) -> str:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return words or Path("/proc", pid, "comm").read_text().strip()
    except OSError:
        return "?"


def _ancestors() -> set[str]:
    """This process and all above it: the check itself, which carries the mark too."""
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(str(pid))
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return found


def marked_processes(mark: str) -> list[str]:
    """Living processes that a check run started, without the run itself."""
    if not mark:
        return []
    wanted, own = f"{MARK}={mark}".encode(), _ancestors()
    pids = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name not in own]
    return sorted(pid for pid in pids if wanted in _environment(pid).split(b"\0") and not _is_zombie(pid))


def _is_zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def cgroups() -> list[str]:
    """Cgroup directories with one of our names, in every hierarchy."""
    base, found = Path("/sys/fs/cgroup"), []
    hierarchies = (
        [base] if (base / "cgroup.controllers").exists() else [path for path in base.iterdir() if path.is_dir()]
    )
    for hierarchy in hierarchies:
        with contextlib.suppress(OSError):
            found += [str(path) for path in hierarchy.iterdir() if path.is_dir() and OURS.search(path.name)]
    return sorted(found)


def test_daemons() -> list[str]:
    """Daemons of tests' instances; the log holder has an environment of its own and so carries no mark."""
    found = []
    for entry in Path("/proc").iterdir():
        words = _command(entry.name) if entry.name.isdigit() else ""
        if "/sbxt-" in words and words.split()[0].rsplit("/", 1)[-1] in ("sandboxd-logholder", "containerd"):
            found.append(entry.name)
    return sorted(found)


def loop_files() -> list[str]:
    """Files below a directory with one of our names that loop devices are attached to."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found.append(path.read_text().strip())
    return sorted(file for file in found if OURS.search(file))


def look() -> Facts:
    """All that could be left behind, by kind."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    links = [line.split(":")[1].strip().split("@")[0] for line in _lines("ip", "-o", "link", "show")]
    return {
        "mount": sorted(path for path in mounts if OURS.search(path)),
        "netns": sorted(line.split()[0] for line in _lines("ip", "netns", "list") if line.strip()),
        "link": sorted(name for name in links if OURS.search(name) or name.startswith("veth")),
        "nft": sorted(line for line in _lines("nft", "list", "tables") if OURS.search(line)),
        "cgroup": cgroups(),
        "daemon": test_daemons(),
        "loop device": loop_files(),
    }


def new_since(before: Facts) -> Facts:
    """What is there now and was not in `before`, and marked processes."""
    now = look()
    fresh = {kind: [item for item in items if item not in before.get(kind, [])] for kind, items in now.items()}
    fresh["process"] = [f"{pid} {_command(pid)[:160]}" for pid in marked_processes(os.environ.get(MARK, ""))]
    return {kind: items for kind, items in fresh.items() if items}


def check(before: Facts, patience_s: float = 10.0) -> Facts:
    """New things of ours after giving the kernel `patience_s` to finish what is on its way out."""
    end = time.monotonic() + patience_s
    while (fresh := new_since(before)) and time.monotonic() < end:
        time.sleep(0.5)
    return fresh


def clean(before: Facts) -> None:
    """Remove what check() finds, in an order that lets go of things: processes, mounts, links, the rest."""
    for _ in range(3):
        fresh = new_since(before)
        for entry in fresh.get("process", []) + fresh.get("daemon", []):
            with contextlib.suppress(OSError):
                os.kill(int(entry.split()[0]), signal.SIGKILL)
        for path in fresh.get("cgroup", []):
            for tasks in Path(path).rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    for pid in tasks.read_text().split():
                        os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.5)
    fresh = new_since(before)
    for path in sorted(fresh.get("mount", []), key=len, reverse=True):
        _lines("umount", "-l", path)
    for name in fresh.get("netns", []):
        _lines("ip", "netns", "delete", name)
    for name in fresh.get("link", []):
        _lines("ip", "link", "delete", name)
    for line in fresh.get("nft", []):
        _lines("nft", "delete", *line.split())
    for path in fresh.get("cgroup", []):
        _empty_cgroup(Path(path))


def clean_instance(name: str, root: Path) -> None:
    """Remove what an instance of a test left: everything that bears its name, and mounts below its directory."""
    for path in cgroups():
        if Path(path).name == f"sandboxd-{name}":
            _empty_cgroup(Path(path))
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for path in sorted((path for path in mounts if path.startswith(f"{root}/")), key=len, reverse=True):
        _lines("umount", "-l", path)
    for line in _lines("ip", "netns", "list"):
        if line.startswith(f"sbx{name}-"):
            _lines("ip", "netns", "delete", line.split()[0])
    _lines("ip", "link", "delete", f"sbx-br{name}")
    for line in _lines("nft", "list", "tables"):
        if line.endswith(f" sandboxd_{name}"):
            _lines("nft", "delete", *line.split())


def _empty_cgroup(path: Path) -> None:
    for _ in range(10):
        for tasks in path.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                for pid in tasks.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.1)
        for folder in sorted([path, *path.rglob("*")], key=lambda found: len(found.parts), reverse=True):
            if folder.is_dir():
                with contextlib.suppress(OSError):
                    folder.rmdir()
        if not path.exists():
            return


def main() -> int:
    """Run one of the three commands; 1 when something is left."""
    action, file = sys.argv[1], Path(sys.argv[2])
    if action == "snapshot":
        file.write_text(json.dumps(look()))
        return 0
    before: Facts = json.loads(file.read_text())
    if action == "clean":
        clean(before)
        return 0
    left = check(before)
    for kind, items in left.items():
        for item in items:
            print(f"    left behind: {kind}: {item}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
