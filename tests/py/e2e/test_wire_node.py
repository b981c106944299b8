"""The node agent's wire (sbxlet dialect): shapes and texts of its first routes, and its answers to bad input."""

from __future__ import annotations

from typing import Any

import pytest
from support.images import BOX
from support.instance import Instance, quiet_port_range
from support.waiting import wait_until

RESOURCE = {"cpu": "10m", "memory": "64Mi"}


def body(id: str = "bad", **change: Any) -> dict[str, Any]:
    """A good create request with some members replaced."""
    container = {"name": "main", "image": BOX, "args": ["/bin/sleep", "600"], "resource": RESOURCE}
    container |= change.pop("container", {})
    return {"id": id, "egress": False, "containers": [container], **change}


def error_of(answer: Any) -> str:
    """The error text; the body must be exactly {"error": text}."""
    assert list(answer.json()) == ["error"], answer.text
    return str(answer.json()["error"])


def wait_node_phase(platform: Instance, id: str, phase: str) -> dict[str, Any]:
    """Until the node reports this phase."""

    def look() -> dict[str, Any] | None:
        found = platform.node_get(f"/v1/sandboxes/{id}")["sandbox"]
        return dict(found) if found["phase"] == phase else None

    return wait_until(look, f"{id} {phase} on the node", 60)


def test_health_and_status(platform: Instance) -> None:
    assert platform.node_client.get("/healthz").text == '{"ok":true}'
    status = platform.node_get("/v1/node/status")
    assert status["ok"] is True
    resources = status["resources"]
    assert resources["capacity_cpu_milli"] % 1000 == 0 and resources["capacity_memory_bytes"] > 0
    assert resources["available_cpu_milli"] == max(0, resources["allocatable_cpu_milli"] - resources["used_cpu_milli"])


def test_life_of_a_sandbox_on_the_node(platform: Instance, name: str) -> None:
    port = quiet_port_range(1)  # no outgoing connection of anybody's may hold it
    request = body(name, ports=[{"hostPort": port, "containerPort": 8000, "protocol": "tcp"}])
    answer = platform.node_client.post("/v1/sandboxes", json=request)
    assert answer.status_code == 202, answer.text
    first = answer.json()["sandbox"]
    assert first["id"] == name and first["phase"] in ("creating", "running") and first["namespace"] == "k8s.io"
    running = wait_node_phase(platform, name, "running")
    assert running["ip"] and running["subnetCIDR"] == platform.subnet and running["egress"] is False
    container = running["containers"]["main"]
    assert container["phase"] == "running" and container["taskPID"] > 0 and container["runtime"] == "runsc"
    assert container["resource"]["cpu"] == "10m"

    statuses = platform.node_client.post("/v1/sandboxes/statuses", json={"ids": [name, " ", name, "unknown"]}).json()
    assert [item["id"] for item in statuses["items"]] == [name] and statuses["missing"] == ["unknown"]
    assert statuses["items"][0]["phase"] == "running" and statuses["items"][0]["ip"] == running["ip"]

    duplicate = platform.node_client.post("/v1/sandboxes", json=body(name))
    assert (duplicate.status_code, error_of(duplicate)) == (400, f"sandbox already exists: {name}")
    taken = platform.node_client.post("/v1/sandboxes", json=body("other", ports=request["ports"]))
    assert taken.status_code == 400
    assert error_of(taken) == f"host port already in use: {port}/tcp (sandbox {name})"

    for _ in range(2):  # also for unknown ids
        gone = platform.node_client.delete(f"/v1/sandboxes/{name}")
        assert (gone.status_code, gone.json()) == (200, {"id": name, "phase": "deleted"})
    missing = platform.node_client.get(f"/v1/sandboxes/{name}")
    assert (missing.status_code, error_of(missing)) == (404, "not found")


def test_list_is_paged_in_order_of_ids(platform: Instance) -> None:
    names = [f"page-{letter}" for letter in "cab"]
    for one in names:
        assert platform.node_client.post("/v1/sandboxes", json=body(one)).status_code == 202
    try:
        seen, cursor = [], "page-"
        while True:
            page = platform.node_get(f"/v1/sandboxes?limit=2&cursor={cursor}")
            seen += [item["id"] for item in page["items"]]
            if "next_cursor" not in page:
                break
            cursor = page["next_cursor"]
        assert [one for one in seen if one.startswith("page-")] == sorted(names)
    finally:
        for one in names:
            platform.node_client.delete(f"/v1/sandboxes/{one}")


