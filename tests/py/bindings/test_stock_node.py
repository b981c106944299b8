"""A real control plane of this process with stock sandboxd-o nodes: polled, without uids, and none the worse for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import stock_node
from support.stock_node import StockNode
from support.waiting import wait_until

from sandboxd import OrchConfig, Orchestrator

Json = dict[str, Any]
TOKEN = "hush"


class Plane:
    """The control plane and its API as a stock client uses it."""

    def __init__(self, config: OrchConfig) -> None:
        self.config = config
        self.orchestrator = Orchestrator(config).start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx.Client(base_url=self.orchestrator.url, headers=headers, timeout=30, trust_env=False)

    def stop(self) -> None:
        self.http.close()
        self.orchestrator.stop()

    def register(self, node: StockNode, id: str = "stock") -> Json:
        body = {"id": id, "spec": {"ip": "127.0.0.1", "port": node.port}}
        answer = self.http.post("/api/v1/nodes", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["node"])

    def create(self, id: str, **spec: Any) -> Json:
        container = {"name": "app", "image": "nginx", "resource": {"cpu": "100m", "memory": "64Mi"}}
        spec = {"egress": False, "containers": [container], "ports": [{"container_port": 80}], **spec}
        answer = self.http.post("/api/v1/sandboxes", json={"id": id, "spec": spec})
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["sandbox"])

    def get(self, id: str) -> Json | None:
        answer = self.http.get(f"/api/v1/sandboxes/{id}")
        return dict(answer.json()["sandbox"]) if answer.status_code == 200 else None

    def node(self, id: str = "stock") -> Json:
        return dict(self.http.get(f"/api/v1/nodes/{id}").json()["node"])

    def wait_phase(self, id: str, phase: str) -> Json:
        def look() -> Json | None:
            found = self.get(id)
            return found if found and found["status"]["phase"] == phase else None

        found = wait_until(look, f"{id} {phase}")
        assert found
        return found

    def delete(self, id: str) -> None:
        assert self.http.delete(f"/api/v1/sandboxes/{id}").status_code == 200
        wait_until(lambda: self.get(id) is None, f"{id} gone")


@pytest.fixture
def node() -> Iterator[StockNode]:
    with stock_node.running() as fake:
        fake.secret = TOKEN
        yield fake


@pytest.fixture
def config(root: Path) -> OrchConfig:
    return OrchConfig(
        listen="127.0.0.1:0",
        data_dir=str(root),
        run_dir=str(root),
        token=TOKEN,
        heartbeat_interval="300ms",
        resource_sync_interval="500ms",
        status_sync_interval="500ms",
        orphan_grace="200ms",
    )


@pytest.fixture
def plane(config: OrchConfig) -> Iterator[Plane]:
    made = Plane(config)
    yield made
    made.stop()


def mark(node: StockNode, id: str) -> str:
    """The volume that carries the uid."""
    names = [volume["name"] for volume in node.states[id].data["volumes"]]
    marks = [name for name in names if name.startswith("sandboxd-uid-")]
    assert len(marks) == 1
    return str(marks[0])


def test_a_stock_node_is_ready_at_once_and_runs_what_it_is_given(plane: Plane, node: StockNode) -> None:
    found = plane.register(node)
    assert found["state"] == "Ready" and found["resources"]["allocatable_cpu_milli"] == 3600
    plane.create("web", volumes=[{"name": "data", "ephemeral_storage": "1Mi"}], node_selector={})
    status = plane.wait_phase("web", "Running")["status"]
    assert status["ip"] == "10.89.0.7" and status["node_name"] == "stock" and status["external"] == "(none)"
    (body,) = node.bodies("POST", "/v1/sandboxes")
    port = status["assigned_ports"][0]
    assert body["ports"] == [{"hostPort": port["host_port"], "containerPort": 80, "protocol": "tcp"}]
    assert body["volumes"][0] == {"name": "data", "ephemeralStorage": "1Mi"}
    assert node.count("GET", "/v1/watch") >= 1
    assert node.resources()["used_cpu_milli"] == 100
    plane.delete("web")
    assert node.states == {}


def test_a_refused_token_is_found_and_said(plane: Plane, node: StockNode) -> None:
    node.secret = "other"
    plane.register(node)
    wait_until(lambda: plane.node()["state"] == "NotReady", "the node is not ready")
    assert plane.node()["last_error"] == "the node refused the token: unauthorized"
    node.secret = TOKEN
    wait_until(lambda: plane.node()["state"] == "Ready", "the node is ready")


def test_a_node_goes_and_comes_back(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    plane.create("web")
    plane.wait_phase("web", "Running")
    node.deaf.set()
    wait_until(lambda: plane.node()["state"] == "NotReady", "the node is not ready")
    found = plane.get("web")
    assert found and found["status"]["phase"] == "Running", "nobody knows better"
    node.deaf.clear()
    wait_until(lambda: plane.node()["state"] == "Ready", "the node is ready")


def test_a_lost_answer_to_a_create_is_settled_by_asking(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    node.lose_answers.append("POST /v1/sandboxes")
    plane.create("web")
    plane.wait_phase("web", "Running")
    creates = [body["id"] for body in node.bodies("POST", "/v1/sandboxes")]
    assert creates == ["web"], "sent once, then asked for"


def test_a_lost_answer_to_a_delete_is_settled_by_asking(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    plane.create("web")
    plane.wait_phase("web", "Running")
    node.lose_answers.append("DELETE /v1/sandboxes/web")
    plane.delete("web")
    assert node.states == {}


def test_the_reason_of_a_failure_survives_the_reaping(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    node.failing_images["nginx"] = 'pull image "docker.io/library/nginx": not found'
    plane.create("web")
    assert plane.wait_phase("web", "Failed")["status"]["last_error"] == node.failing_images["nginx"]
    node.reap("web")
    before = node.count("GET", "/v1/sandboxes")
    wait_until(lambda: node.count("GET", "/v1/sandboxes") > before + 1, "two more looks at the whole node")
    found = plane.get("web")
    assert found and found["status"]["last_error"] == node.failing_images["nginx"]


def test_what_is_deleted_on_the_node_and_what_exits_is_noticed(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    for id in ("gone", "exited"):
        plane.create(id)
        plane.wait_phase(id, "Running")
    node.reap("gone")
    node.end_container("exited", "app")
    assert plane.wait_phase("gone", "Failed")["status"]["last_error"] == "deleted on sbxlet node"
    assert plane.wait_phase("exited", "Failed")["status"]["last_error"] == "container app unhealthy (stopped)"


def test_one_torn_state_file_does_not_hide_the_others(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    ids = [f"s{n}" for n in range(8)]
    node.provisioning.clear()
    for id in ids:
        plane.create(id)
    node.wait(lambda: len(node.states) == 8, "all are there")
    node.unreadable.add("s3")
    node.provisioning.set()
    for id in ids:
        if id != "s3":
            plane.wait_phase(id, "Running")
    node.unreadable.clear()
    plane.wait_phase("s3", "Running")


def test_a_restart_finds_everything_as_it_is(config: OrchConfig, node: StockNode) -> None:
    first = Plane(config)
    first.register(node)
    first.create("web")
    first.wait_phase("web", "Running")
    node.provisioning.clear()
    first.create("half")
    node.wait(lambda: "half" in node.states, "the create has arrived")
    first.stop()
    node.provisioning.set()
    second = Plane(config)
    try:
        second.wait_phase("half", "Running")
        second.wait_phase("web", "Running")
        assert [body["id"] for body in node.bodies("POST", "/v1/sandboxes")] == ["web", "half"]
        second.delete("half")
        assert list(node.states) == ["web"]
    finally:
        second.stop()


def test_left_overs_of_ours_go_and_what_others_made_stays(config: OrchConfig, node: StockNode) -> None:
    first = Plane(config)
    first.register(node)
    first.create("web")
    first.wait_phase("web", "Running")
    ours = mark(node, "web")[:-4] + "0000"
    resource = {"cpu": "10m", "memory": "1Mi"}
    for id, volume in (("late", ours), ("foreign", "sandboxd-uid-" + "f" * 32), ("plain", "data")):
        body = {"id": id, "volumes": [{"name": volume, "ephemeralStorage": "1"}]}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        body["containers"] = [{"name": "app", "image": "nginx", "resource": resource}]
        assert httpx.post(f"{node.url}/v1/sandboxes", json=body, headers=headers).status_code == 202
    node.wait(lambda: "late" not in node.states, "what a former life left is removed")
    assert sorted(node.states) == ["foreign", "plain", "web"]
    first.stop()


def test_an_id_that_others_use_is_refused_and_left_alone(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    body = {"id": "web", "containers": [{"name": "a", "image": "x", "resource": {"cpu": "1m", "memory": "1Mi"}}]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.post(f"{node.url}/v1/sandboxes", json=body, headers=headers).status_code == 202
    plane.create("web")
    assert plane.wait_phase("web", "Failed")["status"]["last_error"] == "sandbox already exists: web"
    plane.delete("web")
    assert list(node.states) == ["web"] and node.count("DELETE", "/v1/sandboxes/web") == 0


def test_many_at_once_come_to_run_with_ports_of_their_own(plane: Plane, node: StockNode) -> None:
    plane.register(node)
    for n in range(30):
        plane.create(f"s{n}")
    found = [plane.wait_phase(f"s{n}", "Running") for n in range(30)]
    ports = {item["status"]["assigned_ports"][0]["host_port"] for item in found}
    assert len(ports) == 30
    for n in range(30):
        plane.delete(f"s{n}")
    assert node.states == {}
