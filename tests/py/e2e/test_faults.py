"""Daemons that die, a containerd that is away, a full disk, a second daemon: clear errors, nothing lost or leaked."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
from support import images
from support.instance import Instance, make_spec, wait_page
from support.leak_checker import settle
from support.waiting import wait_until

Make = Callable[..., Instance]
SLEEP = ["/bin/sleep", "6000"]


@pytest.mark.parametrize("role", ["orch", "node", "containerd"])
def test_sandboxes_survive_a_killed_daemon(make_instance: Make, role: str) -> None:
    instance = make_instance().up()
    for number, handler in enumerate(("runc", "runsc")):
        instance.create(f"s{number}", image=images.WEB, ports=(8000,), runtime=handler)
    for number in range(2):
        instance.wait_phase(f"s{number}", "Running")
    before = instance.task_pids()
    instance.kill_and_wait_back(role)
    for number in range(2):
        instance.wait_phase(f"s{number}", "Running")
        port = instance.host_port(f"s{number}")
        assert wait_page(f"http://127.0.0.1:{port}/") == images.PAGE
    assert instance.task_pids() == before
    instance.create("after", args=SLEEP, runtime="runc")
    instance.wait_phase("after", "Running")
    problems = settle(instance)
    assert not problems, problems


def test_a_container_writes_ten_megabytes_while_the_node_agent_is_down(make_instance: Make) -> None:
    """Nothing blocks, nothing is missing afterwards, under both handlers."""
    lines = 100_000  # of 100 bytes
    instance = make_instance().up()
    # The container waits until somebody connects: by then the agent is dead.
    script = f"nc -l -p 8000 >/dev/null; yes {'x' * 99} | head -n {lines}; echo the end; sleep 6000"
    for handler in ("runc", "runsc"):
        instance.create(handler, shell=script, ports=(8000,), runtime=handler, cpu="500m")
        instance.wait_phase(handler, "Running")
    addresses = {handler: (instance.sandbox(handler) or {})["status"]["ip"] for handler in ("runc", "runsc")}
    with instance.held("up"):
        instance.kill("node")
        for address in addresses.values():  # the host reaches its sandboxes' published ports without the agent
            command = ["busybox", "nc", "-w", "2", address, "8000"]
            subprocess.run(command, input=b"go\n", capture_output=True, check=False, timeout=20)
        for handler in addresses:

            def written(handler: str = handler) -> bool:
                sizes = [path.stat().st_size for path in instance.data_dir.rglob("main.log*") if handler in path.parts]
                return sum(sizes) > lines * 100

            wait_until(written, f"10 MB of {handler} in the log while no agent runs", 60)
        assert instance.pid("node") is None
    instance.wait_back()
    for handler in addresses:
        lines_read = instance.log_lines(handler)
        assert len(lines_read) == lines + 1 and lines_read[-1] == "the end"
        assert all(line == "x" * 99 for line in lines_read[:-1])


def test_containerd_away_at_start_of_the_node_and_dying_later(make_instance: Make) -> None:
    instance = make_instance().up()
    instance.create("old", args=SLEEP, runtime="runc")
    instance.wait_phase("old", "Running")
    pids = instance.task_pids()
    with instance.held("up"):
        instance.kill("containerd")
        body = {"id": "new", "spec": make_spec(args=SLEEP)}
        answer = instance.client.post("/api/v1/sandboxes", json=body)
        assert answer.status_code in (201, 429, 503), answer.text
        assert instance.get("/api/v1/sandboxes")["items"], "the API goes on without containerd"
        instance.kill("node")
    instance.wait_back()
    assert instance.task_pids().items() >= pids.items()
    instance.wait_phase("old", "Running")
    if answer.status_code == 201:  # accepted: containerd's absence delays it and does not end it
        instance.wait_phase("new", "Running")
    problems = settle(instance)
    assert not problems, problems


@pytest.mark.parametrize("role", ["orch", "node", "containerd"])
def test_killed_in_the_middle_of_creates_and_deletes(make_instance: Make, role: str) -> None:
    instance = make_instance(runtime="runc").up()
    accepted, deleted = set(), set()
    for number in range(6):
        instance.create(f"old{number}", args=SLEEP)
        accepted.add(f"old{number}")
    for id in accepted:
        instance.wait_phase(id, "Running")
    for number in range(6):
        instance.create(f"new{number}", args=SLEEP)
        accepted.add(f"new{number}")
        instance.delete(f"old{number}")
        deleted.add(f"old{number}")
    instance.kill_and_wait_back(role)
    for id in deleted:
        instance.wait_gone(id)
    for id in accepted - deleted:
        wait_until(lambda id=id: phase_of(instance, id) in ("Running", "Failed"), f"{id} settled", 60)
        assert phase_of(instance, id) == "Running", (instance.sandbox(id) or {})["status"].get("last_error")
    problems = settle(instance)
    assert not problems, problems


def phase_of(instance: Instance, id: str) -> str:
    """Its phase; empty when there is no such sandbox."""
    found = instance.sandbox(id)
    return str(found["status"]["phase"]) if found else ""


def test_a_second_daemon_on_the_same_directories_refuses(make_instance: Make) -> None:
    instance = make_instance().up()
    for role in ("orch", "node"):
        done = instance.command(
            role,
            "--data-dir",
            str(instance.data_dir),
            "--run-dir",
            str(instance.run_dir),
            "--listen",
            "127.0.0.1:0",
            *(["--instance", instance.name, "--subnet-cidr", instance.subnet] if role == "node" else []),
            timeout=60,
        )
        assert done.returncode != 0, done.stdout
        assert "another" in done.stdout + done.stderr and "Traceback" not in done.stderr
    second = instance.command(*instance.up_command()[3:])
    assert second.returncode == 1 and "already runs" in second.stderr
    assert instance.client.get("/healthz").status_code == 200


def test_listener_that_is_not_loopback_needs_a_token(make_instance: Make) -> None:
    instance = make_instance()
    done = instance.command(
        "orch",
        "--data-dir",
        str(instance.data_dir),
        "--run-dir",
        str(instance.run_dir),
        "--listen",
        "0.0.0.0:0",
        timeout=60,
    )
    assert done.returncode != 0 and "token" in done.stdout + done.stderr


def test_a_token_guards_every_route_but_health(make_instance: Make) -> None:
    instance = make_instance()
    instance.environment["SANDBOXD_TOKEN"] = "correct horse"
    instance.client.headers["Authorization"] = "Bearer correct horse"
    instance.up(images_too=False)
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic correct horse"}):
        headers = {"Authorization": "", **header}
        answer = instance.client.get("/api/v1/sandboxes", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
        assert instance.node_client.get("/v1/sandboxes", headers=headers).status_code == 401
    assert instance.client.get("/healthz", headers={"Authorization": ""}).status_code == 200
    assert instance.client.get("/api/v1/sandboxes", headers={"Authorization": "correct horse"}).status_code == 200


def test_a_full_disk_refuses_clearly_and_loses_nothing(make_instance: Make) -> None:
    """The control plane's database is on a small file system that fills up."""
    instance = make_instance()
    small = instance.root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        instance.environment["SANDBOXD_ORCH_DATABASE"] = str(small / "orchestrator.db")
        instance.up()
        acknowledged, refused = [], ""
        spec = make_spec(args=["/bin/sleep", "1" + "0" * 20000], cpu="900")
        for number in range(400):
            answer = instance.client.post("/api/v1/sandboxes", json={"id": f"s{number}", "spec": spec})
            if answer.status_code != 201:
                refused = answer.text
                assert answer.status_code in (500, 503, 507), answer.text
                break
            acknowledged.append(f"s{number}")
        assert "disk" in refused or "full" in refused or "space" in refused, refused
        listed = {item["id"] for item in instance.get("/api/v1/sandboxes")["items"]}
        assert listed == set(acknowledged), "what was refused must not exist, what was acknowledged must"
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        instance.kill_and_wait_back("orch")
        assert {item["id"] for item in instance.get("/api/v1/sandboxes")["items"]} == set(acknowledged)
        instance.create("later", args=SLEEP, runtime="runc")
        instance.wait_phase("later", "Running")
    finally:
        instance.down("--rm")
        subprocess.run(["umount", "-l", small], check=False)


