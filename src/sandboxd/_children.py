"""A daemon of ours as a child of the supervisor: start, learn that it is ready, restart with back-off, log file."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._exceptions import SandboxdError
from ._process import find_processes, opened_pidfd
from ._ready import read_ready

LOG_BYTES_MAX = 16 * 1024 * 1024
_LIVED_LONG_SECONDS = 10.0
_DELAY_MAX = 5.0


@dataclass
class Backoff:
    """Seconds to wait before a restart: at once the first time, then 0.2, 0.4 ... 5; forgotten after a longer life."""

    failures: int = 0

    def next(self, lived_seconds: float) -> float:
        self.failures = 0 if lived_seconds > _LIVED_LONG_SECONDS else self.failures
        self.failures += 1
        return 0.0 if self.failures == 1 else min(_DELAY_MAX, 0.1 * 2.0 ** (self.failures - 1))


def bound_log(path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Keep a log file that others append to below a size: the old half of it moves to <name>.1."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > bytes_max:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            os.truncate(path, 0)


def supervised_daemons(data_dir: Path) -> list[int]:
    """Process ids of the daemons that a supervisor started on this data directory, also of one that is gone."""
    return find_processes(lambda words: "--supervisor" in words and str(data_dir) in words)


class Child:
    """One of our daemons, `python -m sandboxd <role> ...`, in a process group of its own."""

    def __init__(self, role: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.role = role
        self.arguments = list(arguments)
        self.restart_at: float | None = None  # monotonic; None while it runs
        self._environ = dict(environ)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_fd = -1
        self._started_at = 0.0
        self._backoff = Backoff()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it; `wait_ready` tells how that went."""
        bound_log(self._log)
        read_end, write_end = os.pipe()
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "sandboxd", self.role, *self.arguments),
                        *("--supervisor", str(os.getpid()), "--ready-fd", str(write_end)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=self._environ,
                    pass_fds=[write_end],
                    process_group=0,  # a terminal's Ctrl-C reaches the supervisor alone, which stops the rest in order
                )
        finally:
            os.close(write_end)
        self._drop_ready_fd()
        self._ready_fd = read_end
        self._started_at = time.monotonic()
        self.restart_at = None

    def wait_ready(self, timeout: float) -> int:
        """Wait until it serves; returns its port.

        Raises:
            SandboxdError: what it says is wrong, with the name of its log.
        """
        assert self._process is not None
        fd, self._ready_fd = self._ready_fd, -1
        try:
            return int(str(read_ready(fd, self._process.pid, timeout, self.role)["port"]))
        except SandboxdError as error:
            error.add_note(f"log: {self._log}")
            raise

    def note_exit(self) -> int:
        """After its end: plan the restart; returns the exit status."""
        assert self._process is not None
        status = self._process.wait()
        self._process = None
        self._drop_ready_fd()
        now = time.monotonic()
        self.restart_at = now + self._backoff.next(now - self._started_at)
        return status

    def has_exited(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def ask_to_stop(self) -> None:
        self.restart_at = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self, timeout: float) -> bool:
        """Wait for its end after `ask_to_stop`; kills it when it does not come. False when it had to be killed."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        finally:
            self._drop_ready_fd()
        return True

    def bound_log(self) -> None:
        bound_log(self._log)

    def _drop_ready_fd(self) -> None:
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1


def wait_for_any(pids: Sequence[int], wakeup: int, timeout: float) -> None:
    """Sleep until one of the processes ends, `wakeup` becomes readable, or `timeout` seconds passed."""
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(opened_pidfd(pid)) for pid in pids]
        if None in handles:
            return
        select.select([wakeup, *(fd for fd in handles if fd is not None)], [], [], max(0.0, timeout))


__all__ = ["Backoff", "Child", "bound_log", "supervised_daemons", "wait_for_any"]
