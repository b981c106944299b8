"""Stopping an instance, and removing every trace of it from the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from . import _config, _containerd
from ._client import Client
from ._exceptions import NotFoundError, SandboxdError, UnavailableError, WaitTimeoutError
from ._instance import Instance
from ._native import core, helper_dir
from ._process import LockFile, end_process, find_processes, wait_for_exit

_STOP_SECONDS = 30.0
_DELETE_SECONDS = 120.0


def running_supervisor(instance: Instance) -> int | None:
    """Process id of the instance's `up`; None when none runs."""
    owner = LockFile(instance.lock_file).owner()
    return owner or None


def stop_supervisor(instance: Instance) -> bool:
    """Stop node agent and control plane through their supervisor; False when none ran.

    Raises:
        UnavailableError: it does not stop.
    """
    pid = running_supervisor(instance)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not wait_for_exit(pid, _STOP_SECONDS):
        raise UnavailableError(
            f"the supervisor (pid {pid}) does not stop; see {instance.log_dir / 'up.log'}", code="unavailable"
        )
    return True


def delete_all(client: Client, say: Callable[[str], None], timeout: float = _DELETE_SECONDS) -> int:
    """Delete every sandbox and wait until all are gone; returns how many there were.

    Raises:
        WaitTimeoutError: some are still there.
    """
    sandboxes = client.list_sandboxes()
    for sandbox in sandboxes:
        with contextlib.suppress(NotFoundError):
            client.delete_sandbox(sandbox.id)
    if sandboxes:
        say(f"deleting {len(sandboxes)} sandboxes")
    deadline = time.monotonic() + timeout
    while left := client.list_sandboxes():
        if time.monotonic() > deadline:
            names = ", ".join(sandbox.id for sandbox in left[:5])
            raise WaitTimeoutError(f"{len(left)} sandboxes are still there after {timeout:g} s: {names}")
        time.sleep(0.05)
    return len(sandboxes)


def has_traces(instance: Instance) -> bool:
    """Whether something of the instance may be on the machine apart from its data."""
    return _containerd.find(instance) is not None or bool(_containerd.shims(instance)) or instance.run_dir.exists()


def remove_traces(instance: Instance) -> list[str]:
    """After the sandboxes are gone and the daemons stopped: network, log holder, containerd, mounts, run dir.

    Goes on after a problem; returns all of them.
    """
    problems = []
    try:
        loaded = _config.load(
            "node",
            environ={},
            arguments={
                "data_dir": str(instance.data_dir),
                "run_dir": str(instance.run_dir),
                "instance": instance.name,
                "subnet_cidr": instance.subnet,
                "helper_dir": str(helper_dir()),
            },
        )
        core().NodeDaemon(loaded.native).teardown()
    except SandboxdError as error:
        problems.append(f"network and log holder: {error}")
    for holder in find_processes(lambda words: _is_log_holder(words[0], words, instance)):
        if not end_process(holder, 5.0):
            problems.append(f"log holder (pid {holder}) does not end")
    problems += _containerd.remove(instance)
    if not problems:
        try:
            remove_tree(instance.run_dir)
        except OSError as error:
            problems.append(str(error))
    return problems


def _is_log_holder(executable: str, words: list[str] | object, instance: Instance) -> bool:
    if Path(executable).name != "sandboxd-logholder" or not isinstance(words, list):
        return False
    return any(str(instance.run_dir) in word or str(instance.data_dir) in word for word in words)


def remove_tree(path: Path) -> None:
    """Remove a directory that holds no mounts.

    Raises:
        OSError: something is still mounted below it, or it cannot be removed.
    """
    mounts = _containerd.mounts_below(path)
    if mounts:
        raise OSError(f"{mounts[0]} is still mounted: {path} was left alone")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


__all__ = ["delete_all", "has_traces", "remove_traces", "remove_tree", "running_supervisor", "stop_supervisor"]
