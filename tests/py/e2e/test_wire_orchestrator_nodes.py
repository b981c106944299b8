"""The control plane's wire about nodes: patch, heartbeat, delete, Externals, and the node's API passed through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.images import BOX
from support.instance import Instance, free_port, quiet_port_range
from support.waiting import wait_until

RESOURCE = {"cpu": "10m", "memory": "64Mi"}


def error_of(answer: Any) -> str:
    """The error text; the body must be exactly {"error": text}."""
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json()
    assert list(body) == ["error"], body
    return str(body["error"])


@pytest.fixture
def node(platform: Instance) -> Iterator[str]:
    """The path of the platform's own node, which has neither labels nor cordon nor External before and after."""
    (item,) = platform.get("/api/v1/nodes")["items"]
    assert item["metadata"] == {} and item["unschedulable"] is False
    path = f"/api/v1/nodes/{item['id']}"
    yield path
    labels = dict.fromkeys(platform.get(path)["node"]["metadata"].get("labels", {}))
    platform.client.patch(path, json={"spec": {"unschedulable": False}, "metadata": {"labels": labels}})
    for external in platform.get("/api/v1/externals")["items"]:
        platform.client.delete(f"/api/v1/externals/{external['id']}")


@pytest.fixture
def spare(platform: Instance) -> Iterator[str]:
    """The id of a registered node where nobody listens."""
    body = {"id": "spare", "metadata": {"labels": {"a": "1"}}, "spec": {"ip": "127.0.0.1", "port": free_port()}}
    answer = platform.client.post("/api/v1/nodes", json=body)
    assert answer.status_code == 200, answer.text
    yield "spare"
    assert platform.client.delete("/api/v1/nodes/spare?force=true").status_code == 200


def test_patch_cordons_and_labels(platform: Instance, node: str, name: str) -> None:
    answer = platform.client.patch(
        node, json={"spec": {"unschedulable": True}, "metadata": {"labels": {"zone": " a "}}}
    )
    assert answer.status_code == 200, answer.text
    patched = answer.json()["node"]
    assert patched["unschedulable"] is True and patched["metadata"] == {"labels": {"zone": "a"}}
    listed = platform.get("/api/v1/nodes?label=zone=a&state=Ready")["items"]
    assert [item["id"] for item in listed] == [patched["id"]]
    assert platform.get("/api/v1/nodes?label=zone=b")["items"] == []

    platform.create(name, args=["/bin/sleep", "600"], node_selector={"zone": "a"})
    waiting = platform.get(f"/api/v1/sandboxes/{name}")["sandbox"]["status"]
    assert waiting["phase"] == "Pending" and "unschedulable" in waiting["reasons"][0]
    platform.client.patch(node, json={"spec": {"unschedulable": False}})
    platform.wait_phase(name, "Running")
    platform.delete(name)
    platform.wait_gone(name)

    empty = platform.client.patch(node, json={})
    assert empty.status_code == 400
    assert error_of(empty) == "invalid input: at least one of spec.unschedulable or metadata.labels is required"
    unknown = platform.client.patch("/api/v1/nodes/nobody", json={})
    assert (unknown.status_code, error_of(unknown)) == (404, "node not found")


def test_heartbeat_asks_the_node_now(platform: Instance, node: str, spare: str) -> None:
    alive = platform.client.post(f"{node}/heartbeat")
    assert alive.status_code == 200, alive.text
    body = alive.json()
    assert body["heartbeat"] == "ok" and body["node"]["state"] == "Ready"
    assert body["resources"]["capacity_cpu_milli"] >= 1000
    assert "heartbeat_error" not in body and "status_error" not in body
    dead = platform.client.post(f"/api/v1/nodes/{spare}/heartbeat").json()
    assert dead["heartbeat"] == "failed" and dead["heartbeat_error"] and dead["status_error"]
    assert "resources" not in dead and dead["node"]["failure_streak"] >= 1


def test_delete_of_a_node(platform: Instance, spare: str) -> None:
    refused = platform.client.delete(f"/api/v1/nodes/{spare}?force=perhaps")
    assert (refused.status_code, error_of(refused)) == (400, "invalid force query; use true/false")
    for _ in range(2):  # by force, what is not there is gone
        gone = platform.client.delete(f"/api/v1/nodes/{spare}?force=true")
        assert (gone.status_code, gone.json()) == (200, {"deleted": spare})
    missing = platform.client.delete(f"/api/v1/nodes/{spare}")
    assert (missing.status_code, error_of(missing)) == (404, "node not found")