@contextlib.contextmanager
def program_on(port: int = 0) -> Iterator[int]:
    """Another program of the machine that listens on a port, by default one that is free."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", port))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_only_port_is_held_by_another_program(make_instance: Make) -> None:
    """Nothing else can be tried: the sandbox fails and says which port."""
    with program_on() as port:
        environment = {"SANDBOXD_HOST_PORT_MIN": str(port), "SANDBOXD_HOST_PORT_MAX": str(port)}
        instance = make_instance(environment={**environment, "SANDBOXD_HOST_PORT_QUARANTINE": "100ms"}).up()
        instance.create("one", args=SLEEP, ports=(8000,), runtime="runc")
        found = instance.wait_phase("one", "Failed")
        assert found["status"]["last_error"].startswith(f"host port already in use: {port}/tcp (bind: ")
        assert all(f"{port}/tcp" in reason for reason in found["status"]["reasons"])
    problems = settle(instance)
    assert not problems, problems


def test_a_port_that_another_program_holds_is_left_for_the_next(make_instance: Make) -> None:
    instance = make_instance(runtime="runc")
    with program_on(int(instance.environment["SANDBOXD_HOST_PORT_MIN"])) as port:
        instance.up()
        instance.create("one", image=images.WEB, ports=(8000,))
        instance.wait_phase("one", "Running")
        other = instance.host_port("one")
        assert other != port
        assert wait_page(f"http://127.0.0.1:{other}/") == images.PAGE
        problems = settle(instance)
        assert not problems, problems


def test_a_port_that_is_taken_while_its_sandbox_comes_up(make_instance: Make) -> None:
    """Placement and the node's first look found it free; when it is opened another program has it."""
    instance = make_instance(runtime="runc").up()
    probe = {"protocol": "tcp", "port": 8000, "initial_delay_seconds": 8, "period_seconds": 1}
    probe |= {"timeout_seconds": 1, "success_threshold": 1, "failure_threshold": 30}
    instance.create("one", image=images.WEB, ports=(8000,), readiness_probe=probe)
    wait_until(lambda: instance.node_client.get("/v1/sandboxes/one").status_code == 200, "one on its node", 30)
    first = instance.host_port("one")
    with program_on(first):
        instance.wait_phase("one", "Running")
        other = instance.host_port("one")
        assert other != first
        assert wait_page(f"http://127.0.0.1:{other}/") == images.PAGE
    problems = settle(instance)
    assert not problems, problems


