"""The command line against a control plane that says what a test wants to hear."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from client.fake_server import FakeControlPlane


def sandboxd(plane: FakeControlPlane, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandboxd", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "SANDBOXD_URL": plane.url},
        check=False,
        timeout=60,
    )


def test_run_ends_at_its_time_limit_whatever_the_stream_says(plane: FakeControlPlane) -> None:
    plane.comment_seconds = 0.02
    done = sandboxd(plane, "run", "--timeout", "1", "--id", "a", "img")
    assert done.returncode == 1 and "not running after 1 s" in done.stderr
    assert plane.sandboxes["a"]["status"]["phase"] == "Pending", "it goes on"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["img"], None),
        (["img", "sleep", "--id", "5"], ["sleep", "--id", "5"]),
        (["img", "--", "--id", "x"], ["--id", "x"]),
        (["img", "--", "ls", "--", "-l"], ["ls", "--", "-l"]),
        (["img", "-x"], ["-x"]),
    ],
)
def test_what_stands_behind_the_image_is_the_command(
    plane: FakeControlPlane, words: list[str], command: list[str] | None
) -> None:
    done = sandboxd(plane, "run", "--detach", "--json", *words)
    container = json.loads(done.stdout)["sandbox"]["spec"]["containers"][0]
    assert done.returncode == 0 and container.get("args") == command


def test_run_passes_restart_policy_allow_list_and_bandwidth(plane: FakeControlPlane) -> None:
    words = ["--restart", "on-failure", "--allow", "203.0.113.0/24:443/tcp", "--allow", "198.51.100.7/32"]
    done = sandboxd(plane, "run", "--detach", "--json", *words, "--bandwidth", "8000", "nginx")
    spec = json.loads(done.stdout)["sandbox"]["spec"]
    assert spec["restart_policy"] == "on_failure"
    assert spec["egress_policy"] == {
        "mode": "allow_list",
        "allow_cidrs": ["203.0.113.0/24:443/tcp", "198.51.100.7/32"],
        "bandwidth_bits_per_second": 8000,
    }
    refused = sandboxd(plane, "run", "--restart", "sometimes", "nginx")
    assert refused.returncode == 2 and "on-failure" in refused.stderr


def test_ps_shows_what_a_sandbox_waits_for_and_why_one_failed(plane: FakeControlPlane) -> None:
    plane.put("waits", "Pending", reasons=["node n1: not enough cpu", "node n2: cordoned"], last_error="old")
    plane.put("new", "Pending", last_error="image pull refused")
    plane.put("failed", "Failed", reasons=["node n1: tried"], last_error="exit code 3")
    containers = [{"name": "a", "phase": "running", "restarts": 2}, {"name": "b", "phase": "creating", "restarts": 1}]
    plane.put("tries", "Running", containers=containers)
    rows = {line.split()[0]: line for line in sandboxd(plane, "ps").stdout.splitlines()}
    assert rows["ID"].rstrip().endswith("REASON")
    assert rows["waits"].rstrip().endswith("node n1: not enough cpu")
    assert rows["new"].rstrip().endswith("image pull refused")
    assert rows["failed"].rstrip().endswith("exit code 3")
    assert rows["tries"].rstrip().endswith("3 restarts")


def test_times_are_written_as_the_api_writes_them(plane: FakeControlPlane) -> None:
    plane.put("a", "Running")
    plane.logs = [
        "2026-11-26T12:40:27.750000001Z stdout F one",
        "2026-11-26T13:40:28+01:00 stdout F two",
        "no time",
    ]
    times = [line["at"] for line in json.loads(sandboxd(plane, "logs", "--json", "a").stdout)]
    assert times == ["2026-11-26T12:40:27.750000Z", "2026-11-26T12:40:28Z", None]
    assert sandboxd(plane, "logs", "-t", "a").stdout.splitlines()[1] == "2026-11-26T12:40:28Z two"


def test_rm_has_one_time_limit_for_all_and_names_what_is_left(plane: FakeControlPlane) -> None:
    for id in ("a", "b", "c"):
        plane.put(id, "Running")
    plane.takes_time = True
    plane.comment_seconds = 0.02
    done = sandboxd(plane, "rm", "--timeout", "1", "a", "b", "c", "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not gone after 1 s, still being deleted: a, b, c" in done.stderr
    assert "no such sandbox: none" in done.stderr
