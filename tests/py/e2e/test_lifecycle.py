"""Pausing, stopping and starting again real containers, under both runtimes, by the node and by the control plane."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from support import images
from support.instance import Instance, wait_page
from support.leak_checker import settle
from support.waiting import wait_until

RUNTIMES = ["runc", "runsc"]
# Says how many lives its files have seen, and counts while it runs.
COUNTER = (
    "trap 'echo bye; exit 7' TERM; echo x >> /lives; echo life $(wc -l < /lives); "
    "n=0; while true; do n=$((n+1)); echo $n > /count; sleep 0.05; done"
)


@pytest.fixture(scope="module")
def platform() -> Iterator[Instance]:
    made = Instance(runtime="runc")
    try:
        made.up()
        yield made
    finally:
        problems = made.destroy()
        assert not problems, problems


def ask(platform: Instance, id: str, verb: str, query: str = "", status: int = 200) -> dict[str, Any]:
    answer = platform.node_client.post(f"/v1/sandboxes/{id}/{verb}{query}", timeout=60)
    assert answer.status_code == status, f"{verb} {id}: {answer.status_code} {answer.text}\n{platform.log_tail()}"
    return dict(answer.json()["sandbox"]) if status < 300 else {"reason": answer.headers.get("X-Sandboxd-Reason")}


def phase(platform: Instance, id: str) -> str:
    return str(platform.node_get(f"/v1/sandboxes/{id}")["sandbox"]["phase"])


def start(platform: Instance, id: str) -> None:
    ask(platform, id, "start", status=202)
    wait_until(lambda: phase(platform, id) in ("running", "error"), f"{id} runs again", 60)
    assert phase(platform, id) == "running", platform.log_tail()


def counter(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("life") or line == "bye"]


def remove(platform: Instance, id: str) -> None:
    platform.delete(id)
    platform.wait_gone(id)
    problems = settle(platform)
    assert not problems, problems


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_files_survive_a_stop_and_processes_do_not(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, shell=COUNTER, runtime=runtime, cpu="200m")
    platform.wait_phase(name, "Running")
    wait_until(lambda: counter(platform.log_lines(name)) == ["life 1"], "the first life", 20)
    began = time.monotonic()
    stopped = ask(platform, name, "stop", "?grace_seconds=20")
    assert time.monotonic() - began < 15, "its own answer to the signal ends it"
    assert stopped["phase"] == "stopped" and stopped["containers"]["main"]["exitCode"] == 7
    assert settle(platform) == []
    assert ask(platform, name, "stop", status=409)["reason"] == "already_stopped"
    start(platform, name)
    wait_until(lambda: counter(platform.log_lines(name)) == ["life 1", "bye", "life 2"], "the second life", 20)
    assert ask(platform, name, "start", status=409)["reason"] == "already_running"
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_pair_with_a_port_stops_and_starts(platform: Instance, name: str, runtime: str) -> None:
    pair = [
        {"name": box, "image": images.WEB, "args": args, "resource": {"cpu": "150m", "memory": "64Mi"}}
        for box, args in (("web", []), ("side", ["/bin/sh", "-c", COUNTER]))
    ]
    platform.create(name, containers=pair, ports=(8000,), runtime=runtime)
    platform.wait_phase(name, "Running")
    port = platform.host_port(name)
    assert wait_page(f"http://127.0.0.1:{port}")
    wish(platform, name, "stop")
    platform.wait_phase(name, "Stopped")
    assert settle(platform) == []
    wish(platform, name, "start")
    platform.wait_phase(name, "Running")
    assert wait_page(f"http://127.0.0.1:{port}")
    wait_until(lambda: "life 2" in platform.log_lines(name, "side"), "its files", 20)
    assert settle(platform) == []
    remove(platform, name)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_paused_stands_still(platform: Instance, name: str, runtime: str, count: int) -> None:
    ticks = "n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.1; done"
    boxes = [
        {
            "name": f"c{n}",
            "image": images.BOX,
            "args": ["/bin/sh", "-c", ticks],
            "resource": {"cpu": "150m", "memory": "64Mi"},
        }
        for n in range(count)
    ]
    platform.create(name, containers=boxes, runtime=runtime)
    platform.wait_phase(name, "Running")

    def lines() -> list[int]:
        return [len(platform.log_lines(name, box["name"])) for box in boxes]

    wait_until(lambda: min(lines()) > 3, "ticks", 20)
    assert ask(platform, name, "pause")["phase"] == "paused"
    time.sleep(0.3)  # what was written before may still be on its way to the log
    still = lines()
    time.sleep(1)
    assert lines() == still
    assert ask(platform, name, "pause", status=409)["reason"] == "already_paused"
    platform.kill_and_wait_back("node")
    wait_until(lambda: phase(platform, name) == "paused", "still paused", 20)
    assert lines() == still
    assert ask(platform, name, "resume")["phase"] == "running"
    wait_until(lambda: all(now > was for now, was in zip(lines(), still, strict=True)), "more ticks", 20)
    ask(platform, name, "pause")
    began = time.monotonic()
    assert ask(platform, name, "stop")["phase"] == "stopped"
    assert time.monotonic() - began < 10
    start(platform, name)
    ask(platform, name, "pause")
    began = time.monotonic()
    remove(platform, name)
    assert time.monotonic() - began < 12, "a paused one is killed, not waited for"


# --- through the control plane ----------------------------------------------------------------------------------------


def wish(platform: Instance, id: str, verb: str, status: int = 202, **body: Any) -> dict[str, Any]:
    answer = platform.client.post(f"/api/v1/sandboxes/{id}/{verb}", json=body or None)
    assert answer.status_code == status, f"{verb} {id}: {answer.status_code} {answer.text}"
    return dict(answer.json()["sandbox"]) if status == 202 else {"reason": answer.headers.get("X-Sandboxd-Reason")}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_sandbox_stops_at_expiry_and_starts_again(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, shell=COUNTER, runtime=runtime, cpu="200m", ttl_seconds=600, on_expiry="stop")
    platform.wait_phase(name, "Running")
    wait_until(lambda: counter(platform.log_lines(name)) == ["life 1"], "the first life", 20)
    wish(platform, name, "renew", ttl_seconds=1)
    found = platform.wait_phase(name, "Stopped", 30)
    assert "expire_at" not in found["status"]
    assert settle(platform) == []
    started = wish(platform, name, "start")
    assert started["status"]["expire_at"]
    platform.wait_phase(name, "Running")
    wait_until(lambda: counter(platform.log_lines(name))[-1] == "life 2", "the second life", 20)
    remove(platform, name)


def test_wishes_come_true_over_a_kill_of_the_node_agent(platform: Instance, name: str) -> None:
    platform.create(name, image=images.WEB, ports=(8000,), cpu="200m")
    platform.wait_phase(name, "Running")
    port = platform.host_port(name)
    for verb, phase_then in (("pause", "Paused"), ("stop", "Stopped"), ("start", "Running"), ("restart", "Running")):
        wish(platform, name, verb)
        platform.kill_and_wait_back("node")
        platform.wait_phase(name, phase_then, 60)
    assert wait_page(f"http://127.0.0.1:{port}")
    remove(platform, name)


def test_what_a_node_was_asked_for_itself_is_followed(platform: Instance, name: str) -> None:
    platform.create(name, image=images.WEB, ports=(8000,), cpu="200m")
    platform.wait_phase(name, "Running")
    port = platform.host_port(name)
    for verb, phase_then in (("pause", "Paused"), ("resume", "Running"), ("stop", "Stopped"), ("start", "Running")):
        ask(platform, name, verb, status=202 if verb == "start" else 200)
        platform.wait_phase(name, phase_then)
    assert wait_page(f"http://127.0.0.1:{port}")
    ask(platform, name, "stop")
    platform.wait_phase(name, "Stopped")
    platform.kill_and_wait_back("orch")
    platform.kill_and_wait_back("node")
    assert wish(platform, name, "stop", 409)["reason"] == "already_stopped"
    wish(platform, name, "start")
    platform.wait_phase(name, "Running")
    assert platform.host_port(name) == port
    remove(platform, name)


def test_what_cannot_be_is_refused_with_its_reason(platform: Instance, name: str) -> None:
    platform.create(name, args=["/bin/sleep", "600"])
    platform.wait_phase(name, "Running")
    assert wish(platform, name, "start", 409)["reason"] == "already_running"
    assert wish(platform, name, "resume", 409)["reason"] == "not_paused"
    wish(platform, name, "pause")
    assert wish(platform, name, "pause", 409)["reason"] == "already_paused"
    platform.wait_phase(name, "Paused")
    wish(platform, name, "stop")
    platform.wait_phase(name, "Stopped")
    assert wish(platform, name, "stop", 409)["reason"] == "already_stopped"
    assert wish(platform, name, "pause", 409)["reason"] == "not_running"
    for body in ({"ttl_seconds": 0}, {"ttl_seconds": "x"}, {"ttl_seconds": -1}, {"other": 1}):
        wish(platform, name, "renew", 400, **body)
    for verb in ("pause", "resume", "stop", "start", "restart"):
        wish(platform, "nobody", verb, 404)
    wish(platform, "nobody", "renew", 404, ttl_seconds=5)
    remove(platform, name)
