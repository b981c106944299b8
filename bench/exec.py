"""What a command and a file cost, at the node and through the control plane, against what the sandbox itself needs.

    sudo python bench/exec.py [--rounds 300] [--handlers runc,runsc] [--megabytes 100] [--only FIGURE,...]

Everything is asked of a real sandbox, through the control plane (`api`, the port that users have) and at its node.

- `true`: POST .../exec of `true` with a distinct argument on a kept-alive connection; floors, each of the same round:
  `run`, what the agent measured for this very process, from before its fork until it was reaped (`run_ns` of the
  answer); `inside`, a program in the sandbox that spawns `true` and waits for it; and `spawn`, only the fork and exec
  of this process (`spawn_ns`). Aim: at most 1.5 ms more than `run` and than `inside`.
- `at_once`: until 20 parallel ones are all answered; floor, in turn: a program inside that starts 20 and waits for
  them. Aim: 1.5 times.
- `bytes`: a command's output (in frames as the SDK takes it, and `output_json`), a file up and a file down; floor, in
  turn: the same over a second agent's channel that ends at guestlink (`exec_channel.py`; `agent_channel_host.cpp`,
  target `bench_agent_channel_host`). Aim: 0.6 (`of_channel`). Beside it (`of_socket`) a unix socket with nothing on it
  between a program inside and one on the host (`agent_channel.cpp`, target `bench_agent_channel`). With what each
  daemon worked for a MiB.
- `log`: from a write inside to its first byte at a client that follows. Aim: 5 ms.
- `ready`: how long after the start of a new sandbox's task (containerd's event, which only runc's shim sends) it is
  Running, which its agent has greeted for by then, and what its first exec takes; and how long after the first line of
  its own command. Aim: 10 ms to be ready.
- `leftovers`: processes, descriptors, threads and memory of both daemons and of the sandbox before and after 1,000.

Results go to bench/results/. Root; builds on the tests' own instance helper.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from datetime import UTC, datetime
from typing import IO, Any

from cluster import write_results
from exec_parts import Door, Inside, all_at_once, percentiles, read_answer, weight
from exec_speed import log_delay, throughput
from support.instance import Instance  # exec_parts knows where

PARALLEL = 20
FIGURES = ("true", "at_once", "bytes", "log", "ready", "leftovers")
MAIN = {
    "name": "main",
    "image": "sandboxd.test/box:1",
    "args": ["sleep", "100000"],
    "resource": {"cpu": "1500m", "memory": "512Mi", "ephemeral_storage": "1Gi"},
}


def one_by_one(door: Door, inside: Inside, rounds: int) -> dict[str, Any]:
    """Milliseconds of each exec over HTTP, of its floors, and of what is between."""
    taken: dict[str, list[float]] = {"exec": [], "run": [], "inside": [], "spawn": []}
    for number in range(rounds + 20):
        request = door.exec_request("/bin/true", str(number))
        before = time.perf_counter()
        door.kept.sendall(request)
        done = json.loads(read_answer(door.kept))
        took = (time.perf_counter() - before) * 1e3
        assert (done["command"]["exit_code"], done["command"]["argv"][1]) == (0, str(number))
        now = {"exec": took, "run": done["run_ns"] / 1e6, "inside": inside.spawns(1), "spawn": done["spawn_ns"] / 1e6}
        if number >= 20:
            for name, value in now.items():
                taken[name].append(value)
    out: dict[str, Any] = {f"{name}_ms": percentiles(values) for name, values in taken.items()}
    for name in ("run", "inside", "spawn"):
        over = [all - floor for all, floor in zip(taken["exec"], taken[name], strict=True)]
        out[f"over_{name}_ms"] = percentiles(over)
    return out


def at_once(doors: dict[str, Door], inside: Inside, rounds: int) -> dict[str, Any]:
    """Milliseconds until 20 parallel execs are answered, and of 20 spawns inside, in turn."""
    connections = {name: [door.connect() for _ in range(PARALLEL)] for name, door in doors.items()}
    taken: dict[str, list[float]] = {"spawns": []}
    for number in range(rounds + 2):
        now = {"spawns": inside.spawns(PARALLEL)}
        for name, door in doors.items():
            words = [f"{number}-{one}" for one in range(PARALLEL)]
            requests = [door.exec_request("/bin/echo", word) for word in words]
            took, answers = all_at_once(connections[name], requests)
            assert [json.loads(answer)["stdout"].strip() for answer in answers] == words
            now[name] = took * 1e3
        if number >= 2:
            for name, value in now.items():
                taken.setdefault(name, []).append(value)
    out: dict[str, Any] = {name: percentiles(values) for name, values in taken.items()}
    for name in doors:
        ratios = [ours / floor for ours, floor in zip(taken[name], taken["spawns"], strict=True)]
        out[f"{name}_of_floor"] = percentiles(ratios, 2)
    return out


def _next_start(events: IO[str]) -> float:
    """Unix time of containerd's next event for the start of a task."""
    for line in events:
        if " /tasks/start " in line:
            day, clock, fraction = re.match(r"(\S+) ([\d:]+)\.(\d+)", line).groups()  # type: ignore[union-attr]
            second = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            return second.timestamp() + float(f"0.{fraction}")
    raise AssertionError("containerd's events ended")