def test_stop_signals_end_the_daemons_and_leave_sandboxes_alone(make_instance: Make) -> None:
    """Ctrl-C on a foreground `up`: our daemons stop, sandboxes stay, the next `up` finds them."""
    instance = make_instance(runtime="runc")
    with (instance.root / "up.out").open("wb") as out:
        command = instance.up_command(detach=False)
        process = subprocess.Popen(command, stdout=out, stderr=out, env=instance.env(), start_new_session=True)
        try:
            wait_until(lambda: instance.client.get("/healthz").status_code == 200, "the API", 60)
            instance.wait_ready()
            images.import_into(instance.containerd_socket, instance.root)
            instance.create("one", args=SLEEP)
            instance.wait_phase("one", "Running")
            before = instance.task_pids()
            # A terminal's Ctrl-C goes to the whole process group.
            subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)
            assert process.wait(30) in (0, 130, -signal.SIGINT)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert instance.pid("orch") is None and instance.pid("node") is None
    instance.up(images_too=False)
    instance.wait_phase("one", "Running")
    assert instance.task_pids() == before


def test_a_killed_supervisor_takes_its_daemons_along_and_nothing_else(make_instance: Make) -> None:
    instance = make_instance(runtime="runc").up()
    instance.create("one", args=SLEEP)
    instance.wait_phase("one", "Running")
    before = instance.task_pids()
    instance.kill("up")
    wait_until(lambda: instance.pid("orch") is None and instance.pid("node") is None, "our daemons gone", 30)
    instance.up(images_too=False)
    instance.wait_phase("one", "Running")
    assert instance.task_pids() == before
