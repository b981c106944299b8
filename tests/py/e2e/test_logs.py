"""Logs of real sandboxes: as they come, by time, from the end, through a restart and a rotation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.instance import Instance
from support.waiting import wait_until

from sandboxd import Client

HANDLERS = ["runsc", "runc"]


def wait_placed(platform: Instance, name: str) -> None:
    """Until a node has it: before that nobody has its log."""
    wait_until(lambda: platform.sandbox(name)["status"]["phase"] != "Pending", f"{name} placed", 30)  # type: ignore[index]


@pytest.mark.parametrize("handler", HANDLERS)
def test_lines_are_followed_as_they_are_written_until_the_sandbox_ends(
    platform: Instance, name: str, handler: str
) -> None:
    script = "for i in 1 2 3; do echo line $i; sleep 0.2; done; echo done >&2"
    platform.create(name, shell=script, runtime=handler)
    wait_placed(platform, name)
    with Client(platform.url) as client, client.follow_logs(name, "main", read_timeout=60) as lines:
        seen = [(line.stream, line.text) for line in lines]
    assert sorted(text for stream, text in seen if stream == "stdout") == ["line 1", "line 2", "line 3"]
    assert ("stderr", "done") in seen


def test_a_follower_sees_a_line_before_the_next_one_is_written(platform: Instance, name: str) -> None:
    platform.create(name, shell="i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done", runtime="runc")
    platform.wait_phase(name, "Running")
    with Client(platform.url) as client:
        with client.follow_logs(name, "main", tail=1) as lines:
            first = int(next(lines).text.split()[1])
            numbers = [int(next(lines).text.split()[1]) for _ in range(5)]
        assert numbers == list(range(first + 1, first + 6))
        assert [line.text for line in client.sandbox_logs(name, "main", tail=2)] != []
        assert len(client.sandbox_logs(name, "main", tail=2)) == 2
        recent = client.sandbox_logs(name, "main", since=timedelta(seconds=1))
        assert 1 <= len(recent) <= 10
        platform.delete(name)


def test_the_command_line_follows_and_stops_with_the_sandbox(platform: Instance, name: str) -> None:
    platform.create(name, shell="echo hello; sleep 1; echo bye", runtime="runc")
    wait_placed(platform, name)
    done = platform.command("logs", name, "main", "--follow", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["hello", "bye"]
    last = platform.command("logs", name, "main", "--tail", "1", timeout=60)
    assert last.stdout.splitlines() == ["bye"]
    wrong = platform.command("logs", name, "--since", "yesterday", timeout=60)
    assert wrong.returncode == 2 and "10m" in wrong.stderr


def test_a_log_that_rotates_is_followed_without_a_hole(platform: Instance, name: str) -> None:
    # About 40 MB: more than two files of 16 MiB.
    line = "x" * 100
    platform.create(name, shell=f"i=0; while [ $i -lt 300000 ]; do i=$((i+1)); echo $i {line}; done", runtime="runc")
    wait_placed(platform, name)
    expected, missing = 1, 0
    with Client(platform.url) as client, client.follow_logs(name, "main", read_timeout=120) as lines:
        for written in lines:
            if written.text.startswith("[sandboxd:"):
                missing += 1
                continue
            number = int(written.text.split()[0])
            if missing == 0:
                assert number == expected
            expected = number + 1
    assert expected == 300001
    assert missing == 0