def _at_node(instance: Instance, door: Door) -> dict[str, Any]:
    """A sandbox as its node shows it; nothing before the node has heard of it."""
    return dict(instance.node_client.get(door.path).json().get("sandbox", {}))


def readiness(instance: Instance, handler: str, rounds: int) -> dict[str, Any]:
    """Milliseconds from the start of a sandbox to Running at its node, and of its first exec."""
    command = ["ctr", "-a", str(instance.containerd_socket), "-n", "k8s.io", "events"]
    taken: dict[str, list[float]] = {"after_start_ms": [], "after_first_line_ms": [], "first_exec_ms": []}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:
        for number in range(rounds):
            id = f"ready-{handler}-{number}"
            instance.create(id, shell="echo up; exec sleep 100000", runtime=handler, cpu="400m")
            door = Door(instance.node_port, f"/v1/sandboxes/{id}")
            deadline = time.monotonic() + 30
            while (found := _at_node(instance, door)).get("phase") != "running":
                assert time.monotonic() < deadline, found
            before = time.perf_counter()
            door.exec("/bin/true", str(number))
            taken["first_exec_ms"].append((time.perf_counter() - before) * 1e3)
            at_running = datetime.fromisoformat(found["startedAt"]).timestamp()
            if handler == "runc":
                assert events.stdout is not None
                taken["after_start_ms"].append((at_running - _next_start(events.stdout)) * 1e3)
            taken["after_first_line_ms"].append((at_running - _first_line(instance, id)) * 1e3)
            instance.delete(id)
            instance.wait_gone(id)
        events.terminate()
    return {name: percentiles(values) for name, values in taken.items() if values}


def _first_line(instance: Instance, id: str) -> float:
    """Unix time at which the first line of a sandbox's output was read."""
    deadline = time.monotonic() + 10
    while not (lines := instance.get(f"/api/v1/sandboxes/{id}/logs")["logs"]["lines"]):
        assert time.monotonic() < deadline, "no output"
    stamp = next(word for word in lines[0].split() if word[:2] == "20")
    return datetime.fromisoformat(stamp).timestamp()


def leftovers(instance: Instance, door: Door, calls: int) -> dict[str, Any]:
    """What the daemons and the sandbox hold before and after so many execs."""

    def look() -> dict[str, Any]:
        pids = {role: instance.pid(role) for role in ("node", "orch")}
        (task,) = instance.task_pids().values()
        held = {role: weight(pid) for role, pid in {**pids, "sandbox": task}.items() if pid}
        held["inside"] = {"processes": len(door.call("GET", "/processes")["items"])}
        held["commands"] = {"kept": len(door.call("GET", "/commands")["items"])}
        return held

    for number in range(calls // 2):
        door.exec("/bin/echo", str(number))
    before = look()
    for number in range(calls):
        assert door.exec("/bin/echo", str(number))["stdout"] == f"{number}\n"
    time.sleep(1)  # what is forgotten after an answer
    after = look()
    drift = {name: {key: after[name][key] - value for key, value in held.items()} for name, held in before.items()}
    return {"calls": calls, "before": before, "drift": drift}


def measure(instance: Instance, handler: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one handler."""
    id = f"bench-{handler}"
    instance.create(id, containers=[MAIN], runtime=handler)
    instance.wait_phase(id, "Running")
    node = Door(instance.node_port, f"/v1/sandboxes/{id}")
    api = Door(instance.orch_port, f"/api/v1/sandboxes/{id}")
    opensbx = Door(instance.orch_port, f"/v1/sandboxes/{id}")
    doors = {"api": api, "node": node}
    out: dict[str, Any] = {}
    with Inside(instance, node) as inside:
        for figure in arguments.only.split(","):
            if figure == "true":
                out[figure] = {name: one_by_one(door, inside, arguments.rounds) for name, door in doors.items()}
            elif figure == "at_once":
                out[figure] = at_once(doors, inside, max(10, arguments.rounds // 10))
            elif figure == "bytes":
                pids = {role: pid for role in ("node", "orch") if (pid := instance.pid(role))}
                out[figure] = throughput(doors, inside, pids, arguments.megabytes, arguments.transfers)
            elif figure == "log":
                out[figure] = log_delay(api, opensbx, 50)
            elif figure == "ready":
                out[figure] = readiness(instance, handler, 10)
            else:
                # The kept connection may have been idle for too long by now.
                out[figure] = leftovers(instance, Door(api.port, api.path), 1000)
            print(handler, figure, json.dumps(out[figure]), flush=True)
    instance.delete(id)
    instance.wait_gone(id)
    return out


def main() -> None:
    """Measure each handler and print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--transfers", type=int, default=5)
    parser.add_argument("--handlers", default="runc,runsc")
    parser.add_argument("--only", default=",".join(FIGURES))
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    instance = Instance()
    try:
        instance.up()
        for handler in arguments.handlers.split(","):
            results[handler] = measure(instance, handler, arguments)
    finally:
        instance.destroy()
    write_results("exec", results)


if __name__ == "__main__":
    main()
