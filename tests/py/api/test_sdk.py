"""The SDK and the command line against a real control plane: filters, pages, Externals, keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from api.plane import TOKEN, Plane

from sandboxd import Client, ConflictError, InvalidRequestError, NotFoundError, Sandbox


@pytest.fixture
def client(plane: Plane) -> Iterator[Client]:
    with Client(plane.url, TOKEN) as made:
        yield made


@pytest.fixture
def three(client: Client) -> Iterator[list[Sandbox]]:
    """Of two teams; the last fits nowhere."""
    made = [
        Sandbox.create("box", id=f"{letter}-1", cpu=cpu, memory="1Mi", labels={"team": team}, client=client)
        for letter, team, cpu in (("c", "red", "10m"), ("a", "blue", "10m"), ("b", "red", "64"))
    ]
    for sandbox in made[:2]:
        sandbox.wait_running(30)
    yield made
    for sandbox in made:
        sandbox.delete()
        sandbox.wait_deleted(30)


def command(plane: Plane, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SANDBOXD_URL": plane.url, "SANDBOXD_TOKEN": TOKEN}
    return subprocess.run(
        [sys.executable, "-m", "sandboxd", *words], capture_output=True, text=True, env=environ, check=False, timeout=60
    )


def test_lists_are_filtered(client: Client, three: list[Sandbox]) -> None:
    def ids(**filters: object) -> list[str]:
        found = [item.id for item in client.list_sandboxes(**filters)]  # type: ignore[arg-type]
        assert found == [item.id for item in client.iter_sandboxes(page_size=1, **filters)]  # type: ignore[arg-type]
        return found

    assert ids(labels={"team": None}) == ["c-1", "a-1", "b-1"], "in the order of creation"
    assert ids(labels={"team": "red"}) == ["c-1", "b-1"]
    assert ids(phase="Pending") == ["b-1"] and ids(phase=["Running", "Pending"], labels={"team": "blue"}) == ["a-1"]
    assert "s" in ids(node="n") and ids(node="nobody") == []
    assert client.get_sandbox("a-1").labels == {"team": "blue"}
    with pytest.raises(InvalidRequestError, match='unknown phase "Ready"'):
        client.list_sandboxes(phase="Ready")
    assert [node.id for node in client.list_nodes(state="Ready")] == ["n"]
    assert client.list_nodes(labels={"zone": None}) == [] == list(client.iter_nodes(state=["Unknown", "NotReady"]))


def test_externals_live_and_conflict(client: Client) -> None:
    client.put_external("edge", "n", "h.example")
    client.put_external("edge", "n", "i.example")
    assert client.get_external("edge").external == "i.example" == client.get_sandbox("s").external
    assert [(item.id, item.node) for item in client.list_externals()] == [("edge", "n")]
    with pytest.raises(ConflictError, match="node n already bound to external id edge"):
        client.put_external("other", "n", "x")
    with pytest.raises(InvalidRequestError, match="referenced node not found"):
        client.put_external("other", "nobody", "x")
    client.delete_external("edge")
    with pytest.raises(NotFoundError):
        client.delete_external("edge")


def test_a_create_with_its_key_is_made_once(client: Client) -> None:
    spec = {"containers": [{"name": "a", "image": "box", "resource": {"cpu": "1m", "memory": "1Mi"}}]}
    first = client.create_sandbox(spec, "once", idempotency_key="key-1")
    assert client.create_sandbox(spec, "once", idempotency_key="key-1") == first
    with pytest.raises(ConflictError, match="belongs to another request"):
        client.create_sandbox(spec, "twice", idempotency_key="key-1")
    with pytest.raises(ConflictError, match="already exists"):
        client.create_sandbox(spec, "once")
    client.delete_sandbox("once")


def test_the_command_line_filters_and_binds(plane: Plane, three: list[Sandbox]) -> None:
    found = command(plane, "ps", "--phase", "Running", "--phase", "Pending", "--label", "team=red", "--json")
    assert [item["id"] for item in json.loads(found.stdout)["items"]] == ["c-1", "b-1"], found.stderr
    table = command(plane, "ps", "--label", "team=blue", "--node", "n").stdout
    assert "a-1" in table and "c-1" not in table
    assert "no such sandboxes" in command(plane, "ps", "--label", "team=green").stderr
    wrong = command(plane, "ps", "--phase", "Ready")
    assert wrong.returncode == 1 and "use Pending" in wrong.stderr

    assert "Ready" in command(plane, "nodes").stdout
    assert json.loads(command(plane, "nodes", "--state", "NotReady", "--json").stdout) == {"items": []}

    assert command(plane, "external", "set", "door", "n", "h.example").stdout == "door\n"
    (item,) = json.loads(command(plane, "external", "ls", "--json").stdout)["items"]
    assert (item["id"], item["node_id"], item["external"]) == ("door", "n", "h.example")
    assert "h.example" in command(plane, "external", "ls").stdout
    assert command(plane, "external", "rm", "door").returncode == 0
    missing = command(plane, "external", "rm", "door")
    assert missing.returncode == 1 and "external not found" in missing.stderr
