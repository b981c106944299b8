"""Restart policies on real containers, under both runtimes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from support import images
from support.instance import Instance, wait_page
from support.leak_checker import settle
from support.waiting import wait_until

RUNTIMES = ["runc", "runsc"]


@pytest.fixture(scope="module")
def platform() -> Iterator[Instance]:
    made = Instance(runtime="runc")
    try:
        made.up()
        yield made
    finally:
        problems = made.destroy()
        assert not problems, problems


def containers(platform: Instance, id: str) -> list[dict[str, Any]]:
    found = platform.sandbox(id)
    assert found is not None
    return list(found["status"].get("containers") or [])


def restarts(platform: Instance, id: str, container: int = 0) -> int:
    """How often it was started again; -1 while it does not run."""
    state = containers(platform, id)[container]
    return int(state.get("restarts", 0)) if state["phase"] == "running" else -1


def key_of(platform: Instance, id: str, name: str = "main") -> str:
    return str(platform.node_get(f"/v1/sandboxes/{id}")["sandbox"]["containers"][name]["id"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_killed_server_is_back_on_its_port_and_its_log_goes_on(platform: Instance, runtime: str) -> None:
    id = f"server-{runtime}"
    platform.create(id, image=images.WEB, ports=(8000,), runtime=runtime, cpu="200m", restart_policy="on_failure")
    before = platform.wait_phase(id, "Running")
    port = platform.host_port(id)
    assert wait_page(f"http://127.0.0.1:{port}")
    old = key_of(platform, id)
    platform.ctr("tasks", "kill", "-s", "SIGKILL", old)
    wait_until(lambda: restarts(platform, id) == 1, "a second life", 30)
    after = platform.wait_phase(id, "Running")
    assert wait_page(f"http://127.0.0.1:{port}")
    assert (after["status"]["ip"], platform.host_port(id)) == (before["status"]["ip"], port)
    assert key_of(platform, id) != old
    assert settle(platform) == []
    platform.delete(id)
    platform.wait_gone(id)
    assert settle(platform) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_job_is_tried_until_it_succeeds(platform: Instance, runtime: str) -> None:
    """It fails twice and then succeeds: what it counts by is on a shared volume, which outlives its containers."""
    script = "echo x >> /state/tries; echo try $(wc -l < /state/tries); test $(wc -l < /state/tries) -ge 3"
    main = {
        "name": "main",
        "image": images.BOX,
        "args": ["/bin/sh", "-c", script],
        "resource": {"cpu": "100m", "memory": "64Mi"},
        "volume_mounts": [{"name": "state", "mount_path": "/state"}],
    }
    id = f"job-{runtime}"
    volumes = [{"name": "state", "ephemeral_storage": "1Mi"}]
    platform.create(id, containers=[main], volumes=volumes, runtime=runtime, restart_policy="on_failure")
    ended = wait_until(lambda: found if (found := platform.sandbox(id))["status"]["phase"] == "Stopped" else None, id)
    assert ended["status"]["containers"][0]["restarts"] == 2
    assert platform.log_lines(id, "main") == ["try 1", "try 2", "try 3"]
    platform.delete(id)
    platform.wait_gone(id)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_one_of_two_comes_back_alone_and_the_pair_without_its_pause_container(platform: Instance, runtime: str) -> None:
    pair = [
        {"name": name, "image": images.WEB, "args": args, "resource": {"cpu": "150m", "memory": "64Mi"}}
        for name, args in (("web", []), ("side", ["/bin/sleep", "600"]))
    ]
    id = f"pair-{runtime}"
    platform.create(id, containers=pair, ports=(8000,), runtime=runtime, restart_policy="always")
    platform.wait_phase(id, "Running")
    web = key_of(platform, id, "web")
    platform.ctr("tasks", "kill", "-s", "SIGKILL", key_of(platform, id, "side"))
    wait_until(lambda: restarts(platform, id, 1) == 1, "the side container's second life", 30)
    assert key_of(platform, id, "web") == web and restarts(platform, id) == 0
    assert wait_page(f"http://127.0.0.1:{platform.host_port(id)}")
    pause = str(platform.node_get(f"/v1/sandboxes/{id}")["sandbox"]["pauseID"])
    os.kill(platform.task_pids()[pause], signal.SIGKILL)
    wait_until(lambda: restarts(platform, id) >= 1 and restarts(platform, id, 1) >= 2, "all of it anew", 60)
    assert wait_page(f"http://127.0.0.1:{platform.host_port(id)}")
    assert settle(platform) == []
    platform.delete(id)
    platform.wait_gone(id)
    assert settle(platform) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_goes_on_over_kills_of_node_agent_and_containerd(platform: Instance, runtime: str) -> None:
    id = f"loop-{runtime}"
    platform.create(id, shell="echo up; sleep 1; exit 3", runtime=runtime, cpu="200m", restart_policy="always")
    platform.wait_phase(id, "Running")
    for role in ("node", "containerd", "node"):
        tries = max(restarts(platform, id), 0)
        platform.kill_and_wait_back(role)
        wait_until(lambda tries=tries: restarts(platform, id) > tries, f"a new life after {role}", 60)
        assert platform.sandbox(id)["status"]["phase"] == "Running"  # type: ignore[index]
    assert set(platform.log_lines(id, "main")) == {"up"}
    platform.delete(id)
    platform.wait_gone(id)
    assert settle(platform) == []
