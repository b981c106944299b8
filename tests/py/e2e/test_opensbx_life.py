"""Opensbx: a whole life, the state table, names and defaults, on real containers under runc and runsc."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from support import images
from support.instance import Instance
from support.opensbx import Box, Opensbx

UNKNOWN = "f" * 64


@pytest.fixture(scope="module", params=["runsc", "runc"])
def api(request: pytest.FixtureRequest) -> Iterator[Opensbx]:
    """A platform whose default handler is this one."""
    instance = Instance(runtime=request.param)
    try:
        instance.up()
        yield Opensbx(instance)
    finally:
        problems = instance.destroy()
        assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture
def box(api: Opensbx) -> Iterator[Box]:
    """A running sandbox of its own."""
    made = api.create(images.BOX, ports=["8000", "9000/udp"])
    yield made
    made.delete()


def test_a_whole_life(api: Opensbx) -> None:
    box = api.create(images.BOX, timeout=1800)
    assert re.fullmatch("[0-9a-f]{64}", box.id)
    assert re.fullmatch("[a-z]+-[a-z]+", box.made["name"]) and box.made["ports"] == []
    assert box.id[:12] in api.call("GET", "/sandboxes", 200).text
    detail = box.call("GET", "", 200).json()
    assert detail["id"] == box.id and detail["running"] is True and detail["expires_at"]

    echo = box.start("echo", "hello")
    assert echo["name"] == "echo" and echo["args"] == ["hello"] and re.fullmatch("cmd_[0-9a-f]{40}", echo["id"])
    waited = box.call("GET", f"/cmd/{echo['id']}", 200, wait="true")
    assert waited.headers["content-type"] == "application/x-ndjson"
    assert json.loads(waited.text.splitlines()[-1])["command"]["exit_code"] == 0
    assert [one["id"] for one in box.call("GET", "/cmd", 200).json()["commands"]] == [echo["id"]]
    assert box.logs(echo) == {"stdout": "hello\n", "stderr": "", "exit_code": 0}

    sleep = box.start("sleep", "3600")
    killed = box.call("POST", f"/cmd/{sleep['id']}/kill", 200, {"signal": 15}).json()["command"]
    assert killed["id"] == sleep["id"]
    lines = box.call("GET", f"/cmd/{sleep['id']}", 200, wait="true").text.splitlines()
    assert json.loads(lines[-1])["command"]["exit_code"] == 143
    box.error("POST", f"/cmd/{sleep['id']}/kill", 409, "CONFLICT", "command has already finished", {"signal": 9})

    assert box.call("PUT", "/files", 200, {"content": "text"}, path="/tmp/a.txt").text == (
        '{"path":"/tmp/a.txt","status":"written"}'
    )
    assert box.call("GET", "/files", 200, path="/tmp/a.txt").text == '{"path":"/tmp/a.txt","content":"text"}'
    assert "a.txt" in box.call("GET", "/files/list", 200, path="/tmp").json()["output"]
    assert box.call("DELETE", "/files", 204, path="/tmp/a.txt").content == b""

    assert box.call("POST", "/pause", 200).text == '{"status":"paused"}'
    assert box.call("POST", "/resume", 200).text == '{"status":"resumed"}'
    assert box.call("POST", "/renew-expiration", 200, {"timeout": 120}).text == '{"status":"renewed","timeout":120}'
    restarted = box.call("POST", "/restart", 200).json()
    assert restarted["status"] == "restarted" and restarted["ports"] == []
    left = datetime.fromisoformat(restarted["expires_at"][:19]) - datetime.now()  # its own time to live, not a default
    assert 1700 < left.total_seconds() <= 1801
    assert box.call("POST", "/stop", 200).text == '{"status":"stopped"}'
    box.delete()
    box.error("GET", "", 404, "NOT_FOUND", "sandbox not found")


def test_an_unknown_sandbox_is_not_found(api: Opensbx) -> None:
    path = f"/sandboxes/{UNKNOWN}"
    bodies: dict[str, Any] = {"renew-expiration": {"timeout": 60}, "cmd": {"command": "echo"}}
    for route in ("stop", "start", "restart", "pause", "resume", "renew-expiration", "cmd"):
        api.error("POST", f"{path}/{route}", 404, "NOT_FOUND", "sandbox not found", bodies.get(route))
    for route in ("", "/stats", "/network", "/cmd", "/files?path=/a", "/files/list"):
        api.error("GET", path + route, 404, "NOT_FOUND", "sandbox not found")
    api.error("GET", f"{path}/cmd/cmd_x", 404, "NOT_FOUND", "command not found")
    api.call("DELETE", path, 204)


def test_what_is_not_asked_has_defaults(api: Opensbx) -> None:
    box = api.create(images.BOX, timeout=60)
    detail = box.call("GET", "", 200)
    assert '"resources":{"memory":1024,"cpus":1}' in detail.text
    box.delete()


def test_a_name_and_the_beginning_of_an_id_stand_for_it(api: Opensbx, box: Box) -> None:
    for reference in (box.made["name"], box.id[:12]):
        assert api.call("GET", f"/sandboxes/{reference}", 200).json() == box.call("GET", "", 200).json()
        assert api.call("GET", f"/sandboxes/{reference}/network", 200).json()["main_port"] == "8000/tcp"
    api.error("GET", f"/sandboxes/{box.id[:11]}", 404, "NOT_FOUND", "sandbox not found")


def test_ports_are_listed_and_the_network_tells_where_they_are(box: Box) -> None:
    assert box.made["ports"] == ["8000/tcp", "9000/udp"]
    network = box.call("GET", "/network", 200).json()
    assert set(network) == {"main_port", "ports_map"} and set(network["ports_map"]) == {"8000/tcp", "9000/udp"}
    assert all(port.isdigit() for port in network["ports_map"].values())
    box.call("POST", "/stop", 200)
    assert box.call("GET", "/network", 200).text == '{"main_port":"8000/tcp","ports_map":{}}'
    assert box.call("GET", "", 200).json()["ports"] == []


def test_the_other_dialect_sees_the_same_object(api: Opensbx, box: Box) -> None:
    item = api.http.get(f"/api/v1/sandboxes/{box.id}").json()["sandbox"]
    assert item["name"] == box.made["name"] and item["status"]["phase"] == "Running"
    assert item["spec"]["containers"][0]["name"] == "main"


@pytest.mark.parametrize("state", ["R", "P", "S"])
def test_state_table(api: Opensbx, state: str) -> None:
    """The table at the end of the digest; what is refused for its state is 409 where the original says 500."""
    table = {
        ("POST", "/start"): (409, 409, 200),
        ("POST", "/stop"): (200, 200, 409),
        ("POST", "/restart"): (200, 200, 200),
        ("POST", "/pause"): (200, 409, 409),
        ("POST", "/resume"): (409, 200, 409),
        ("POST", "/renew-expiration"): (200, 200, 200),
        ("GET", "/stats"): (200, 200, 200),
        ("GET", "/network"): (200, 200, 200),
        ("POST", "/cmd"): (200, 409, 409),
        ("GET", "/cmd"): (200, 200, 200),
        ("GET", "/files?path=/etc/passwd"): (200, 409, 409),
        ("PUT", "/files?path=/tmp/x"): (200, 409, 409),
        ("DELETE", "/files?path=/tmp/x"): (204, 409, 409),
        ("GET", "/files/list?path=/"): (200, 409, 409),
        ("DELETE", ""): (204, 204, 204),
    }
    bodies: dict[str, Any] = {
        "/renew-expiration": {"timeout": 600},
        "/cmd": {"command": "true"},
        "/files?path=/tmp/x": {"content": "x"},
    }
    changing = {"/start", "/stop", "/restart", "/pause", "/resume"}
    box = into(api.create(images.BOX), state)
    for (method, route), row in table.items():
        answer = box.call(method, route, row["RPS".index(state)], bodies.get(route))
        if route in changing and answer.status_code == 200:
            box.delete()
            box = into(api.create(images.BOX), state)
    box.call("GET", "", 404)


def into(box: Box, state: str) -> Box:
    """Running, paused or stopped."""
    if state != "R":
        box.call("POST", "/pause" if state == "P" else "/stop", 200)
    return box


def test_refusals_name_the_state(box: Box) -> None:
    box.error("POST", "/start", 409, "CONFLICT", "sandbox is already running")
    box.error("POST", "/resume", 409, "CONFLICT", "sandbox is not paused")
    box.call("POST", "/pause", 200)
    assert box.call("GET", "", 200).json()["status"] == "paused"
    box.error("POST", "/pause", 409, "CONFLICT", "sandbox is already paused")
    box.error("POST", "/cmd", 409, "CONFLICT", "sandbox is paused", {"command": "true"})
    box.call("POST", "/stop", 200)
    box.error("POST", "/stop", 409, "CONFLICT", "sandbox is already stopped")
    box.error("POST", "/pause", 409, "CONFLICT", "sandbox is not running")
    box.error("POST", "/cmd", 409, "CONFLICT", "sandbox is not running", {"command": "true"})
    listed = next(one for one in box.api.call("GET", "/sandboxes", 200).json()["sandboxes"] if one["id"] == box.id)
    assert listed["state"] == "exited" and re.fullmatch(r"Exited \(\d+\) .* ago", listed["status"])
    assert listed["ports"] == ["8000/tcp", "9000/udp"]
    assert box.call("POST", "/start", 200).json()["ports"] == ["8000/tcp", "9000/udp"]


def test_files_survive_a_restart(box: Box) -> None:
    box.call("PUT", "/files", 200, {"content": "kept"}, path="/var/kept")
    box.call("POST", "/restart", 200)
    assert box.call("GET", "/files", 200, path="/var/kept").json()["content"] == "kept"