def test_empty_status_request(platform: Instance) -> None:
    answer = platform.node_client.post("/v1/sandboxes/statuses", json={"ids": []})
    assert (answer.status_code, answer.json()) == (200, {"items": []})
    many = platform.node_client.post("/v1/sandboxes/statuses", json={"ids": [f"x{n}" for n in range(201)]})
    assert (many.status_code, error_of(many)) == (400, "too many ids (max 200)")


def test_missing_logs(platform: Instance) -> None:
    answer = platform.node_client.get("/v1/sandboxes/nobody/logs")
    assert (answer.status_code, error_of(answer)) == (404, "logs not found")


VOLUME = {"name": "v", "ephemeralStorage": "1Mi"}
BAD = [
    (body(" x"), "id must not contain leading or trailing whitespace"),
    (body("a/b"), "id contains invalid path characters"),
    (body("$"), "id contains unsupported characters"),
    (body(containers=[]), "at least one container is required"),
    (body(volumes=[{"name": "!", "ephemeralStorage": "1"}]), "volume !: unsupported name"),
    (body(volumes=[{"name": "v"}]), "volume v: ephemeralStorage is required"),
    (body(volumes=[{"name": "v", "ephemeralStorage": "-1"}]), "volume v: invalid ephemeralStorage"),
    (body(volumes=[VOLUME, VOLUME]), "duplicate volume name: v"),
    (body(container={"image": ""}), "container main: image is required"),
    (body(container={"resource": {"memory": "1Mi"}}), "container main: cpu is required"),
    (body(container={"resource": {"cpu": "1"}}), "container main: memory is required"),
    (
        body(container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
        "container main: unknown volume v",
    ),
    (
        body(container={"tmpfs": [{"mountPath": "/t", "options": "bind"}]}),
        'container main: tmpfs /t: unsupported option "bind"',
    ),
    (
        body(container={"tmpfs": [{"mountPath": "/t", "options": "size=x"}]}),
        'container main: tmpfs /t: invalid size "x"',
    ),
    (body(container={"capAdd": [" "]}), "container main: invalid capAdd entry: capability is empty"),
    (
        body(container={"securityOpt": ["nonsense"]}),
        'container main: securityOpt "nonsense" must use key=value or key:value',
    ),
    (body(container={"securityOpt": ["label=x"]}), 'container main: unsupported securityOpt "label=x"'),
    (body(ports=[{"hostPort": 0, "containerPort": 80}]), "invalid port mapping: 0:80"),
    (body(ports=[{"hostPort": 80, "containerPort": 80}]), "privileged host ports are not allowed: 80"),
    (body(ports=[{"hostPort": 2000, "containerPort": 80, "protocol": "x"}]), "unsupported protocol: x"),
    (
        body(ports=[{"hostPort": 2000, "containerPort": 80}, {"hostPort": 2000, "containerPort": 81}]),
        "duplicate host port: 2000",
    ),
    (body(readinessProbe={"protocol": "tcp"}), "readinessProbe.port must be between 1 and 65535"),
]


@pytest.mark.parametrize(("request_body", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_create_is_refused_with_the_exact_message(
    platform: Instance, request_body: dict[str, Any], message: str
) -> None:
    answer = platform.node_client.post("/v1/sandboxes", json=request_body)
    assert (answer.status_code, error_of(answer)) == (400, message)


def test_more_than_the_machine_has_is_refused(platform: Instance, name: str) -> None:
    answer = platform.node_client.post(
        "/v1/sandboxes", json=body(name, container={"resource": {"cpu": "9999", "memory": "1Mi"}})
    )
    assert answer.status_code == 400
    assert error_of(answer).startswith("insufficient cpu allocatable: requested=9999000m used=")


def test_generated_id(platform: Instance) -> None:
    answer = platform.node_client.post("/v1/sandboxes", json=body(""))
    assert answer.status_code == 202
    made = answer.json()["sandbox"]["id"]
    assert made.startswith("sbx-")
    assert platform.node_client.delete(f"/v1/sandboxes/{made}").status_code == 200
