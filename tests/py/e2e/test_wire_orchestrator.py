"""The control plane's wire: statuses, shapes and texts of every first route, and its answers to bad input."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from support.instance import Instance, make_spec

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")


def error_of(answer: Any) -> str:
    """The error text; the body must be exactly {"error": text}."""
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json()
    assert list(body) == ["error"], body
    return str(body["error"])


def test_health(platform: Instance) -> None:
    answer = platform.client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, '{"ok":true}')


def test_every_answer_has_a_request_id(platform: Instance) -> None:
    first, second = platform.client.get("/healthz"), platform.client.get("/nowhere")
    assert first.headers["x-request-id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/healthz"), ("PUT", "/api/v1/nodes")])
def test_unknown_path_or_method_is_404_in_plain_text(platform: Instance, method: str, path: str) -> None:
    answer = platform.client.request(method, path)
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")


def test_superfluous_slash_redirects(platform: Instance) -> None:
    got = platform.client.get("/api/v1/nodes/", follow_redirects=False)
    assert (got.status_code, got.headers["location"]) == (301, "/api/v1/nodes")
    posted = platform.client.post("/api/v1/nodes/", json={}, follow_redirects=False)
    assert posted.status_code == 307


def test_life_of_a_sandbox_on_the_wire(platform: Instance, name: str) -> None:
    spec = make_spec(args=["/bin/sleep", "600"], ports=(8000,), ttl_seconds=3600)
    answer = platform.client.post("/api/v1/sandboxes", json={"id": name, "spec": spec})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    sandbox = answer.json()["sandbox"]
    assert sandbox["id"] == name
    assert sandbox["status"]["phase"] in ("Pending", "Scheduled")
    assert TIME.match(sandbox["created_at"]) and TIME.match(sandbox["status"]["expire_at"])
    assert "deleted_at" not in sandbox and "sandboxd_id" not in sandbox["status"]
    echoed = sandbox["spec"]
    for key in ("egress", "ttl_seconds", "ports", "containers"):
        assert echoed[key] == spec[key], key

    running = platform.wait_phase(name, "Running")
    status = running["status"]
    assert re.fullmatch(r"[0-9.]+", status["ip"])
    assert status["node_name"] and status["external"] == "(none)"
    (port,) = status["assigned_ports"]
    assert port["container_port"] == 8000 and port["protocol"] == "tcp" and port["host_port"] >= 10000
    assert "last_error" not in status

    listed = [item for item in platform.get("/api/v1/sandboxes")["items"] if item["id"] == name]
    assert listed == [running]
    duplicate = platform.client.post("/api/v1/sandboxes", json={"id": name, "spec": spec})
    assert duplicate.status_code == 409 and name in error_of(duplicate)

    gone = platform.client.delete(f"/api/v1/sandboxes/{name}")
    assert (gone.status_code, gone.json()) == (200, {"deleted": name})
    platform.wait_gone(name)
    missing = platform.client.get(f"/api/v1/sandboxes/{name}")
    assert (missing.status_code, error_of(missing)) == (404, "sandbox not found")
    again = platform.client.delete(f"/api/v1/sandboxes/{name}")
    assert (again.status_code, error_of(again)) == (404, "sandbox not found")


def test_field_names_are_matched_without_case_and_extras_are_ignored(platform: Instance, name: str) -> None:
    text = json.dumps({"ID": name, "Spec": make_spec(args=["/bin/sleep", "600"]), "unknown": {"a": 1}}) + " trailing"
    answer = platform.client.post("/api/v1/sandboxes", content=text)
    assert answer.status_code == 201, answer.text
    platform.wait_phase(name, "Running")
    platform.delete(name)
    platform.wait_gone(name)


# --- lists, reasons, idempotency keys


def test_lists_are_filtered_and_paged(platform: Instance, name: str) -> None:
    ids = [f"{name}-{letter}" for letter in "cab"]
    for id in ids:
        platform.create(id, args=["/bin/sleep", "600"], labels={"test": name, "last": id[-1]})
    for id in ids:
        platform.wait_phase(id, "Running")

    def ids_of(query: str) -> list[str]:
        return [item["id"] for item in platform.get(f"/api/v1/sandboxes?label=test={name}&{query}")["items"]]

    assert ids_of("") == ids, "in the order of creation"
    assert ids_of("phase=Running,Failed") == ids and ids_of("phase=Pending") == []
    assert ids_of("label=last=a") == [ids[1]] and ids_of("node=nobody") == []
    pages, cursor = [], ""
    while True:
        page = platform.get(f"/api/v1/sandboxes?label=test={name}&limit=2&cursor={cursor}")
        pages.append([item["id"] for item in page["items"]])
        cursor = page.get("next_cursor", "")
        if not cursor:
            break
    assert pages == [ids[:2], ids[2:]]
    bad = platform.client.get("/api/v1/sandboxes?limit=none")
    assert (bad.status_code, error_of(bad)) == (400, "invalid input: limit must be a number from 1 to 1000")
    for id in ids:
        platform.delete(id)
        platform.wait_gone(id)


def test_a_sandbox_that_fits_nowhere_says_why_per_node(platform: Instance, name: str) -> None:
    platform.create(name, args=["/bin/true"], cpu="1000")
    status = platform.get(f"/api/v1/sandboxes/{name}")["sandbox"]["status"]
    (node,) = platform.get("/api/v1/nodes")["items"]
    assert status["phase"] == "Pending"
    assert re.match(rf"node {node['id']}: not enough cpu: needs 1000000m, has \d+m free$", status["reasons"][0])
    platform.delete(name)
    platform.wait_gone(name)


def test_a_create_is_repeated_safely_with_its_key_also_after_kill_9(platform: Instance, name: str) -> None:
    body = {"id": name, "spec": make_spec(args=["/bin/sleep", "600"])}
    key = {"Idempotency-Key": f"key-{name}"}
    first = platform.client.post("/api/v1/sandboxes", json=body, headers=key)
    assert first.status_code == 201, first.text
    platform.kill_and_wait_back("orch")
    again = platform.client.post("/api/v1/sandboxes", json=body, headers=key)
    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    other = platform.client.post("/api/v1/sandboxes", json=body | {"id": f"{name}-2"}, headers=key)
    assert other.status_code == 422 and f"key-{name}" in error_of(other)
    assert platform.sandbox(f"{name}-2") is None
    platform.wait_phase(name, "Running")
    platform.delete(name)
    platform.wait_gone(name)


# --- bad input: what to change, and the message behind "invalid input: "


def changed(change: dict[str, Any], **container: Any) -> dict[str, Any]:
    """A good body with some members replaced; "id" at the top, the rest in the spec or its first container."""
    body: dict[str, Any] = {"id": "bad", "spec": make_spec(args=["/bin/true"])}
    body["spec"]["containers"][0] |= container
    for key, value in copy.deepcopy(change).items():
        if key == "id":
            body["id"] = value
        else:
            body["spec"][key] = value
    return body


VOLUME = {"name": "v", "ephemeral_storage": "1Mi"}
PROBE = {
    "protocol": "http",
    "port": 80,
    "path": "/",
    "initial_delay_seconds": 1,
    "period_seconds": 1,
    "timeout_seconds": 1,
    "success_threshold": 1,
    "failure_threshold": 1,
}
BAD = [
    (changed({"id": ""}), "id is required"),
    (changed({"id": " a"}), "id must not contain leading or trailing whitespace"),
    (changed({"id": "a/b"}), "id contains invalid path characters"),
    (changed({"id": "a..b"}), "id contains invalid path characters"),
    (changed({"id": "-a"}), "id contains unsupported characters"),
    (changed({"id": "a" * 129}), "id contains unsupported characters"),
    (changed({"node_selector": {" ": "x"}}), "node_selector key is required"),
    (changed({"containers": []}), "at least one container is required"),
    (changed({"ttl_seconds": -1}), "ttl_seconds must be >= 0"),
    (changed({"volumes": [{"name": "", "ephemeral_storage": "1Mi"}]}), "volume name is required"),
    (changed({"volumes": [{"name": "!", "ephemeral_storage": "1Mi"}]}), "invalid volume name !"),
    (changed({"volumes": [{"name": "v"}]}), "volume v ephemeral_storage is required"),
    (changed({"volumes": [{"name": "v", "ephemeral_storage": "0"}]}), "invalid ephemeral_storage for volume v"),
    (changed({"volumes": [VOLUME, VOLUME]}), "duplicate volume name v"),
    (changed({}, name=""), "container name is required"),
    (changed({}, name="a/b"), "container name contains invalid path characters"),
    (changed({}, name="a b"), "container name contains unsupported characters"),
    (changed({}, image=" "), "container main image is required"),
    (changed({}, resource={"cpu": "1"}), "container resource cpu/memory are required"),
    (changed({}, resource={"cpu": "x", "memory": "1Mi"}), "invalid cpu for container main"),
    (changed({}, resource={"cpu": "1", "memory": "1Q"}), "invalid memory for container main"),
    (
        changed({}, volume_mounts=[{"name": "v", "mount_path": "/v"}]),
        "container main references unknown volume v",
    ),
    (
        changed({"volumes": [VOLUME]}, volume_mounts=[{"name": "v", "mount_path": "v"}]),
        "container main mount_path must be absolute for volume v",
    ),
    (
        changed({"volumes": [VOLUME]}, volume_mounts=[{"name": "v", "mount_path": "/a/../b"}]),
        "container main mount_path must be clean for volume v",
    ),
    (
        changed({"volumes": [VOLUME]}, volume_mounts=[{"name": "v", "mount_path": "/tmp/x"}]),
        "container main mount_path /tmp is reserved",
    ),
    (changed({}, tmpfs=[{"mount_path": "/"}]), "container main tmpfs mount_path '/' is not allowed"),
    (
        changed({}, tmpfs=[{"mount_path": "/t"}, {"mount_path": "/t"}]),
        "container main duplicate mount_path /t",
    ),
    (changed({"ports": [{"container_port": 0}]}), "invalid container port"),
    (changed({"ports": [{"container_port": 65536}]}), "invalid container port"),
    (changed({"ports": [{"container_port": 80, "protocol": "sctp"}]}), "unsupported protocol"),
    (changed({"readiness_probe": PROBE | {"protocol": ""}}), "readiness_probe.protocol is required"),
    (changed({"readiness_probe": PROBE | {"protocol": "udp"}}), "readiness_probe.protocol must be tcp or http"),
    (changed({"readiness_probe": PROBE | {"port": 0}}), "readiness_probe.port must be between 1 and 65535"),
    (changed({"readiness_probe": PROBE | {"path": ""}}), "readiness_probe.path is required when protocol is http"),
    (
        changed({"readiness_probe": PROBE | {"path": "x"}}),
        "readiness_probe.path must start with '/' when protocol is http",
    ),
    (changed({"readiness_probe": PROBE | {"period_seconds": 0}}), "readiness_probe.period_seconds must be >= 1"),
    (changed({"readiness_probe": PROBE | {"failure_threshold": 0}}), "readiness_probe.failure_threshold must be >= 1"),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_sandbox_is_refused_with_the_exact_message(platform: Instance, body: dict[str, Any], message: str) -> None:
    answer = platform.client.post("/api/v1/sandboxes", json=body)
    assert (answer.status_code, error_of(answer)) == (400, f"invalid input: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        "nonsense",
        '{"id": 5}',
        '{"id": "x", "spec": {"ttl_seconds": 1.5}}',
        '{"id": "x", "spec": {"containers": {}}}',
        '{"id": "x", "spec": {"ports": [{"container_port": "80"}]}}',
        '{"id": "x", "spec": ' + "[" * 200 + "]" * 200 + "}",
        '{"id": "\ud800"}'.encode("utf-16", "surrogatepass").decode("utf-16", "replace")[:-2],
    ],
)
def test_malformed_json_is_400_with_a_reason(platform: Instance, text: str) -> None:
    answer = platform.client.post("/api/v1/sandboxes", content=text)
    assert answer.status_code == 400 and error_of(answer)


def test_null_is_an_empty_object(platform: Instance) -> None:
    answer = platform.client.post("/api/v1/sandboxes", content="null")
    assert (answer.status_code, error_of(answer)) == (400, "invalid input: id is required")


def test_oversized_body_is_413_and_the_server_goes_on(platform: Instance) -> None:
    answer = platform.client.post("/api/v1/sandboxes", content=b'{"id":"' + b"x" * (8 << 20) + b'"}')
    assert answer.status_code == 413
    assert platform.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("id", ["a%20b", "%20", "a$b", "-x"])
def test_malformed_id_in_the_path_is_400(platform: Instance, id: str) -> None:
    assert platform.client.get(f"/api/v1/sandboxes/{id}").status_code == 400
    assert platform.client.delete(f"/api/v1/sandboxes/{id}").status_code == 400


# --- nodes


def test_nodes_are_listed_and_got(platform: Instance) -> None:
    (node,) = platform.get("/api/v1/nodes")["items"]
    assert node["state"] == "Ready" and node["unschedulable"] is False and node["metadata"] == {}
    assert node["sbxlet_base_url"] == platform.node_url and node["source"] == "object"
    resources = node["resources"]
    assert resources["capacity_cpu_milli"] >= 1000 and resources["external"] == "(none)"
    assert resources["allocatable_cpu_milli"] == resources["capacity_cpu_milli"] * resources["max_alloc_percent"] // 100
    assert TIME.match(node["created_at"]) and TIME.match(node["last_heartbeat"])
    assert platform.get(f"/api/v1/nodes/{node['id']}")["node"]["id"] == node["id"]
    missing = platform.client.get("/api/v1/nodes/nobody")
    assert (missing.status_code, error_of(missing)) == (404, "node not found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": " ", "spec": {"ip": "10.0.0.1", "port": 1}}, "id is required"),
        ({"id": "n", "spec": {"ip": "nonsense", "port": 1}}, "invalid ip"),
        ({"id": "n", "spec": {"ip": "010.0.0.1", "port": 1}}, "invalid ip"),
        ({"id": "n", "spec": {"ip": "0.0.0.0", "port": 1}}, "unspecified ip is not allowed"),
        ({"id": "n", "spec": {"ip": "224.0.0.1", "port": 1}}, "multicast ip is not allowed"),
        ({"id": "n", "spec": {"ip": "169.254.169.254", "port": 1}}, "link-local ip is not allowed"),
        ({"id": "n", "spec": {"ip": "10.0.0.1", "port": 0}}, "invalid port"),
    ],
)
def test_bad_node_is_refused_with_the_exact_message(platform: Instance, body: dict[str, Any], message: str) -> None:
    answer = platform.client.post("/api/v1/nodes", json=body)
    assert (answer.status_code, error_of(answer)) == (400, f"invalid input: {message}")


def test_requests_of_other_origins_are_refused(platform: Instance) -> None:
    foreign = platform.client.get("/api/v1/sandboxes", headers={"Origin": "http://evil.example"})
    rebound = platform.client.get("/api/v1/sandboxes", headers={"Host": "evil.example"})
    assert foreign.status_code == 403 and rebound.status_code == 403
