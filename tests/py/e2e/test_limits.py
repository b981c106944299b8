"""What a sandbox may use, under both handlers, and what becomes of one that wants more. The host and its other
sandboxes go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import hostile, images
from support.instance import Instance, wait_page
from support.waiting import wait_until

HANDLERS = pytest.mark.parametrize("handler", ["runc", "runsc"])


@pytest.fixture(scope="module", autouse=True)
def hostile_image(platform: Instance) -> None:
    hostile.import_into(platform)


@pytest.fixture(autouse=True)
def removed(platform: Instance, name: str) -> Iterator[None]:
    """Removes the test's sandbox, so that its share of the machine is free again."""
    yield
    if platform.sandbox(name):
        platform.delete(name)
        platform.wait_gone(name)


@pytest.fixture
def bystander(platform: Instance, name: str, handler: str) -> Iterator[str]:
    """Another sandbox of the node, which must still serve its page at the end."""
    id = f"{name}-by"
    platform.create(id, image=images.WEB, ports=(8000,), runtime=handler, cpu="100m")
    platform.wait_phase(id, "Running")
    yield id
    assert wait_page(f"http://127.0.0.1:{platform.host_port(id)}/") == images.PAGE
    platform.delete(id)
    platform.wait_gone(id)


def key_of(platform: Instance, id: str) -> str:
    """The container's name in the runtime; empty before the node knows the sandbox."""
    answer = platform.node_client.get(f"/v1/sandboxes/{id}")
    if answer.status_code == 404:
        return ""
    return str(next(iter(answer.json()["sandbox"]["containers"].values()))["id"])


def group_file(key: str, *names: str) -> str:
    """The first of these files of the container's control group, whatever the version of control groups."""
    for name in names:
        for found in sorted(Path("/sys/fs/cgroup").glob(f"**/{key}/{name}")):
            return found.read_text().strip()
    raise AssertionError(f"{key} has none of {names}")


def quota(key: str) -> int:
    """Microseconds of CPU in each tenth of a second."""
    return int(group_file(key, "cpu.cfs_quota_us", "cpu.max").split()[0])


@HANDLERS
def test_the_cpu_limit_is_raised_until_the_sandbox_runs(platform: Instance, name: str, handler: str) -> None:
    probe = {"protocol": "tcp", "port": 8000, "initial_delay_seconds": 1, "period_seconds": 1, "timeout_seconds": 1}
    probe |= {"success_threshold": 1, "failure_threshold": 60}
    script = "sleep 5; exec httpd -f -p 8000 -h /www"  # long enough to be looked at
    platform.create(name, shell=script, runtime=handler, cpu="20m", readiness_probe=probe)
    key = wait_until(lambda: key_of(platform, name), "the container has a name")
    wait_until(lambda: key in platform.task_pids(), "its task runs", 60)
    assert quota(key) == 100_000
    platform.wait_phase(name, "Running")
    assert quota(key) == 2_000


@HANDLERS
def test_memory_over_use_ends_the_sandbox_with_the_reason(
    platform: Instance, name: str, handler: str, bystander: str
) -> None:
    platform.create(name, image=hostile.IMAGE, args=["/hostile", "memory"], memory="64Mi", cpu="500m", runtime=handler)
    item = platform.wait_phase(name, "Failed")
    assert item["status"]["last_error"] == "container main was killed: out of memory (limit 64Mi)"


@HANDLERS
def test_a_fork_bomb_is_bounded_and_can_be_deleted(platform: Instance, name: str, handler: str, bystander: str) -> None:
    platform.create(name, image=hostile.IMAGE, args=["/hostile", "forks"], memory="128Mi", cpu="200m", runtime=handler)
    platform.wait_phase(name, "Running")
    key = key_of(platform, name)
    bound = int(group_file(key, "pids.max"))
    wait_until(lambda: platform.log_lines(name) == ["forks"], "it forks", 60)
    assert int(group_file(key, "pids.current")) <= bound <= 128 + 512
    platform.delete(name)
    platform.wait_gone(name)


@HANDLERS
def test_a_hundred_thousand_sockets_are_refused_inside(
    platform: Instance, name: str, handler: str, bystander: str
) -> None:
    command = ["/hostile", "sockets", "2000000"]
    platform.create(name, image=hostile.IMAGE, args=command, memory="512Mi", cpu="500m", runtime=handler)

    def ended() -> str:
        phase = (platform.sandbox(name) or {})["status"]["phase"]
        return phase if phase == "Failed" else "".join(platform.log_lines(name))

    outcome = wait_until(ended, "all sockets or an end", 120)
    assert "Too many open files" in outcome or outcome == "Failed", outcome


@HANDLERS
def test_a_process_that_ignores_every_signal_is_deleted(platform: Instance, name: str, handler: str) -> None:
    platform.create(name, image=hostile.IMAGE, args=["/hostile", "deaf"], cpu="100m", runtime=handler)
    platform.wait_phase(name, "Running")
    wait_until(lambda: platform.log_lines(name) == ["deaf"], "it is deaf", 60)
    platform.delete(name)
    platform.wait_gone(name)


def test_privileged_options_are_refused_under_runc_with_the_setting(platform: Instance, name: str) -> None:
    container = {
        "name": "main",
        "image": images.BOX,
        "capAdd": ["SYS_ADMIN"],
        "resource": {"cpu": "10m", "memory": "64Mi"},
    }
    answer = platform.node_client.post("/v1/sandboxes", json={"id": name, "runtime": "runc", "containers": [container]})
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        'container main: capAdd "SYS_ADMIN" is not allowed under runc on this node (setting privileged_options)'
    )
    assert platform.node_client.get(f"/v1/sandboxes/{name}").status_code == 404
