"""Real sandboxes under both handlers: pages through ports, logs, pods, probes, limits, lifetimes, failures."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.images import PAGE, WEB
from support.instance import Instance, fetch
from support.leak_checker import run, settle
from support.waiting import wait_until

HANDLERS = ["runsc", "runc"]
OUTSIDE_HOST, OUTSIDE_PEER = "198.51.100.1", "198.51.100.2"


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A network namespace beside the host's, as a client on another machine; its name."""
    space, ours, theirs = "sbxt-outside", "sbxt-host", "sbxt-peer"
    for command in (
        f"ip netns add {space}",
        f"ip link add {ours} type veth peer name {theirs} netns {space}",
        f"ip addr add {OUTSIDE_HOST}/30 dev {ours}",
        f"ip link set {ours} up",
        f"ip -n {space} addr add {OUTSIDE_PEER}/30 dev {theirs}",
        f"ip -n {space} link set {theirs} up",
    ):
        run(*command.split())
    yield space
    run("ip", "link", "delete", ours)
    run("ip", "netns", "delete", space)


@pytest.mark.parametrize("handler", HANDLERS)
def test_page_through_the_published_port(platform: Instance, name: str, handler: str, outside: str) -> None:
    # With 10m a page of gVisor's takes a second or two, and on a busy machine as long as anybody waits.
    probing = probe("http", 8000)
    platform.create(name, image=WEB, ports=(8000,), runtime=handler, cpu="100m", readiness_probe=probing)
    platform.wait_phase(name, "Running")
    port = platform.host_port(name)
    assert fetch(f"http://127.0.0.1:{port}/") == PAGE
    assert fetch(f"http://{OUTSIDE_HOST}:{port}/") == PAGE  # the host, at another address of its own
    page = f"http://{OUTSIDE_HOST}:{port}/"
    from_outside = run("ip", "netns", "exec", outside, "curl", "-s", "--noproxy", "*", "-m", "5", page)
    assert from_outside == PAGE
    wait_until(lambda: "web is up" in platform.log_lines(name), "the first line in the log", 10)
    platform.delete(name)
    platform.wait_gone(name)
    with pytest.raises(OSError):
        fetch(f"http://127.0.0.1:{port}/", 1)


def probe(kind: str, port: int, **change: Any) -> dict[str, Any]:
    """A readiness probe with short times."""
    values = {
        "initial_delay_seconds": 1,
        "period_seconds": 1,
        "timeout_seconds": 1,
        "success_threshold": 1,
        "failure_threshold": 20,
    }
    return {"protocol": kind, "port": port, **({"path": "/"} if kind == "http" else {}), **values, **change}


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_handler_is_the_one_asked_for(platform: Instance, name: str, handler: str) -> None:
    platform.create(name, shell="cat /proc/version; sleep 600", runtime=handler)
    platform.wait_phase(name, "Running")
    (line,) = wait_until(lambda: platform.log_lines(name), "output", 20)
    host = Path("/proc/version").read_text().strip()
    assert (line == host) is (handler == "runc"), line  # gVisor's kernel is not the host's


@pytest.mark.parametrize("handler", HANDLERS)
def test_containers_of_a_pod_share_localhost_and_have_their_own_logs(
    platform: Instance, name: str, handler: str
) -> None:
    resource = {"cpu": "50m", "memory": "64Mi"}
    ask = r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 127.0.0.1 8000 2>/dev/null | grep served"
    script = f"until {ask}; do sleep 0.2; done; sleep 600"
    containers = [
        {"name": "web", "image": WEB, "resource": resource},
        {"name": "client", "image": WEB, "args": ["/bin/sh", "-c", script], "resource": resource},
    ]
    platform.create(name, containers=containers, runtime=handler)
    platform.wait_phase(name, "Running", 90)
    wait_until(lambda: platform.log_lines(name, "client") == [PAGE.strip()], "the page in the client's log", 30)
    assert platform.log_lines(name, "web") == ["web is up"]
    assert {"web is up", PAGE.strip()} <= set(platform.log_lines(name))
    platform.delete(name)
    platform.wait_gone(name)
    problems = settle(platform)
    assert not problems, problems


