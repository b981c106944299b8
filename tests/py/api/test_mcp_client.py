"""The official MCP client against our server, which serves three tools of its own (tests/cpp/support/mcp_demo.cpp)."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def address() -> Iterator[str]:
    """Where the server listens; it ends well when its input does."""
    found = sorted(ROOT.glob("build/**/orch_api/mcp_demo"), key=lambda path: path.stat().st_mtime)
    assert found, "no mcp_demo in build/: build the target mcp_demo"
    with subprocess.Popen([str(found[-1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1/mcp"
        server.stdin.close()
        assert server.wait(20) == 0


async def talk(address: str) -> dict[str, object]:
    """One session, from hello to goodbye."""
    said: dict[str, object] = {}
    async with streamable_http_client(address) as streams, ClientSession(streams[0], streams[1]) as session:
        hello = await session.initialize()
        said["server"] = (hello.server_info.name, hello.server_info.version, hello.instructions)
        await session.send_ping()
        said["tools"] = [tool.name for tool in (await session.list_tools()).tools]
        added = await session.call_tool("add", {"a": 2, "b": 40})
        said["add"] = (added.is_error, added.content[0].text)  # type: ignore[union-attr]
        refused = await session.call_tool("refuse", {})
        said["refuse"] = (refused.is_error, refused.content[0].text)  # type: ignore[union-attr]
        for name, arguments in (("nothing", {}), ("add", {"a": 1})):
            with pytest.raises(Exception, match=r"unknown tool|missing properties") as failure:
                await session.call_tool(name, arguments)
            said[f"{name} fails"] = type(failure.value).__name__
        said["prompts"] = (await session.list_prompts()).prompts
        said["resources"] = (await session.list_resources()).resources
    return said


def test_the_official_client_is_served(address: str) -> None:
    assert asyncio.run(asyncio.wait_for(talk(address), 60)) == {
        "server": ("opensbx", "1.0.0", "Be brief."),
        "tools": ["add", "refuse", "wait"],
        "add": (False, '{"sum":42}'),
        "refuse": (True, "sandbox not found"),
        "nothing fails": "MCPError",
        "add fails": "MCPError",
        "prompts": [],
        "resources": [],
    }


async def give_up(address: str) -> list[tuple[float, str | None]]:
    """Progress of a call that never ends, until it is given up. The session goes on."""
    seen: list[tuple[float, str | None]] = []
    enough = asyncio.Event()

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        seen.append((progress, message))
        if len(seen) == 3:
            enough.set()

    async with streamable_http_client(address) as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        call = asyncio.create_task(session.call_tool("wait", {}, progress_callback=progressed))
        await enough.wait()
        call.cancel()  # the client tells the server
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not (await session.call_tool("add", {"a": 1, "b": 2})).is_error
    return seen


def test_a_call_tells_its_progress_and_can_be_given_up(address: str) -> None:
    seen = asyncio.run(asyncio.wait_for(give_up(address), 60))
    assert seen[0] == (0, "wait: 0 s")  # told every 20 ms
