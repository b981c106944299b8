"""A control plane that starts on a database which somebody or something has damaged."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandboxd import Client, OrchConfig, Orchestrator, SandboxdError

SPEC = {"containers": [{"name": "a", "image": "x", "resource": {"cpu": "1m", "memory": "1Mi"}}]}


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def change(root: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(root / "orchestrator.db")) as database, database:
        return [row for statement in statements for row in database.execute(statement).fetchall()]


@pytest.fixture
def with_sandboxes(orch_config: OrchConfig) -> OrchConfig:
    with Orchestrator(orch_config) as orchestrator, Client(orchestrator.url) as client:
        for name in ("one", "two"):
            client.create_sandbox(SPEC, name)
    return orch_config


def test_a_damaged_row_is_told_and_the_rest_is_served(
    with_sandboxes: OrchConfig, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(root, """UPDATE sandboxes SET spec = '{"v":1,"containers":[{"na' WHERE id = 'one'""")
    with Orchestrator(with_sandboxes) as orchestrator, Client(orchestrator.url) as client:
        assert {sandbox.id: sandbox.phase for sandbox in client.list_sandboxes()} == {"one": "Failed", "two": "Pending"}
        assert "kept aside" in client.get_sandbox("one").last_error
        assert json.loads(get(orchestrator.url + "/readyz")) == {"ok": True, "damaged_records": 1}
        assert 'sandboxd_damaged_records{table="sandboxes"} 1\n' in get(orchestrator.url + "/metrics")
    told = [line for line in capfd.readouterr().err.splitlines() if "damaged record" in line]
    assert len(told) == 1
    assert json.loads(told[0])["id"] == "one"
    assert "malformed JSON" in json.loads(told[0])["error"]

    with Orchestrator(with_sandboxes) as orchestrator, Client(orchestrator.url) as client:
        assert json.loads(get(orchestrator.url + "/readyz")) == {"ok": True, "damaged_records": 1}
        client.delete_sandbox("one")
        assert json.loads(get(orchestrator.url + "/readyz")) == {"ok": True}
    assert "damaged record" not in capfd.readouterr().err
    assert change(root, "SELECT * FROM quarantine") == []


def test_a_row_is_put_back_as_the_manual_says(with_sandboxes: OrchConfig, root: Path) -> None:
    (before,) = change(root, "SELECT spec FROM sandboxes WHERE id = 'one'")
    change(root, "UPDATE sandboxes SET spec = replace(spec, '\"v\":1', '\"v\":99') WHERE id = 'one'")
    Orchestrator(with_sandboxes).start().stop()
    ((statement,),) = change(root, "SELECT row_sql FROM quarantine WHERE source = 'sandboxes' AND key = 'one'")
    change(root, statement.replace('"v":99', '"v":1'), "DELETE FROM quarantine WHERE key = 'one'")
    assert change(root, "SELECT spec FROM sandboxes WHERE id = 'one'") == [before]
    with Orchestrator(with_sandboxes) as orchestrator, Client(orchestrator.url) as client:
        assert client.get_sandbox("one").phase == "Pending"


def test_a_damaged_file_stops_the_start_and_stays_as_it_is(with_sandboxes: OrchConfig, root: Path) -> None:
    path = root / "orchestrator.db"
    damaged = b"\xa5" * len(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(SandboxdError, match="restore a copy of it, or move it away") as caught:
        Orchestrator(with_sandboxes).start()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == damaged