@pytest.mark.parametrize("handler", HANDLERS)
def test_network_is_denied_by_default(platform: Instance, name: str, handler: str) -> None:
    """No egress: neither the host's own services, nor its neighbours, nor another sandbox can be reached."""
    with socket.socket() as service:
        service.bind(("0.0.0.0", 0))
        service.listen()
        gateway = ".".join(platform.subnet.split(".")[:3]) + ".1"
        port = service.getsockname()[1]
        platform.create(f"{name}-other", image=WEB, runtime=handler)
        other = platform.wait_phase(f"{name}-other", "Running")["status"]["ip"]
        tries = [(gateway, port), (other, 8000), ("169.254.169.254", 80), ("192.0.2.1", 80)]
        script = "; ".join(
            f"nc -w 2 {ip} {p} </dev/null 2>/dev/null && echo open {ip} || echo closed {ip}" for ip, p in tries
        )
        platform.create(name, shell=f"{script}; sleep 600", runtime=handler)
        platform.wait_phase(name, "Running")
        lines = wait_until(lambda: found if len(found := platform.log_lines(name)) >= 4 else None, "four answers", 40)
        assert lines == [f"closed {ip}" for ip, _ in tries]


def test_probe_gates_running(platform: Instance, name: str) -> None:
    platform.create(
        name,
        shell="sleep 3; exec httpd -f -p 8000 -h /www",
        ports=(8000,),
        runtime="runc",
        readiness_probe=probe("tcp", 8000),
    )
    started = time.monotonic()
    platform.wait_phase(name, "Running")
    assert time.monotonic() - started > 2
    assert fetch(f"http://127.0.0.1:{platform.host_port(name)}/") == PAGE


def test_probe_that_never_succeeds_fails_with_its_cause(platform: Instance, name: str) -> None:
    platform.create(
        name, args=["/bin/sleep", "600"], runtime="runc", readiness_probe=probe("tcp", 9, failure_threshold=2)
    )
    error = failure(platform, name)
    assert "readiness probe failed: protocol=tcp" in error and "failed 2 times" in error


def failure(platform: Instance, id: str, timeout: float = 60.0) -> str:
    """The reason of a sandbox that is to fail."""
    found = platform.wait_phase(id, "Failed", timeout)
    return str(found["status"]["last_error"])


def test_command_that_does_not_exist(platform: Instance, name: str) -> None:
    for handler in HANDLERS:
        platform.create(f"{name}-{handler}", args=["/bin/nonsense"], runtime=handler)
        assert "nonsense" in failure(platform, f"{name}-{handler}")


@pytest.mark.parametrize("image", ["sandboxd.test/absent:1", "127.0.0.1:1/absent:1"])
def test_image_that_does_not_exist(platform: Instance, name: str, image: str) -> None:
    platform.create(name, image=image)
    assert image in failure(platform, name)


def test_malformed_image_is_refused_with_the_reference(platform: Instance, name: str) -> None:
    platform.create(name, image="UPPER CASE:!!")
    assert "UPPER CASE" in failure(platform, name)


def test_exit_codes_become_phases_and_logs_stay(platform: Instance, name: str) -> None:
    platform.create(f"{name}-good", shell="echo fine; sleep 1; exit 0", runtime="runc")
    platform.create(f"{name}-bad", shell="echo broken; sleep 1; exit 7", runtime="runc")
    platform.wait_phase(f"{name}-good", "Stopped")
    assert "7" in failure(platform, f"{name}-bad")
    assert platform.log_lines(f"{name}-good") == ["fine"]
    assert platform.log_lines(f"{name}-bad") == ["broken"]


def test_nothing_fits_says_why_for_each_node(platform: Instance, name: str) -> None:
    platform.create(name, args=["/bin/true"], cpu="900")
    found = wait_until(lambda: (platform.sandbox(name) or {})["status"].get("reasons"), "reasons", 10)
    (node,) = platform.get("/api/v1/nodes")["items"]
    assert len(found) == 1 and node["id"] in found[0] and "cpu" in found[0]
    assert platform.sandbox(name)["status"]["phase"] == "Pending"  # type: ignore[index]
    platform.delete(name)
    platform.wait_gone(name)


