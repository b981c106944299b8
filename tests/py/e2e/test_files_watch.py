"""Files that are watched, through the control plane and the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from support.box import Box
from support.instance import Instance

from sandboxd import AsyncClient, AsyncSandbox, Client, FileEvent, NotFoundError, Sandbox, TransportError

RUNTIMES = ("runc", "runsc")


@pytest.fixture(scope="module", params=RUNTIMES)
def box(platform: Instance, request: pytest.FixtureRequest) -> Iterator[Box]:
    id = f"watch-{request.param}"
    platform.create(id, args=["sleep", "100000"], cpu="200m", runtime=request.param)
    platform.wait_phase(id, "Running")
    yield Box(platform, id)
    if platform.sandbox(id) is not None:
        platform.delete(id)
    platform.wait_gone(id)


def watch(client: Client, box: Box, path: str, **how: bool) -> AbstractContextManager[Iterator[FileEvent]]:
    return Sandbox.connect(box.id, client=client).files.watch(path, **how)


def take_until(events: Iterator[FileEvent], change: str, path: str) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    for event in events:
        seen.append((event.change, event.path))
        if seen[-1] == (change, path):
            break
    return seen


def test_changes_come_as_they_happen(box: Box, platform: Instance) -> None:
    box.exec("mkdir", "-p", "/watched/deep")
    with Client(platform.url) as client:
        files = Sandbox.connect(box.id, client=client).files
        with files.watch("/watched") as events:
            box.exec("sh", "-c", "echo 1 > /watched/deep/a")
            seen = take_until(events, "written", "deep/a")
            assert ("created", "deep/a") in seen
            box.exec("busybox", "mv", "/watched/deep/a", "/watched/b")
            seen = take_until(events, "created", "b")
            assert ("renamed", "deep/a") in seen
            box.exec("busybox", "rm", "/watched/b")
            take_until(events, "removed", "b")


def test_one_directory_only(box: Box, platform: Instance) -> None:
    box.exec("mkdir", "-p", "/flat/deep")
    with Client(platform.url) as client, watch(client, box, "/flat", recursive=False) as events:
        box.exec("sh", "-c", "touch /flat/deep/unseen; touch /flat/seen")
        assert all("unseen" not in path for _, path in take_until(events, "created", "seen"))


def test_asyncio(box: Box, platform: Instance) -> None:
    async def watch() -> str:
        async with AsyncClient(platform.url) as client:
            sandbox = await AsyncSandbox.connect(box.id, client=client)
            await sandbox.files.mkdir("/awaited")
            async with sandbox.files.watch("/awaited") as events:
                await sandbox.files.write("/awaited/x", b"1")
                async for event in events:
                    return event.change
        return ""

    assert asyncio.run(asyncio.wait_for(watch(), 30))


def test_what_is_not_there_is_told(box: Box, platform: Instance) -> None:
    with Client(platform.url) as client:
        files = Sandbox.connect(box.id, client=client).files
        with pytest.raises(NotFoundError), files.watch("/no/such"):
            pass
    answer = box.http.get(f"{box.path}/files/watch")
    assert answer.status_code == 400
    answer = box.http.get(f"{box.path}/files/watch", params={"path": "/", "recursive": "perhaps"})
    assert answer.status_code == 400


def test_every_file_of_many_is_told(box: Box) -> None:
    box.exec("mkdir", "-p", "/many")
    with box.http.stream("GET", f"{box.path}/files/watch", params={"path": "/many"}) as response:
        lines = response.iter_lines()
        assert json.loads(next(lines)) == {"change": "watching"}
        box.exec("sh", "-c", "for i in $(seq 300); do echo > /many/$i; done")
        created: set[str] = set()
        for line in lines:
            event = json.loads(line)
            assert event["change"] != "overflow"
            if event["change"] == "created":
                created.add(event["path"])
            if (event["change"], event["path"]) == ("written", "300"):
                break
    assert created == {str(i) for i in range(1, 301)}


def test_it_ends_with_its_sandbox(box: Box, platform: Instance) -> None:
    with Client(platform.url) as client, Sandbox.connect(box.id, client=client).files.watch("/tmp") as events:
        platform.delete(box.id)
        with pytest.raises(TransportError):
            for _ in events:
                pass
