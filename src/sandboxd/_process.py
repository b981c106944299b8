"""Processes of this machine: locks with an owner, waiting for and ending processes that are not our children."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent dies, however it dies.

    Raises:
        SystemExit: the parent is already gone.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the supervisor is gone")


class LockFile:
    """An exclusive lock that says who holds it. The kernel releases it when the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def acquire(self) -> bool:
        """Take the lock; False when another process has it."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def owner(self) -> int | None:
        """Process id of the holder; None when the lock is free. 0 when the holder has not signed yet."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            text = os.pread(fd, 32, 0).decode(errors="replace").strip()
            return int(text) if text.isdigit() else 0
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def command_line(pid: int) -> list[str]:
    """Arguments of a process; empty when it is gone or a zombie."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return data.decode(errors="replace").rstrip("\0").split("\0") if data else []


def find_processes(matches: Callable[[Sequence[str]], bool]) -> list[int]:
    """Processes whose arguments match, without this one."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and (words := command_line(pid)) and matches(words)]


@contextlib.contextmanager
def opened_pidfd(pid: int) -> Iterator[int | None]:
    """A handle that cannot come to mean another process; None when it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def wait_for_exit(pid: int, timeout: float) -> bool:
    """Wait until a process ended, `timeout` seconds at most; tell whether it did. Works for any process."""
    with opened_pidfd(pid) as fd:
        if fd is None:
            return True
        ready, _, _ = select.select([fd], [], [], max(0.0, timeout))
        return bool(ready)


def end_process(pid: int, grace: float) -> bool:
    """SIGTERM, then SIGKILL after `grace` seconds; True when it is gone."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_for_exit(pid, patience):
            return True
    return False


def pid_alive(pid: int) -> bool:
    return not wait_for_exit(pid, 0.0)


__all__ = [
    "LockFile",
    "command_line",
    "die_with",
    "end_process",
    "find_processes",
    "opened_pidfd",
    "pid_alive",
    "wait_for_exit",
]
