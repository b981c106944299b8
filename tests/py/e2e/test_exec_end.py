"""Commands that end with their container, and what is known of those that run."""

from __future__ import annotations

import pytest
from support.box import Box
from support.instance import Instance
from support.waiting import wait_until

RUNTIMES = ("runc", "runsc")
TALKS = "echo so far; echo complaint >&2; exec sleep 100000"


def running(platform: Instance, name: str, runtime: str, shell: str) -> Box:
    platform.create(name, shell=shell, runtime=runtime, cpu="200m")
    platform.wait_phase(name, "Running")
    return Box(platform, name)


def started(box: Box) -> str:
    """A command that has written something and goes on."""
    id = box.start("sh", "-c", TALKS)
    wait_until(lambda: box.command(id, 0)["stdout_bytes"] == 7, "its output is counted while it runs", 20)
    return id


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_output_outlives_the_main_process(platform: Instance, name: str, runtime: str) -> None:
    box = running(platform, name, runtime, "while [ ! -e /go ]; do sleep 0.1; done")
    id = started(box)
    assert box.http.put(f"{box.path}/files", params={"path": "/go"}, content=b"").status_code == 200
    ended = box.command(id)
    assert ended["exit_code"] in (137, -1), ended
    assert ended["reason"] == "container_ended"
    output = box.output(id)
    assert (output["stdout"], output["stderr"]) == ("so far\n", "complaint\n"), ended
    platform.delete(name)
    platform.wait_gone(name)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("shell", ["exec sleep 100000", "trap '' TERM; while true; do sleep 1; done"])
def test_output_outlives_a_stop(platform: Instance, name: str, runtime: str, shell: str) -> None:
    box = running(platform, name, runtime, shell)
    id = started(box)
    stopped = platform.client.post(f"/api/v1/sandboxes/{name}/stop")
    assert stopped.status_code in (200, 202), stopped.text
    ended = box.command(id)
    assert ended["reason"] == "container_ended", ended
    output = box.output(id)
    assert (output["stdout"], output["stderr"]) == ("so far\n", "complaint\n"), ended
    platform.delete(name)
    platform.wait_gone(name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_exec_gives_what_was_written_before_the_end(platform: Instance, name: str, runtime: str) -> None:
    box = running(platform, name, runtime, "while [ ! -e /go ]; do sleep 0.1; done")
    done = box.exec("sh", "-c", "echo so far; echo > /go; exec sleep 100000")
    assert done["command"]["reason"] == "container_ended", done
    assert done["stdout"] == "so far\n"
    platform.delete(name)
    platform.wait_gone(name)