def test_externals_reach_nodes_and_sandboxes(platform: Instance, node: str, spare: str, name: str) -> None:
    own = node.rsplit("/", 1)[1]
    platform.create(name, args=["/bin/sleep", "600"])
    platform.wait_phase(name, "Running")
    bound = platform.client.post(
        "/api/v1/externals", json={"id": "edge", "spec": {"node_id": own, "external": "h.example"}}
    )
    assert (bound.status_code, bound.json()) == (200, {"ok": True})
    assert platform.get(node)["node"]["resources"]["external"] == "h.example"
    assert platform.get(f"/api/v1/sandboxes/{name}")["sandbox"]["status"]["external"] == "h.example"
    (listed,) = platform.get("/api/v1/externals")["items"]
    assert listed == platform.get("/api/v1/externals/edge")["external"]
    assert list(listed) == ["id", "node_id", "external", "created_at", "updated_at"]
    taken = platform.client.post("/api/v1/externals", json={"id": "edge", "spec": {"node_id": spare, "external": "x"}})
    assert taken.status_code == 409
    assert error_of(taken) == f"external object conflict: external id edge already bound to node {own}"
    unknown = platform.client.post(
        "/api/v1/externals", json={"id": "e", "spec": {"node_id": "nobody", "external": "x"}}
    )
    assert (unknown.status_code, error_of(unknown)) == (400, "invalid input: referenced node not found")
    assert platform.client.delete("/api/v1/externals/edge").json() == {"deleted": "edge"}
    missing = platform.client.get("/api/v1/externals/edge")
    assert (missing.status_code, error_of(missing)) == (404, "external not found")
    assert platform.get(f"/api/v1/sandboxes/{name}")["sandbox"]["status"]["external"] == "(none)"
    platform.delete(name)
    platform.wait_gone(name)


@pytest.mark.parametrize("spelling", ["camelCase", "snake_case"])
def test_nodes_own_api_is_passed_through(platform: Instance, node: str, name: str, spelling: str) -> None:
    host, inside = ("hostPort", "containerPort") if spelling == "camelCase" else ("host_port", "container_port")
    port = quiet_port_range(1)  # no outgoing connection of anybody's may hold it
    body = {
        "id": name,
        "egress": False,
        "ports": [{host: port, inside: 8000, "protocol": "tcp"}],
        "containers": [
            {"name": "main", "image": BOX, "args": ["/bin/sh", "-c", "echo hello; sleep 600"], "resource": RESOURCE}
        ],
    }
    made = platform.client.post(f"{node}/sandboxes", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["sandbox"]["ports"] == [{"hostPort": port, "containerPort": 8000, "protocol": "tcp"}]
    try:
        wait_until(
            lambda: platform.get(f"{node}/sandboxes/{name}")["sandbox"]["phase"] == "running", f"{name} running", 60
        )
        one = platform.get(f"{node}/sandboxes/{name}")
        assert one["external"] == "(none)" and one["sandbox"]["id"] == name
        page = platform.get(f"{node}/sandboxes?limit=1&cursor={name[:-1]}")
        assert [item["id"] for item in page["items"]] == [name] and page["external"] == "(none)"
        wait_until(
            lambda: any("hello" in line for line in platform.get(f"{node}/sandboxes/{name}/logs")["logs"]["lines"]),
            "its output",
            20,
        )
        logs = platform.get(f"{node}/sandboxes/{name}/containers/main/logs")
        assert logs["sandbox_id"] == name and logs["container"] == "main"
        again = platform.client.post(f"{node}/sandboxes", json=body)
        assert again.status_code == 502
        assert error_of(again) == (f'sandboxd POST /v1/sandboxes failed: {{"error":"sandbox already exists: {name}"}}')
        assert platform.client.post(f"{node}/reconcile").json() == {"ok": True}
    finally:
        gone = platform.client.delete(f"{node}/sandboxes/{name}")
    assert (gone.status_code, gone.json()) == (200, {"id": name, "phase": "deleted"})
    missing = platform.client.get(f"{node}/sandboxes/{name}")
    assert missing.status_code == 502
    assert error_of(missing) == f'sandboxd GET /v1/sandboxes/{name} failed: {{"error":"not found"}}'


def test_bad_input_to_the_passed_api_never_reaches_the_node(platform: Instance, node: str) -> None:
    for body, message in [
        ({}, "id is required"),
        ({"id": "../../tmp/hello"}, "id contains invalid path characters"),
        ({"id": "x"}, "at least one container is required"),
    ]:
        answer = platform.client.post(f"{node}/sandboxes", json=body)
        assert (answer.status_code, error_of(answer)) == (400, message)
    cut = platform.client.post(f"{node}/sandboxes", content='{"id":')
    assert cut.status_code == 400 and error_of(cut)
    unknown = platform.client.get("/api/v1/nodes/nobody/sandboxes/x/logs")
    assert (unknown.status_code, error_of(unknown)) == (404, "node not found")


def test_a_dead_node_is_502(platform: Instance, spare: str) -> None:
    answer = platform.client.get(f"/api/v1/nodes/{spare}/sandboxes")
    assert answer.status_code == 502 and error_of(answer)
