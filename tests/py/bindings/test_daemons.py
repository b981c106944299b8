"""A control plane in this process: start, stop, wait, signals, the GIL."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandboxd import Client, ConflictError, NodeConfig, NodeDaemon, OrchConfig, Orchestrator, SandboxdError


def test_it_serves_between_start_and_stop(orch_config: OrchConfig) -> None:
    orchestrator = Orchestrator(orch_config)
    assert orchestrator.port == 0
    with orchestrator:
        assert orchestrator.port > 0
        with Client(orchestrator.url) as client:
            assert client.health() and client.list_sandboxes() == [] and client.list_nodes() == []
        assert not orchestrator.wait(0.0)
    assert orchestrator.wait(0.0)


def test_stopping_twice_and_stopping_what_never_started_is_no_error(orch_config: OrchConfig) -> None:
    orchestrator = Orchestrator(orch_config)
    orchestrator.stop()
    second = Orchestrator(orch_config).start()
    second.stop()
    second.stop()


def test_starting_twice_is_refused(orch_config: OrchConfig) -> None:
    with Orchestrator(orch_config) as orchestrator, pytest.raises(ConflictError):
        orchestrator.start()


def test_two_on_one_data_directory_are_refused(orch_config: OrchConfig) -> None:
    with Orchestrator(orch_config), pytest.raises(ConflictError):
        Orchestrator(orch_config).start()


def test_the_address_is_in_use(orch_config: OrchConfig, tmp_path: Path) -> None:
    with Orchestrator(orch_config) as first:
        other = OrchConfig(listen=f"127.0.0.1:{first.port}", data_dir=str(tmp_path), run_dir=str(tmp_path))
        with pytest.raises(SandboxdError, match=str(first.port)) as caught:
            Orchestrator(other).start()
        assert getattr(caught.value, "code", "") == "unavailable"


def test_what_was_stored_is_there_after_a_restart(orch_config: OrchConfig) -> None:
    spec = {"containers": [{"name": "a", "image": "x", "resource": {"cpu": "1m", "memory": "1Mi"}}]}
    with Orchestrator(orch_config) as orchestrator, Client(orchestrator.url) as client:
        client.create_sandbox(spec, "kept")
    with Orchestrator(orch_config) as orchestrator, Client(orchestrator.url) as client:
        assert [item.id for item in client.list_sandboxes()] == ["kept"]


def test_other_threads_run_while_it_waits(orch_config: OrchConfig) -> None:
    ticks = []
    with Orchestrator(orch_config) as orchestrator:
        thread = threading.Thread(target=lambda: [ticks.append(time.sleep(0.01)) for _ in range(20)])
        thread.start()
        assert not orchestrator.wait(0.4)
        assert len(ticks) >= 10
        thread.join()


def test_stop_from_another_thread_ends_the_wait(orch_config: OrchConfig) -> None:
    with Orchestrator(orch_config) as orchestrator:
        timer = threading.Timer(0.1, orchestrator.stop)
        timer.start()
        assert orchestrator.wait(10)
        timer.join()


def test_forgetting_a_running_one_stops_it_without_a_deadlock(orch_config: OrchConfig) -> None:
    orchestrator = Orchestrator(orch_config).start()
    client = Client(orchestrator.url)
    clients = [threading.Thread(target=client.health) for _ in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    client.close()
    del orchestrator
    gc.collect()
    with Orchestrator(orch_config):  # its lock is free again
        pass


SCRIPT = """
import sys
from sandboxd import OrchConfig, Orchestrator
with Orchestrator(OrchConfig(listen="127.0.0.1:0", data_dir=sys.argv[1], run_dir=sys.argv[1])) as orchestrator:
    print("ready", flush=True)
    orchestrator.wait()
"""


@contextmanager
def started(*words: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that does not outlive its test, whatever the test saw."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_ctrl_c_ends_the_wait(root: Path) -> None:
    with started("-c", SCRIPT, str(root)) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"ready\n":  # log lines come before it
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors and process.returncode in (1, 130, -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_drains_and_ends_with_0_after_a_signal(root: Path, number: signal.Signals) -> None:
    read_end, write_end = os.pipe()
    words = ["orch", "--listen", "127.0.0.1:0", "--data-dir", str(root), "--run-dir", str(root)]
    with started("-m", "sandboxd", *words, "--ready-fd", str(write_end), pass_fds=[write_end]) as process:
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            assert '"port"' in ready.readline()
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"effective configuration" in output


def test_a_node_without_containerd_says_what_is_missing_or_waits_for_it(root: Path) -> None:
    node = NodeDaemon(NodeConfig(listen="127.0.0.1:0", data_dir=str(root), run_dir=str(root), instance="tbind"))
    assert node.port == 0
    node.stop()
