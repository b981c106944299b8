"""The MCP server of the Opensbx dialect, through the official client, on real sandboxes."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from support import fake_registry, images
from support.fake_registry import make_repository
from support.images import BOX
from support.instance import Instance
from support.opensbx import open_streams
from support.waiting import wait_until

TOOLS = [
    "command_exec",
    "command_get",
    "command_kill",
    "command_list",
    "command_logs",
    "file_delete",
    "file_list",
    "file_read",
    "file_write",
    "image_delete",
    "image_get",
    "image_list",
    "image_pull",
    "sandbox_create",
    "sandbox_delete",
    "sandbox_get",
    "sandbox_list",
    "sandbox_network_get",
    "sandbox_pause",
    "sandbox_renew_expiration",
    "sandbox_restart",
    "sandbox_resume",
    "sandbox_start",
    "sandbox_stats",
    "sandbox_stop",
    "system_health",
]

Call = Callable[..., Awaitable[Any]]


async def session_with(platform: Instance, work: Callable[[ClientSession, Call], Awaitable[None]]) -> None:
    async with (
        streamable_http_client(platform.url + "/v1/mcp") as streams,
        ClientSession(streams[0], streams[1]) as mcp,
    ):
        await mcp.initialize()

        async def call(name: str, **arguments: Any) -> Any:
            """The tool's result, or its error as text."""
            done = await mcp.call_tool(name, arguments)
            text = done.content[0].text  # type: ignore[union-attr]
            return text if done.is_error else json.loads(text)

        await work(mcp, call)


def talk(platform: Instance, work: Callable[[ClientSession, Call], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(session_with(platform, work), 200))


def test_all_tools_are_there(platform: Instance) -> None:
    async def work(mcp: ClientSession, call: Call) -> None:
        listed = (await mcp.list_tools()).tools
        assert [tool.name for tool in listed] == TOOLS
        assert all(tool.input_schema["additionalProperties"] is False for tool in listed)

    talk(platform, work)


def test_a_model_works_in_a_sandbox(platform: Instance) -> None:
    async def work(mcp: ClientSession, call: Call) -> None:
        assert await call("system_health") == {"status": "healthy"}
        assert any(BOX in image["tags"] for image in (await call("image_list"))["images"])
        assert (await call("image_get", id=BOX))["os"] == "linux"
        made = await call("sandbox_create", image=BOX, ports=["8000"], env=["WORD=hello"])
        id = made["id"]
        assert made["ports"] == ["8000/tcp"] and (await call("sandbox_get", id=id))["running"] is True
        assert id in [item["id"] for item in (await call("sandbox_list"))["sandboxes"]]

        wrote = await call("file_write", sandbox_id=id, path="/tmp/new/a b.txt", content="")
        assert wrote == {"path": "/tmp/new/a b.txt", "status": "written"}
        await call("file_write", sandbox_id=id, path="/tmp/new/a b.txt", content="text")
        assert (await call("file_read", sandbox_id=id, path="/tmp/new/a b.txt"))["content"] == "text"
        assert "a b.txt" in (await call("file_list", sandbox_id=id, path="/tmp/new"))["output"]
        assert "etc" in (await call("file_list", sandbox_id=id, path=""))["output"]
        assert await call("file_delete", sandbox_id=id, path="/tmp/new") == {"status": "deleted"}

        script = 'echo "$WORD $MORE"; pwd; exit 3'
        done = (
            await call(
                "command_exec",
                sandbox_id=id,
                command="sh",
                args=["-c", script],
                cwd="/tmp",
                env={"MORE": "more"},
                wait=True,
            )
        )["command"]
        assert done["exit_code"] == 3 and done["args"] == ["-c", script]
        logs = await call("command_logs", sandbox_id=id, command_id=done["id"])
        assert logs == {"stdout": "hello more\n/tmp\n", "stderr": "", "exit_code": 3}
        slow = (await call("command_exec", sandbox_id=id, command="sleep", args=["600"]))["command"]
        assert "exit_code" not in slow and slow["id"] != done["id"]
        await call("command_kill", sandbox_id=id, command_id=slow["id"], signal=9)
        ended = (await call("command_get", sandbox_id=id, command_id=slow["id"], wait=True))["command"]
        assert ended["exit_code"] == 137
        assert [one["id"] for one in (await call("command_list", id=id))["commands"]] == [done["id"], slow["id"]]

        assert (await call("sandbox_stats", id=id))["memory"]["limit"] == 1 << 30
        assert (await call("sandbox_network_get", id=id))["main_port"] == "8000/tcp"
        assert await call("sandbox_renew_expiration", id=id, timeout=500) == {"status": "renewed", "timeout": 500}
        assert await call("sandbox_pause", id=id) == {"status": "paused"}
        assert await call("sandbox_pause", id=id) == "sandbox is already paused"
        assert await call("sandbox_resume", id=id) == {"status": "resumed"}
        assert await call("sandbox_stop", id=id) == {"status": "stopped"}
        assert (await call("sandbox_start", id=id))["status"] == "started"
        assert (await call("sandbox_restart", id=id))["status"] == "restarted"
        assert await call("sandbox_delete", id=id) == {"status": "deleted"}
        assert await call("sandbox_get", id=id) == "sandbox not found"

    talk(platform, work)


def test_models_can_read_how_it_works(platform: Instance) -> None:
    async def work(mcp: ClientSession, call: Call) -> None:
        listed = (await mcp.list_resources()).resources
        assert {str(one.uri): one.name for one in listed} == {
            "opensbx://docs/how-it-works": "opensbx-how-it-works",
            "opensbx://docs/quickstart": "opensbx-quickstart",
        }
        assert (await mcp.list_resource_templates()).resource_templates == []
        for one in listed:
            (content,) = (await mcp.read_resource(one.uri)).contents
            assert content.mime_type == "text/markdown"
            text = content.text  # type: ignore[union-attr]
            tools = set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) - {"sandbox_id", "exit_code"}
            assert tools and tools <= set(TOOLS)
        with pytest.raises(MCPError) as unknown:
            await mcp.read_resource("opensbx://docs/nothing")
        assert (unknown.value.code, unknown.value.data) == (-32002, {"uri": "opensbx://docs/nothing"})

        (prompt,) = (await mcp.list_prompts()).prompts
        assert prompt.name == "sandbox_workflow"
        assert [(one.name, bool(one.required)) for one in prompt.arguments or []] == [
            ("goal", True),
            ("sandbox_id", False),
        ]
        for arguments, sandbox in (({"goal": "build it"}, "<create_one_first>"), ({"sandbox_id": "abc"}, "abc")):
            (said,) = (await mcp.get_prompt("sandbox_workflow", arguments)).messages
            assert said.role == "user"
            text = said.content.text  # type: ignore[union-attr]
            assert sandbox in text and arguments.get("goal", "") in text
        with pytest.raises(MCPError, match='unknown prompt "nothing"'):
            await mcp.get_prompt("nothing")

    talk(platform, work)


