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


def test_rm_has_one_time_limit_for_all_and_names_what_is_left(plane: FakeControlPlane) -> None:
    for id in ("a", "b", "c"):
        plane.put(id, "Running")
    plane.takes_time = True
    plane.comment_seconds = 0.02
    done = sandboxd(plane, "rm", "--timeout", "1", "a", "b", "c", "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not gone after 1 s, still being deleted: a, b, c" in done.stderr
    assert "no such sandbox: none" in done.stderr
