"""Opensbx with `opensbx_strict`: the original's answers also where they hide what went wrong, on real containers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from support import images
from support.instance import Instance
from support.opensbx import Box, Opensbx

NONE = "Key: 'FileWriteRequest.Content' Error:Field validation for 'Content' failed on the 'required' tag"
FILES = [
    ("GET", "/files", None),
    ("PUT", "/files", {"content": "x"}),
    ("DELETE", "/files", None),
    ("GET", "/files/list", None),
]


@pytest.fixture(scope="module", params=["runsc", "runc"])
def api(request: pytest.FixtureRequest) -> Iterator[Opensbx]:
    """A strict platform."""
    instance = Instance(runtime=request.param, environment={"SANDBOXD_OPENSBX_STRICT": "true"})
    try:
        instance.up()
        yield Opensbx(instance)
    finally:
        problems = instance.destroy()
        assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture(scope="module")
def box(api: Opensbx) -> Iterator[Box]:
    """A running sandbox that tests leave as it was."""
    made = api.create(images.BOX)
    yield made
    made.delete()


def test_what_a_paused_sandbox_cannot_do_is_the_daemons_error(box: Box) -> None:
    box.call("POST", "/pause", 200)
    text = f"Error response from daemon: container {box.id} is paused, unpause the container before exec"
    box.error("POST", "/cmd", 500, "INTERNAL_ERROR", text, {"command": "true"})
    for method, route, body in FILES:
        box.error(method, route, 500, "INTERNAL_ERROR", text, body, path="/tmp/x")
    box.error("POST", "/pause", 409, "CONFLICT", "sandbox is already paused")
    box.call("POST", "/resume", 200)
    assert box.run("true")["exit_code"] == 0


def test_files_of_a_stopped_sandbox_are_the_daemons_error(api: Opensbx) -> None:
    box = api.create(images.BOX)
    box.call("POST", "/stop", 200)
    box.error("POST", "/cmd", 409, "CONFLICT", "sandbox is not running", {"command": "true"})
    for method, route, body in FILES:
        text = f"Error response from daemon: container {box.id} is not running"
        box.error(method, route, 500, "INTERNAL_ERROR", text, body, path="/tmp/x")
    box.delete()
    for method, route, body in FILES:
        box.error(method, route, 404, "NOT_FOUND", "sandbox not found", body, path="/tmp/x")


def test_what_is_wrong_with_a_file_is_not_told(box: Box) -> None:
    for path in ("/no/such", "/tmp", "/no/such/../file"):
        assert box.call("GET", "/files", 200, path=path).json() == {"path": path, "content": ""}
    assert box.call("GET", "/files/list", 200, path="/no/such").json() == {"path": "/no/such", "output": ""}
    for path in ("/tmp", "/etc/passwd/below"):
        written = box.call("PUT", "/files", 200, {"content": "x"}, path=path).json()
        assert written == {"path": path, "status": "written"}
    assert box.run("test", "-d", "/tmp")["exit_code"] == 0
    box.call("DELETE", "/files", 204, path="/etc/passwd/below")
    box.call("PUT", "/files", 200, {"content": "text"}, path="/tmp/real")
    assert box.call("GET", "/files", 200, path="/tmp/real").json()["content"] == "text"


def test_an_empty_file_is_written_by_the_tool_alone(api: Opensbx, box: Box) -> None:
    box.error("PUT", "/files", 400, "BAD_REQUEST", NONE, {"content": ""}, path="/tmp/empty")

    async def write() -> str:
        async with (
            streamable_http_client(api.instance.url + "/v1/mcp") as streams,
            ClientSession(streams[0], streams[1]) as mcp,
        ):
            await mcp.initialize()
            done = await mcp.call_tool("file_write", {"sandbox_id": box.id, "path": "/tmp/empty", "content": ""})
            return str(done.content[0].text)  # type: ignore[union-attr]

    assert asyncio.run(asyncio.wait_for(write(), 60)) == '{"path":"/tmp/empty","status":"written"}'
    assert box.run("test", "-e", "/tmp/empty")["exit_code"] == 0


def test_images_are_sandboxes_that_are_not_found(api: Opensbx, box: Box) -> None:
    for method in ("GET", "DELETE"):
        api.error(method, "/images/no-such:1", 404, "NOT_FOUND", "sandbox not found")
    used = api.call("DELETE", f"/images/{images.BOX}", 500).json()
    assert used["code"] == "INTERNAL_ERROR" and used["message"]
    bad = api.call("POST", "/images/pull", 500, {"image": "Not A Reference"}).json()
    assert bad["code"] == "INTERNAL_ERROR" and bad["message"].startswith("pull Not A Reference: ")
    assert box.run("true")["exit_code"] == 0
