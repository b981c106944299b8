"""The command line against a control plane that says what a test wants to hear."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_rm_has_one_time_limit_for_all_and_names_what_is_left(plane: FakeControlPlane) -> None:
    for id in ("a", "b", "c"):
        plane.put(id, "Running")
    plane.takes_time = True
    plane.comment_seconds = 0.02
    done = sandboxd(plane, "rm", "--timeout", "1", "a", "b", "c", "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not gone after 1 s, still being deleted: a, b, c" in done.stderr
    assert "no such sandbox: none" in done.stderr
