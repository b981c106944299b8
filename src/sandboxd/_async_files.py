"""Files of a sandbox, for asyncio: the same as _files.py, awaited. Local files are read and written in a thread."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from . import _guest_protocol as wire
from . import _protocol
from ._client_base import documented_like
from ._exceptions import NotFoundError
from ._files import PIECE_BYTES, Files, mode_text
from ._guest_models import FileEvent, FileInfo
from ._guest_protocol import RemotePath

if TYPE_CHECKING:
    from ._async_client import AsyncClient


class AsyncFiles:
    """`sandbox.files`: files inside the sandbox. As `Files`, awaited."""

    def __init__(self, client: AsyncClient, sandbox: str) -> None:
        self._client = client
        self._sandbox = sandbox

    @documented_like(Files.read)
    async def read(
        self,
        path: RemotePath,
        *,
        offset: int = 0,
        length: int | None = None,
        user: str | None = None,
        container: str | None = None,
    ) -> bytes:
        query = wire.file_query(path, user, container, offset=offset or None, length=length)
        return await self._client._send(wire.read_file(self._sandbox, query))

    @documented_like(Files.read_text)
    async def read_text(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> str:
        return (await self.read(path, user=user, container=container)).decode()

    @documented_like(Files.write)
    async def write(
        self,
        path: RemotePath,
        data: bytes | str,
        *,
        mode: int | None = None,
        parents: bool = True,
        user: str | None = None,
        container: str | None = None,
    ) -> FileInfo:
        raw = data.encode() if isinstance(data, str) else data
        query = wire.file_query(path, user, container, mode=mode_text(mode), parents=parents)
        return await self._client._send(wire.write_file(self._sandbox, query, raw))

    @documented_like(Files.upload)
    async def upload(
        self, local: str | Path, path: RemotePath, *, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        source = await asyncio.to_thread(Path(local).open, "rb")
        with source:
            status = os.fstat(source.fileno())

            async def pieces() -> AsyncIterator[bytes]:
                while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
                    yield piece

            query = wire.file_query(path, user, container, mode=mode_text(status.st_mode & 0o777), parents=True)
            request = wire.write_file(self._sandbox, query, b"")
            try:
                response = await self._client._http.request(
                    request.method,
                    request.target,
                    content=pieces(),
                    headers={"Content-Length": str(status.st_size)},
                    timeout=self._client._stream_timeout(None),
                )
            except httpx.HTTPError as error:
                raise self._client._transport_error(error, f"upload of {local}") from error
        return self._client._parse(request, response)

    @documented_like(Files.download)
    async def download(
        self, path: RemotePath, local: str | Path, *, user: str | None = None, container: str | None = None
    ) -> None:
        what = f"download of {wire.shown(path)}"
        query = wire.file_query(path, user, container)
        target = Path(local)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                timeout = self._client._stream_timeout(None)
                url = wire.file_target(query, self._sandbox)
                async with self._client._http.stream("GET", url, timeout=timeout) as response:
                    if response.status_code >= 300:
                        body = await response.aread()
                        raise _protocol.parse_error(response.status_code, response.headers, body, what)
                    async for chunk in response.aiter_bytes():
                        await asyncio.to_thread(out.write, chunk)
            Path(name).replace(target)
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error
        finally:
            Path(name).unlink(missing_ok=True)

    @documented_like(Files.list)
    async def list(
        self, path: RemotePath = "/", *, depth: int = 1, user: str | None = None, container: str | None = None
    ) -> list[FileInfo]:
        query = wire.file_query(path, user, container, depth=depth)
        return await self._client._send(wire.list_files(self._sandbox, query))

    @documented_like(Files.stat)
    async def stat(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> FileInfo:
        return await self._client._send(wire.stat_file(self._sandbox, wire.file_query(path, user, container)))

    @documented_like(Files.exists)
    async def exists(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> bool:
        try:
            await self.stat(path, user=user, container=container)
        except NotFoundError as error:
            if "sandbox not found" in str(error):
                raise
            return False
        return True

    @documented_like(Files.remove)
    async def remove(
        self, path: RemotePath, *, recursive: bool = False, user: str | None = None, container: str | None = None
    ) -> None:
        query = wire.file_query(path, user, container, recursive=recursive)
        await self._client._send(wire.remove_file(self._sandbox, query))

    @documented_like(Files.mkdir)
    async def mkdir(
        self, path: RemotePath, *, mode: int | None = None, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        query = wire.file_query(path, user, container, mode=mode_text(mode))
        return await self._client._send(wire.make_directory(self._sandbox, query))

    @documented_like(Files.rename)
    async def rename(
        self, path: RemotePath, to: RemotePath, *, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        return await self._client._send(wire.rename_file(self._sandbox, wire.file_query(path, user, container, to=to)))

    @asynccontextmanager
    @documented_like(Files.watch)
    async def watch(
        self, path: RemotePath, *, recursive: bool = True, user: str | None = None, container: str | None = None
    ) -> AsyncIterator[AsyncIterator[FileEvent]]:
        what = f"watch of {wire.shown(path)}"
        query = wire.file_query(path, user, container, recursive=recursive)
        url = wire.file_target(query, self._sandbox, "watch")
        timeout = self._client._stream_timeout(None)
        try:
            async with self._client._http.stream("GET", url, timeout=timeout) as response:
                if response.status_code >= 300:
                    body = await response.aread()
                    raise _protocol.parse_error(response.status_code, response.headers, body, what)
                yield wire.file_events_async(response.aiter_bytes(), what)
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error


__all__ = ["AsyncFiles"]
