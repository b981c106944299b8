"""The instance's private containerd: own root, state and socket, in a session of its own.

It outlives the supervisor on purpose: sandboxes live as long as it and its shims do. The next supervisor adopts it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ._exceptions import UnavailableError
from ._instance import Instance
from ._native import core
from ._process import end_process, find_processes, pid_alive

# The shims, and runc and runsc below them, are looked up in the PATH that containerd has.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READY_SECONDS = 20.0


def _is_ours(words: Sequence[str], config: Path) -> bool:
    return Path(words[0]).name == "containerd" and str(config) in words


def find(instance: Instance) -> int | None:
    """Process id of the instance's containerd; None when it does not run."""
    found = find_processes(lambda words: _is_ours(words, instance.containerd_config))
    return found[0] if found else None


def start(instance: Instance) -> int:
    """Start it in a session of its own; returns before it answers.

    Raises:
        UnavailableError: there is no containerd executable.
    """
    path = f"{os.environ.get('PATH', '')}:{SEARCH_PATH}"
    executable = shutil.which("containerd", path=path)
    if executable is None:
        raise UnavailableError("containerd is not installed: apt-get install containerd runc", code="unavailable")
    for directory in (instance.containerd_root, instance.containerd_state):
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
    instance.containerd_config.write_text(
        core().make_containerd_config(
            root_dir=str(instance.containerd_root),
            state_dir=str(instance.containerd_state),
            socket_path=str(instance.containerd_socket),
            snapshotter=core().choose_snapshotter(str(instance.containerd_root)),
        ),
        encoding="utf-8",
    )
    environment = {key: value for key, value in os.environ.items() if "TOKEN" not in key}
    with (instance.log_dir / "containerd.log").open("ab") as log:
        process = subprocess.Popen(
            [executable, "--config", str(instance.containerd_config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**environment, "PATH": path},
            start_new_session=True,
        )
    return process.pid


def wait_ready(instance: Instance, pid: int) -> None:
    """Wait until the socket accepts.

    Raises:
        UnavailableError: it ended, or does not answer in time; the message has the end of its log.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(instance.containerd_socket))
            return
        if not pid_alive(pid) or time.monotonic() > deadline:
            log = instance.log_dir / "containerd.log"
            tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            text = f"containerd does not come up (log: {log})" + "".join(f"\n  {line}" for line in tail)
            raise UnavailableError(text, code="unavailable")
        time.sleep(0.02)


def shims(instance: Instance) -> list[int]:
    """Shims that belong to the instance's containerd."""
    # Shims are told the socket of their containerd: "-address <socket>".
    socket_path = str(instance.containerd_socket)
    return find_processes(lambda words: Path(words[0]).name.startswith("containerd-shim-") and socket_path in words)


def remove(instance: Instance) -> list[str]:
    """End containerd and what is left of its shims, and let go of its mounts. Returns what could not be removed."""
    problems = []
    pid = find(instance)
    if pid is not None and not end_process(pid, 10.0):
        problems.append(f"containerd (pid {pid}) does not end")
    for shim in shims(instance):
        if not end_process(shim, 2.0):
            problems.append(f"shim (pid {shim}) does not end")
    for mount in mounts_below(instance.run_dir, instance.data_dir):
        done = subprocess.run(["umount", "-l", mount], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            problems.append(f"cannot unmount {mount}: {done.stderr.strip()}")
    return problems


def mounts_below(*directories: Path) -> list[str]:
    """Mount points below the directories, innermost first."""
    out = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if any(point.startswith(f"{directory}/") for directory in directories):
            out.append(point)
    return sorted(out, key=len, reverse=True)


__all__ = ["SEARCH_PATH", "find", "mounts_below", "remove", "shims", "start", "wait_ready"]
