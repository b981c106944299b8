"""Sandbox and AsyncSandbox against a control plane that changes its mind."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from client.fake_server import FakeControlPlane

from sandboxd import (
    AsyncClient,
    AsyncSandbox,
    Client,
    ConflictError,
    NotFoundError,
    Sandbox,
    SandboxFailedError,
    SandboxInfo,
    WaitTimeoutError,
)

PORTS = {"assigned_ports": [{"host_port": 10001, "container_port": 80, "protocol": "tcp"}]}
FORMS = ["blocking", "async"]


def wait_running(plane: FakeControlPlane, form: str, timeout: float = 10.0, id: str = "a") -> SandboxInfo:
    """wait_running() in either form, so that every scenario is tried with both."""
    if form == "blocking":
        with Client(plane.url) as client:
            return Sandbox.connect(id, client=client).wait_running(timeout).info

    async def scenario() -> SandboxInfo:
        async with AsyncClient(plane.url) as client:
            return (await (await AsyncSandbox.connect(id, client=client)).wait_running(timeout)).info

    return asyncio.run(scenario())


def in_background(function: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
    thread.start()
    return thread


@pytest.mark.parametrize("form", FORMS)
def test_running_is_learned_from_the_stream_without_polling(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending")

    def change() -> None:
        plane.wait_for_streams(1)
        plane.put("b", "Running")
        plane.put("a", "Scheduled")
        plane.put("a", "Running", **PORTS)

    thread = in_background(change)
    info = wait_running(plane, form)
    thread.join()
    assert info.phase == "Running" and info.ports[0].host_port == 10001
    reads = [path for method, path, _ in plane.requests if path == "/api/v1/sandboxes/a"]
    assert len(reads) <= 2  # connect() and the one look after the stream was opened


@pytest.mark.parametrize("form", FORMS)
def test_a_change_before_the_stream_was_opened_is_not_missed(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Running")
    assert wait_running(plane, form).is_running


@pytest.mark.parametrize("form", FORMS)
def test_a_broken_stream_is_resumed_where_it_stopped(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending")
    plane.break_streams_after = 1

    def change() -> None:
        plane.wait_for_reads("a", 2)
        plane.put("a", "Scheduled")
        plane.put("b", "Pending")
        plane.put("a", "Running")

    thread = in_background(change)
    assert wait_running(plane, form).is_running
    thread.join()
    assert plane.watch_headers == [None, "2", "3"]


@pytest.mark.parametrize("form", FORMS)
def test_a_resumption_that_is_too_old_starts_over_with_a_look(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending")
    plane.break_streams_after = 1

    def change() -> None:
        plane.wait_for_reads("a", 2)
        plane.oldest_revision = 100
        plane.put("a", "Scheduled")
        plane.wait_for_streams(2)
        plane.oldest_revision = 0
        plane.put("a", "Running")

    thread = in_background(change)
    assert wait_running(plane, form).is_running
    thread.join()
    assert plane.watch_headers[:2] == [None, "2"] and None in plane.watch_headers[2:]


@pytest.mark.parametrize("form", FORMS)
def test_a_server_without_the_stream_is_polled(plane: FakeControlPlane, form: str) -> None:
    plane.has_watch = False
    plane.put("a", "Pending")
    timer = threading.Timer(0.2, plane.put, ("a", "Running"))
    timer.start()
    assert wait_running(plane, form).is_running
    timer.join()


@pytest.mark.parametrize("form", FORMS)
def test_failure_carries_the_reason_and_the_last_lines(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Failed", last_error="container main exited with code 3", reasons=["node n1: tried"])
    plane.logs = [f"2026-01-02T03:04:05.000000001Z stderr F line {number}" for number in range(50)]
    with pytest.raises(SandboxFailedError) as caught:
        wait_running(plane, form)
    assert caught.value.last_error == "container main exited with code 3"
    assert [line.text for line in caught.value.logs][-1] == "line 49" and len(caught.value.logs) == 20
    for part in ("exited with code 3", "line 49", "node n1: tried"):
        assert part in str(caught.value)
    assert caught.value.sandbox is not None and caught.value.sandbox.phase == "Failed"


@pytest.mark.parametrize("form", FORMS)
def test_a_deletion_meanwhile_is_a_failure(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending")

    def change() -> None:
        plane.wait_for_streams(1)
        plane.remove("a")

    thread = in_background(change)
    with pytest.raises(SandboxFailedError, match="was deleted"):
        wait_running(plane, form)
    thread.join()


@pytest.mark.parametrize("form", FORMS)
def test_the_time_limit_is_kept(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending", reasons=["node n1: not enough cpu"])
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match=r"Pending(.|\n)*not enough cpu"):
        wait_running(plane, form, timeout=0.4)
    assert 0.35 < time.monotonic() - began < 2.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("comment_seconds", [0.02, 0.5])
def test_keep_alives_do_not_prolong_the_time_limit(plane: FakeControlPlane, form: str, comment_seconds: float) -> None:
    plane.put("a", "Pending")
    plane.comment_seconds = comment_seconds
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="not running after 1"):
        wait_running(plane, form, timeout=1.0)
    assert 0.95 < time.monotonic() - began < 2.5
    assert len(plane.watch_headers) < 12, "the stream is not opened again with each keep-alive"


@pytest.mark.parametrize("form", FORMS)
def test_a_change_after_many_keep_alives_is_seen(plane: FakeControlPlane, form: str) -> None:
    plane.put("a", "Pending")
    plane.comment_seconds = 0.02

    def change() -> None:
        plane.wait_for_comments(20)
        plane.put("a", "Running")

    thread = in_background(change)
    assert wait_running(plane, form).is_running
    thread.join()


def test_the_time_limit_of_a_deletion_is_kept(plane: FakeControlPlane) -> None:
    plane.put("a", "Deleting")
    plane.comment_seconds = 0.02
    began = time.monotonic()
    with Client(plane.url) as client, pytest.raises(WaitTimeoutError, match=r"not gone after 0\.5 s"):
        Sandbox.connect("a", client=client).wait_deleted(0.5)
    assert 0.45 < time.monotonic() - began < 2.0


@pytest.mark.parametrize("has_watch", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_a_control_plane_that_does_not_answer_does_not_prolong_it(
    plane: FakeControlPlane, form: str, has_watch: bool
) -> None:
    plane.put("a", "Pending")
    plane.has_watch = has_watch

    async def wait_async() -> None:
        async with AsyncClient(plane.url) as client:
            sandbox = await AsyncSandbox.connect("a", client=client)
            plane.is_deaf = True
            await sandbox.wait_running(1.0)

    def wait_blocking() -> None:
        with Client(plane.url) as client:
            sandbox = Sandbox.connect("a", client=client)
            plane.is_deaf = True
            sandbox.wait_running(1.0)

    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="not running after 1 s"):
        wait_blocking() if form == "blocking" else asyncio.run(wait_async())
    assert 0.95 < time.monotonic() - began < 3.0


def test_a_restart_of_the_control_plane_is_outlasted(plane: FakeControlPlane) -> None:
    plane.put("a", "Pending")
    with Client(plane.url) as client:
        sandbox = Sandbox.connect("a", client=client)
        plane.refuse_next = [(503, {})] * 4
        timer = threading.Timer(0.3, plane.put, ("a", "Running"))
        timer.start()
        assert sandbox.wait_running(10).phase == "Running"
        timer.join()


def test_create_sends_the_spec_and_the_handle_deletes_at_the_end(plane: FakeControlPlane) -> None:
    with Client(plane.url) as client:
        with Sandbox.create("img", ports=[80], lifetime=60, id="a", client=client) as sandbox:
            assert sandbox.id in plane.sandboxes and sandbox.phase == "Pending"
            assert sandbox.info.spec["ttl_seconds"] == 60
            with pytest.raises(ConflictError):
                Sandbox.create("img", id="a", client=client)
        assert plane.sandboxes == {}
        sandbox.delete()
        sandbox.wait_deleted(5)


def test_a_wrong_lifetime_is_refused_before_anything_is_sent(plane: FakeControlPlane) -> None:
    async def create_async() -> None:
        async with AsyncClient(plane.url) as client:
            await AsyncSandbox.create("img", lifetime=-1, client=client)

    with Client(plane.url) as client, pytest.raises(ValueError, match="lifetime"):
        Sandbox.create("img", lifetime=0, client=client)
    with pytest.raises(ValueError, match="lifetime"):
        asyncio.run(create_async())
    assert plane.requests == []


def test_the_handle_deletes_after_an_exception_too(plane: FakeControlPlane) -> None:
    with Client(plane.url) as client, pytest.raises(ZeroDivisionError), Sandbox.create("img", client=client):
        raise ZeroDivisionError
    assert plane.sandboxes == {}


def test_a_sandbox_that_somebody_else_deleted_is_no_error_at_the_end(plane: FakeControlPlane) -> None:
    with Client(plane.url) as client, Sandbox.create("img", id="a", client=client):
        plane.remove("a")


def test_the_environment_names_the_control_plane(plane: FakeControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOXD_URL", plane.url + "/")
    monkeypatch.setenv("SANDBOXD_TOKEN", "t0ken")
    with Sandbox.create("img") as sandbox:
        assert sandbox.refresh().phase == "Pending"
    assert all(headers["Authorization"] == "Bearer t0ken" for _, _, headers in plane.requests)
    with pytest.raises(NotFoundError):
        Sandbox.connect("a")


def test_ports_and_addresses(plane: FakeControlPlane) -> None:
    plane.put("a", "Running", **PORTS)
    with Client(plane.url) as client:
        sandbox = Sandbox.connect("a", client=client)
        assert sandbox.ports == {80: 10001}
        assert sandbox.url(80) == "http://127.0.0.1:10001"  # where the control plane was reached
        with pytest.raises(KeyError, match="port 81"):
            sandbox.url(81)
        plane.put("a", "Running", external="box.example", **PORTS)
        sandbox.refresh()
        assert sandbox.url(80, "https") == "https://box.example:10001"
        plane.put("a", "Running", node_name="n1", external="(none)", **PORTS)
        sandbox.refresh()
        assert sandbox.url(80) == "http://10.1.2.3:10001"  # the node's own address


def test_many_async_sandboxes_wait_at_once(plane: FakeControlPlane) -> None:
    async def one(client: AsyncClient, number: int) -> str:
        async with await AsyncSandbox.create("img", id=f"s{number}", client=client) as sandbox:
            plane.put(sandbox.id, "Running")
            return (await sandbox.wait_running(10)).phase

    async def scenario() -> list[str]:
        async with AsyncClient(plane.url) as client:
            return await asyncio.gather(*(one(client, number) for number in range(20)))

    assert asyncio.run(scenario()) == ["Running"] * 20
    assert plane.sandboxes == {}


def test_cancelling_an_async_wait_is_prompt_and_is_no_timeout(plane: FakeControlPlane) -> None:
    plane.put("a", "Pending")

    async def scenario() -> None:
        async with AsyncClient(plane.url) as client:
            sandbox = await AsyncSandbox.connect("a", client=client)
            task = asyncio.create_task(sandbox.wait_running(60))
            await asyncio.to_thread(plane.wait_for_streams, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    began = time.monotonic()
    asyncio.run(scenario())
    assert time.monotonic() - began < 5