def test_a_call_that_waits_tells_so_and_can_be_given_up(platform: Instance) -> None:
    async def work(mcp: ClientSession, call: Call) -> None:
        id = (await call("sandbox_create", image=BOX))["id"]
        progress: list[float] = []
        enough = asyncio.Event()

        async def progressed(seconds: float, _total: float | None, message: str | None) -> None:
            assert message == f"command_exec: {int(seconds)} s"
            progress.append(seconds)
            if len(progress) == 2:
                enough.set()

        arguments = {"sandbox_id": id, "command": "sleep", "args": ["600"], "wait": True}
        waiting = asyncio.create_task(mcp.call_tool("command_exec", arguments, progress_callback=progressed))
        await enough.wait()
        assert progress == sorted(set(progress)) and open_streams(platform) >= 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # Only the waiting ends, as when a client of the HTTP routes leaves; the command goes on.
        (command,) = (await call("command_list", id=id))["commands"]
        assert "exit_code" not in command
        await call("command_kill", sandbox_id=id, command_id=command["id"], signal=9)
        await call("sandbox_delete", id=id)

    before = open_streams(platform)
    talk(platform, work)
    wait_until(lambda: open_streams(platform) == before, "the stream of the call that was given up to end", 20)


def test_a_pull_tells_its_bytes(platform: Instance) -> None:
    gate = threading.Event()
    # A layer of its own: one that is unpacked already is not fetched again.
    repository = make_repository(layer=images.root_layer({"mcp": b"1"}), gate=gate)
    size = len(repository.blobs[repository.layer])
    told: list[tuple[float, float | None, str | None]] = []

    async def progressed(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))
        if total:
            gate.set()  # the rest comes once the client knows how much it will be

    async def work(mcp: ClientSession, call: Call) -> None:
        pulled = await mcp.call_tool("image_pull", {"image": reference}, progress_callback=progressed)
        assert not pulled.is_error, pulled
        await call("image_delete", id=reference)

    with fake_registry.serving() as registry:
        reference = registry.add("team/told", repository)
        talk(platform, work)
    in_bytes = [one for one in told if one[1]]
    assert in_bytes and all(total == size and 0 <= done <= size for done, total, _ in in_bytes), told
    assert f"pulling {reference}: " in str(in_bytes[0][2])
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told}), "it only grows"


def test_what_is_wrong_is_told_in_the_originals_words(platform: Instance) -> None:
    async def work(mcp: ClientSession, call: Call) -> None:
        assert await call("sandbox_get", id="") == "id is required"
        assert await call("sandbox_get", id="nobody") == "sandbox not found"
        assert await call("sandbox_create", image="nothing:here") == "image not found locally"
        assert await call("command_get", sandbox_id="x", command_id="") == "sandbox_id and command_id are required"
        assert await call("sandbox_renew_expiration", id="x", timeout=0) == "timeout must be > 0"
        with pytest.raises(Exception, match="missing properties"):
            await mcp.call_tool("file_list", {"sandbox_id": "x"})
        with pytest.raises(Exception, match="unexpected additional properties"):
            await mcp.call_tool("sandbox_get", {"id": "x", "more": 1})

    talk(platform, work)
