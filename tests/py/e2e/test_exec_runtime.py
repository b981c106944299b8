"""Commands in sandboxes without the in-sandbox agent: the container runtime starts them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from support.attach import Socket
from support.box import Box
from support.instance import Instance
from support.waiting import wait_until

from sandboxd import Client, Sandbox

RUNTIMES = ("runc", "runsc")


@pytest.fixture(scope="module", params=RUNTIMES)
def box(platform: Instance, request: pytest.FixtureRequest) -> Iterator[Box]:
    id = f"bare-{request.param}"
    platform.create(id, args=["sleep", "100000"], cpu="200m", runtime=request.param, agent=False)
    platform.wait_phase(id, "Running")
    yield Box(platform, id)
    platform.delete(id)
    platform.wait_gone(id)


def test_a_command_runs_to_its_end(box: Box) -> None:
    done = box.exec("sh", "-c", "echo out; echo err >&2; exit 3")
    assert done["command"]["exit_code"] == 3
    assert (done["stdout"], done["stderr"]) == ("out\n", "err\n")


def test_environment_directory_and_user(box: Box) -> None:
    done = box.exec("sh", "-c", "echo $A $BUILT; pwd; id -u; id -g", env={"A": "b c"}, cwd="/tmp", user="nobody")
    assert done["stdout"] == "b c yes\n/tmp\n65534\n65534\n", done
    assert "0000000000000000" in box.exec("grep", "CapEff", "/proc/self/status", user="nobody")["stdout"]
    assert "nobody-knows" in box.exec("true", status=400, user="nobody-knows")["error"]


def test_what_cannot_be_run_ends_like_in_a_shell(box: Box) -> None:
    missing = box.exec("/no/such")
    assert missing["command"]["exit_code"] == 127, missing
    assert "/no/such" in missing["stderr"]
    assert box.exec("nosuchprogram")["command"]["exit_code"] == 127
    refused = box.exec("/etc/passwd")
    assert refused["command"]["exit_code"] == 126, refused


def test_stdin_of_an_exec(box: Box) -> None:
    done = box.exec("sh", "-c", "read a; echo $a; wc -c", input="first\n" + "x" * 200000)
    assert done["stdout"] == "first\n200000\n", done


def test_a_record_and_its_output(box: Box) -> None:
    id = box.start("sh", "-c", "echo one; echo two >&2; sleep 0.2; exit 5")
    assert box.command(id)["exit_code"] == 5
    output = box.output(id)
    assert (output["stdout"], output["stderr"]) == ("one\n", "two\n")
    assert any(one["id"] == id for one in box.http.get(f"{box.path}/commands").json()["items"])
    assert box.http.delete(f"{box.path}/commands/{id}").status_code == 204


def test_a_signal_ends_it(box: Box) -> None:
    id = box.start("sleep", "1000")
    answer = box.http.post(f"{box.path}/commands/{id}/signal", json={"signal": 15, "wait_ms": 10000})
    assert answer.status_code == 200, answer.text
    assert answer.json()["command"]["exit_code"] == 143, answer.text
    assert box.http.post(f"{box.path}/commands/{id}/signal", json={"signal": 9}).status_code == 409


def test_a_time_limit_kills_it(box: Box) -> None:
    before = time.monotonic()
    done = box.exec("sleep", "1000", timeout_ms=500)
    assert done["command"]["timed_out"] is True
    assert done["command"]["exit_code"] == 137
    assert time.monotonic() - before < 20


def test_a_descendant_that_keeps_the_pipes_does_not_hold_it_up(box: Box) -> None:
    before = time.monotonic()
    assert box.exec("sh", "-c", "sleep 60 & echo started")["stdout"] == "started\n"
    assert time.monotonic() - before < 20


def test_more_output_than_a_pipe_holds(box: Box) -> None:
    done = box.exec("sh", "-c", "head -c 300000 /dev/zero | busybox tr '\\0' x")
    assert done["stdout"] == "x" * 300000


def test_attached_to_a_terminal(box: Box, platform: Instance) -> None:
    id = box.start("sh", "-c", "read a; echo got $a; busybox stty size; exit 4", terminal={"rows": 5, "columns": 40})
    socket = Socket(platform.node_port, f"{box.path}/commands/{id}/attach")
    socket.send(3, json.dumps({"resize": {"rows": 9, "columns": 50}}).encode())
    socket.send(0, b"one\n")
    messages = []
    while not messages or messages[-1][0] != -1:
        messages.append(socket.receive())
    socket.close()
    seen = b"".join(data for kind, data in messages if kind == 1)
    assert b"got one" in seen
    assert b"9 50" in seen
    last = json.loads(next(data for kind, data in messages if kind == 3))
    assert last["command"]["exit_code"] == 4


def test_the_sdk_runs_it_too(box: Box, platform: Instance) -> None:
    with Client(platform.url) as client:
        done = Sandbox.connect(box.id, client=client).commands.run(["sh", "-c", "cat; echo e >&2; exit 2"], stdin=b"in")
        assert (done.exit_code, done.stdout, done.stderr) == (2, "in", "e\n")


def test_files_say_what_they_need(box: Box) -> None:
    answer = box.http.get(f"{box.path}/files", params={"path": "/etc/passwd"})
    assert answer.status_code == 501
    assert '"agent": true' in answer.json()["error"]


def test_what_runs_when_the_node_agent_ends_is_ended(box: Box, platform: Instance) -> None:
    id = box.start("sh", "-c", "echo said; exec sleep 4321")
    platform.kill_and_wait_back("node")
    ended = box.command(id)
    assert (ended["exit_code"], ended["reason"]) == (-1, "node_restarted")
    wait_until(lambda: "sleep 4321" not in box.exec("ps", "-o", "args")["stdout"], "the process ended", 30)
