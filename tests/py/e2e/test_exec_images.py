"""The in-sandbox agent in images and containers of every kind, and through what kills it or its node."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import images
from support.box import Box
from support.instance import Instance
from support.waiting import wait_until

import sandboxd

RUNTIMES = ("runc", "runsc")
RESOURCE = {"cpu": "50m", "memory": "64Mi"}
SLEEP = ["sleep", "100000"]


def container(name: str = "main", args: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": images.BOX, "args": args or SLEEP, "resource": RESOURCE, **more}


def running(platform: Instance, name: str, runtime: str, *containers: dict[str, Any], **more: Any) -> Box:
    platform.create(name, containers=list(containers), runtime=runtime, **more)
    platform.wait_phase(name, "Running")
    return Box(platform, name)


def with_agent(platform: Instance, name: str) -> tuple[Box, int]:
    """A new sandbox under runc, and its agent's pid on this host."""
    others = platform.task_pids()
    box = running(platform, name, "runc", container())
    return box, next(pid for key, pid in platform.task_pids().items() if key not in others)


def remove(platform: Instance, name: str) -> None:
    platform.delete(name)
    platform.wait_gone(name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_root_no_rights_and_nothing_to_write_to(platform: Instance, name: str, runtime: str) -> None:
    reference = "sandboxd.test/nobody:1"
    archive = images.write_archive(platform.root / "nobody.tar", reference, ["/bin/sh"], User="nobody")
    platform.ctr("images", "import", str(archive))
    whole = container(image=reference, read_only=True, cap_drop=["ALL"])
    box = running(platform, name, runtime, whole)
    assert box.exec("sh", "-c", "id -u; grep CapEff /proc/self/status")["stdout"].startswith("65534\n")
    assert "0000000000000000" in box.exec("grep", "CapEff", "/proc/self/status")["stdout"]
    assert "0000000000000000" in box.exec("grep", "CapBnd", "/proc/self/status")["stdout"]
    put = box.http.put(f"{box.path}/files", params={"path": "/tmp/x"}, content=b"1")
    assert put.status_code == 200, put.text
    assert put.json()["file"]["uid"] == 65534
    refused = box.http.put(f"{box.path}/files", params={"path": "/x"}, content=b"1")
    assert refused.status_code == 403, refused.text
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_image_of_one_static_program(platform: Instance, name: str, runtime: str) -> None:
    pause = Path(sandboxd.__file__).parent / "_bin/sandboxd-pause"
    reference = "sandboxd.test/alone:1"
    content = images.layer_of({"pause": pause.read_bytes()})
    archive = images.write_archive(platform.root / "alone.tar", reference, ["/pause"], content=content)
    platform.ctr("images", "import", str(archive))
    alone = {"name": "main", "image": reference, "resource": RESOURCE}
    box = running(platform, name, runtime, alone)
    id = box.start("/pause")
    answer = box.http.post(f"{box.path}/commands/{id}/signal", json={"signal": 9, "wait_ms": 10000})
    assert answer.json()["command"]["exit_code"] == 137
    assert box.http.put(f"{box.path}/files", params={"path": "/f"}, content=b"data").status_code == 200
    assert box.http.get(f"{box.path}/files", params={"path": "/f"}).content == b"data"
    assert box.exec("sh")["command"]["exit_code"] == 127
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_container_of_a_pod_has_its_own(platform: Instance, name: str, runtime: str) -> None:
    box = running(platform, name, runtime, container("one"), container("two"))
    for one in ("one", "two"):
        assert box.exec("touch", f"/only-{one}", container=one)["command"]["exit_code"] == 0
    assert "only-one" not in box.exec("ls", "/", container="two")["stdout"]
    assert "only-one" in box.exec("ls", "/")["stdout"]
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_program_that_is_not_there_fails_the_sandbox(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, args=["/no/such/program"], runtime=runtime)
    found = wait_until(
        lambda: one if (one := platform.sandbox(name)) and one["status"]["phase"] == "Failed" else None, "Failed", 60
    )
    error = found["status"]["last_error"]
    assert "start container main" in error
    assert "/no/such/program" in error
    assert "no such file" in error.lower()
    box = Box(platform, name)
    assert "not running" in box.exec("true", status=409)["error"]
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_exit_codes_are_those_of_the_workload(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, shell="echo words; sleep 0.3; exit 42", runtime=runtime)
    found = wait_until(
        lambda: one if (one := platform.sandbox(name)) and one["status"]["phase"] == "Failed" else None, "Failed", 60
    )
    assert "42" in found["status"]["last_error"]
    assert platform.log_lines(name) == ["words"]
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_an_agent_it_is_as_before(platform: Instance, name: str, runtime: str) -> None:
    node = platform.node_client
    made = node.post(
        "/v1/sandboxes", json={"id": name, "containers": [container()], "runtime": runtime, "agent": False}
    )
    assert made.status_code == 202, made.text
    wait_until(lambda: platform.node_get(f"/v1/sandboxes/{name}")["sandbox"]["phase"] == "running", "running", 60)
    box = Box(platform, name)
    assert box.exec("echo", "by the runtime")["stdout"] == "by the runtime\n"
    assert box.http.get(f"{box.path}/files", params={"path": "/etc/hosts"}).status_code == 501
    assert node.delete(f"/v1/sandboxes/{name}").status_code == 200


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_container_that_only_holds(platform: Instance, name: str, runtime: str) -> None:
    node = platform.node_client
    hold = {"name": "main", "image": images.BOX, "hold": True, "resource": RESOURCE}
    made = node.post("/v1/sandboxes", json={"id": name, "containers": [hold], "runtime": runtime})
    assert made.status_code == 202, made.text
    wait_until(lambda: platform.node_get(f"/v1/sandboxes/{name}")["sandbox"]["phase"] == "running", "running", 60)
    box = Box(platform, name)
    assert box.exec("echo", "held")["stdout"] == "held\n"
    assert node.delete(f"/v1/sandboxes/{name}").status_code == 200


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_commands_go_on_while_the_node_is_away(platform: Instance, name: str, runtime: str) -> None:
    box = running(platform, name, runtime, container())
    id = box.start("sh", "-c", "for i in $(seq 30); do echo line $i; sleep 0.2; done; exit 7")
    short = box.start("sh", "-c", "sleep 1; echo short")
    platform.kill_and_wait_back("node")
    ended = box.command(id)
    assert ended["exit_code"] == 7
    assert box.output(id)["stdout"] == "".join(f"line {i}\n" for i in range(1, 31))
    assert box.command(short)["exit_code"] == 0
    assert box.output(short)["stdout"] == "short\n"
    assert [one["id"] for one in box.http.get(f"{box.path}/commands").json()["items"]] == [id, short]
    remove(platform, name)


def test_a_killed_agent_fails_its_sandbox_only(platform: Instance, name: str) -> None:
    other = running(platform, f"{name}-other", "runc", container())
    box, agent = with_agent(platform, name)
    id = box.start("sleep", "1000")
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: (platform.sandbox(name) or {})["status"]["phase"] == "Failed", "Failed", 30)
    assert box.command(id)["exit_code"] == -1
    assert box.http.get(f"{box.path}/commands/{id}/output").status_code == 200
    assert other.exec("echo", "fine")["stdout"] == "fine\n"
    remove(platform, name)
    remove(platform, f"{name}-other")


def test_a_thousand_execs_leave_nothing(platform: Instance, name: str) -> None:
    box, agent = with_agent(platform, name)
    node = platform.pid("node")
    box.http = httpx.Client(base_url=platform.node_url, timeout=90, trust_env=False)

    def descriptors() -> tuple[int, int]:
        return len(list(Path(f"/proc/{node}/fd").iterdir())), len(list(Path(f"/proc/{agent}/fd").iterdir()))

    def one(number: int) -> None:
        done = box.exec("sh", "-c", f"echo {number}; echo {number} >&2")
        assert (done["stdout"], done["stderr"]) == (f"{number}\n", f"{number}\n")

    for number in range(20):
        one(number)
    before = descriptors()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(1000)))
    box.http.close()
    wait_until(lambda: all(now <= then + 2 for now, then in zip(descriptors(), before, strict=True)), "closed", 75)
    assert len(Path(f"/proc/{agent}/task/{agent}/children").read_text().split()) == 1
    remove(platform, name)
