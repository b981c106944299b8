"""What is imported when: a daemon holds every module for as long as it runs."""

from __future__ import annotations

import subprocess
import sys

import sandboxd

_FOR_A_DAEMON = "import sandboxd.cli, sandboxd._daemon_process, sys; print(*sys.modules)"
_HEAVY = {"asyncio", "dataclasses", "httpx", "inspect", "subprocess", "typer", "sandboxd._client", "sandboxd._models"}


def test_a_daemon_imports_neither_the_clients_modules_nor_heavy_ones() -> None:
    # -I -S: only what our own imports bring, without what an environment adds at its start.
    run = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.extend({sys.path!r}); {_FOR_A_DAEMON}"]
    modules = set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert "sandboxd._daemon_process" in modules
    assert modules & _HEAVY == set()


def test_every_public_name_can_be_had_and_is_listed() -> None:
    for name in sandboxd.__all__:
        value = getattr(sandboxd, name)
        assert getattr(value, "__module__", "sandboxd") == "sandboxd" or not isinstance(value, type)
    assert set(sandboxd.__all__) <= set(dir(sandboxd))
