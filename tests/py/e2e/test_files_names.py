"""Files whose names are no UTF-8, through the control plane and the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from support.box import Box
from support.instance import Instance

from sandboxd import AsyncClient, AsyncSandbox, Client, NotFoundError, Sandbox

RUNTIMES = ("runc", "runsc")
RAW = b"bad \xff\xfe\x80%41+&=\xc3\xbc\n"  # and other bytes that a query has a use for
NAME = RAW.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module", params=RUNTIMES)
def box(platform: Instance, request: pytest.FixtureRequest) -> Iterator[Box]:
    id = f"names-{request.param}"
    platform.create(id, args=["sleep", "100000"], cpu="200m", runtime=request.param)
    platform.wait_phase(id, "Running")
    yield Box(platform, id)
    platform.delete(id)
    platform.wait_gone(id)


def test_they_are_written_listed_read_and_removed(box: Box, platform: Instance, tmp_path: Path) -> None:
    with Client(platform.url) as client:
        sandbox = Sandbox.connect(box.id, client=client)
        files = sandbox.files
        files.write(f"/names/{NAME}", b"one")
        # The bytes themselves, as a program inside sees them.
        assert sandbox.commands.run(["sh", "-c", "cd /names && printf %s *"]).output.stdout_raw == RAW
        (listed,) = files.list("/names")
        assert listed.path == NAME
        assert files.read("/names/" + listed.path) == files.read(b"/names/" + RAW) == b"one"
        assert files.stat(PurePosixPath("/names") / NAME).size == 3
        (tmp_path / "local").write_bytes(b"two")
        files.upload(tmp_path / "local", b"/names/" + RAW + b"2")
        files.download(f"/names/{NAME}2", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"two"
        files.rename(f"/names/{NAME}2", b"/names/\xff")
        assert {file.path for file in files.list("/names")} == {NAME, "\udcff"}
        files.mkdir(b"/names/\xfe/deep")
        assert files.exists("/names/\udcfe/deep")
        with files.watch(b"/names/\xfe") as events:
            files.write(b"/names/\xfe/\xfd", b"")
            assert next(event.path for event in events if event.change == "written") == "\udcfd"
        for path in (f"/names/{NAME}", b"/names/\xff", "/names/\udcfe"):
            files.remove(path, recursive=True)
        assert files.list("/names") == []
        with pytest.raises(NotFoundError):
            files.read(b"/names/" + RAW)


def test_asyncio(box: Box, platform: Instance) -> None:
    async def work() -> None:
        async with AsyncClient(platform.url) as client:
            files = (await AsyncSandbox.connect(box.id, client=client)).files
            await files.write(b"/awaited/" + RAW, b"one")
            (listed,) = await files.list("/awaited")
            assert await files.read("/awaited/" + listed.path) == b"one"
            await files.remove(b"/awaited/" + RAW)
            assert await files.list("/awaited") == []

    asyncio.run(work())
