"""A command's terminal over a WebSocket, spoken by hand: no client of ours between."""

from __future__ import annotations

import json

import pytest
from support.attach import Socket
from support.box import Box
from support.instance import Instance


@pytest.mark.parametrize("runtime", ["runc", "runsc"])
def test_a_terminal_takes_input_sizes_and_detaching(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, args=["sleep", "100000"], runtime=runtime)
    platform.wait_phase(name, "Running")
    box = Box(platform, name)
    id = box.start("sh", "-c", "read a; echo got $a; read b; echo then $b; exit 9", terminal={"rows": 5, "columns": 40})
    path = f"{box.path}/commands/{id}/attach"
    first = Socket(platform.node_port, path)
    first.send(0, b"one\n")
    seen = b""
    while b"got one" not in seen:
        seen += first.receive()[1]
    first.close()
    second = Socket(platform.node_port, path)
    again = b""
    while b"got one" not in again:
        again += second.receive()[1]
    second.send(3, json.dumps({"resize": {"rows": 9, "columns": 50}}).encode())
    second.send(0, b"two\n")
    messages = []
    while not messages or messages[-1][0] != -1:
        messages.append(second.receive())
    assert b"then two" in b"".join(data for kind, data in messages if kind == 1)
    last = json.loads(next(data for kind, data in messages if kind == 3))
    assert last["command"]["exit_code"] == 9
    second.close()
    platform.delete(name)
    platform.wait_gone(name)