def test_lifetime_ends(platform: Instance, name: str) -> None:
    platform.create(name, args=["/bin/sleep", "600"], runtime="runc", ttl_seconds=4)
    platform.wait_phase(name, "Running")
    started = time.monotonic()
    platform.wait_gone(name, 15)
    assert time.monotonic() - started < 10


def test_limits_are_enforced(platform: Instance, name: str) -> None:
    """Too much memory ends the container, and the sandbox says so; the number of processes is bounded."""
    platform.create(name, shell="exec dd if=/dev/zero of=/dev/null bs=200M count=1", runtime="runc", memory="32Mi")
    error = failure(platform, name)
    assert "137" in error or "memory" in error
    platform.create(
        f"{name}-pids", shell="for n in $(seq 300); do sleep 60 & done; echo all; sleep 600", runtime="runc"
    )
    wait_until(lambda: len(pids_of(platform, f"{name}-pids")) > 50, "processes", 30)
    assert len(pids_of(platform, f"{name}-pids")) <= 128


def pids_of(platform: Instance, id: str) -> list[str]:
    """Processes in the sandbox's container as the host sees them."""
    keys = [c["id"] for c in platform.node_get(f"/v1/sandboxes/{id}")["sandbox"]["containers"].values()]
    return [line for key in keys for line in platform.ctr("tasks", "ps", key).splitlines()[1:]]


def test_environment_work_dir_and_arguments_reach_the_process(platform: Instance, name: str) -> None:
    container = {
        "name": "main",
        "image": "sandboxd.test/box:1",
        "args": ["/bin/sh", "-c", 'echo "$MINE $BUILT $PWD $0 $(hostname)"; sleep 600', "zero"],
        "env": ["MINE=a b", "no equals sign"],
        "work_dir": "/www",
        "resource": {"cpu": "10m", "memory": "64Mi"},
    }
    platform.create(name, containers=[container], runtime="runc")
    assert wait_until(lambda: platform.log_lines(name), "output", 30) == [f"a b yes /www zero {name}"]


def test_binary_and_odd_output_survives(platform: Instance, name: str) -> None:
    platform.create(
        name,
        shell=r"printf 'a\377b\n'; printf 'x%.0s' $(seq 20000); echo; echo '{\"json\": 1}'; echo err >&2; sleep 600",
        runtime="runc",
    )
    wait_until(lambda: any("json" in line for line in platform.log_lines(name)), "all lines", 30)
    wait_until(lambda: "err" in platform.log_lines(name), "the other stream", 30)
    raw = platform.get(f"/api/v1/sandboxes/{name}/containers/main/logs")["logs"]["lines"]
    assert any(" stderr F err" in line for line in raw)
    assert sum(line.count("x") for line in raw) == 20000
    assert json.dumps(raw)


def test_volumes_and_tmpfs(platform: Instance, name: str) -> None:
    resource = {"cpu": "50m", "memory": "64Mi"}
    mount = {"name": "shared", "mount_path": "/shared"}
    writer = {
        "name": "writer",
        "image": WEB,
        "args": ["/bin/sh", "-c", "echo hi > /shared/f; sleep 600"],
        "volume_mounts": [mount],
        "resource": resource,
        "tmpfs": [{"mount_path": "/scratch", "options": "size=1m"}],
    }
    reader = {
        "name": "reader",
        "image": WEB,
        "volume_mounts": [{**mount, "read_only": True}],
        "resource": resource,
        "args": [
            "/bin/sh",
            "-c",
            "until cat /shared/f; do sleep 0.2; done; touch /shared/g || echo refused; sleep 600",
        ],
    }
    platform.create(
        name, containers=[writer, reader], volumes=[{"name": "shared", "ephemeral_storage": "1Mi"}], runtime="runc"
    )
    platform.wait_phase(name, "Running", 90)
    wait_until(
        lambda: [line for line in platform.log_lines(name, "reader") if line in ("hi", "refused")] == ["hi", "refused"],
        "the file, then a refusal",
        30,
    )
