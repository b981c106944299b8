"""Locks, foreign processes, children with a ready line, logs that stay bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandboxd._children import Backoff, bound_log, wait_for_any
from sandboxd._exceptions import ConflictError, UnavailableError
from sandboxd._process import LockFile, command_line, end_process, find_processes, pid_alive, wait_for_exit
from sandboxd._ready import read_ready, report_ready


def sleeper(script: str = "import time; time.sleep(60)", *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE)


def test_a_lock_has_one_holder_and_says_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert LockFile(path).owner() is None
    with LockFile(path) as first:
        assert first.acquire()
        assert not LockFile(path).acquire()
        assert LockFile(path).owner() == os.getpid()
    assert LockFile(path).owner() is None


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = (
        "import sys, time, pathlib; from sandboxd._process import LockFile; lock = LockFile(pathlib.Path(sys.argv[1]));"
        "assert lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    with sleeper(script, str(path)) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert LockFile(path).owner() == holder.pid
        holder.kill()
    with LockFile(path) as lock:
        assert lock.acquire()


def test_processes_are_found_by_their_arguments_and_ended() -> None:
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    with sleeper("import time; print('up', flush=True); time.sleep(60)", mark) as process:
        # Before it says so, the kernel may not have its arguments yet.
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        assert find_processes(lambda words: mark in words) == [process.pid]
        assert command_line(process.pid)[-1] == mark
        assert pid_alive(process.pid) and not wait_for_exit(process.pid, 0.01)
        assert end_process(process.pid, 5.0)
        process.wait()
    assert process.returncode == -signal.SIGTERM
    assert find_processes(lambda words: mark in words) == [] and command_line(process.pid) == []


def test_a_process_that_ignores_the_request_is_killed() -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    with sleeper(script) as process:
        assert process.stdout is not None and process.stdout.readline() == b"deaf\n"
        assert end_process(process.pid, 0.2)
        process.wait()
    assert process.returncode == -signal.SIGKILL


def test_waiting_for_any_wakes_up_for_a_death_and_for_the_wakeup_pipe() -> None:
    read_end, write_end = os.pipe()
    try:
        with sleeper() as process:
            began = time.monotonic()
            wait_for_any([process.pid], read_end, 0.05)
            process.kill()
            wait_for_any([process.pid], read_end, 30)
        os.write(write_end, b"x")
        wait_for_any([], read_end, 30)
        assert time.monotonic() - began < 10
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_restart_is_immediate_once_and_then_later_and_later() -> None:
    backoff = Backoff()
    delays = [backoff.next(1.0) for _ in range(12)]
    assert delays[0] == 0.0 and delays[1:] == sorted(delays[1:]) and delays[1] == 0.2 and delays[-1] == 5.0
    assert backoff.next(60.0) == 0.0  # a long life makes up for it


def test_a_log_stays_bounded_while_others_append(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    bound_log(path)  # not there yet
    with path.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        bound_log(path, 200)
        assert path.stat().st_size == 100
        writer.write(b"b" * 150)
        bound_log(path, 200)
        writer.write(b"new")
    assert path.read_bytes() == b"new"
    assert (tmp_path / "x.log.1").stat().st_size == 250


def ready_pipe(*messages: dict[str, object]) -> int:
    read_end, write_end = os.pipe()
    for message in messages:
        os.write(write_end, json.dumps(message).encode())
    if messages:
        os.write(write_end, b"\n")
        os.close(write_end)
        return read_end
    os.close(write_end)
    return read_end


def test_the_ready_line_arrives() -> None:
    assert read_ready(ready_pipe({"port": 5}), 1, 5, "orch") == {"port": 5}
    read_end, write_end = os.pipe()
    report_ready(write_end, {"port": 6})
    assert read_ready(read_end, 1, 5, "orch")["port"] == 6
    report_ready(None, {"port": 6})


def test_an_error_line_becomes_its_exception() -> None:
    with pytest.raises(ConflictError, match="locked"):
        read_ready(ready_pipe({"error": "locked", "code": "conflict"}), 1, 5, "orch")


def test_a_child_that_ends_without_a_word_is_noticed() -> None:
    with pytest.raises(UnavailableError, match="ended while starting"):
        read_ready(ready_pipe(), 1, 5, "orch")


def test_a_child_that_says_nothing_is_not_waited_for_for_ever() -> None:
    read_end, write_end = os.pipe()
    try:
        with pytest.raises(UnavailableError, match="not ready"):
            read_ready(read_end, 1, 0.05, "orch")
    finally:
        os.close(write_end)
