"""AsyncClient: the same as Client for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from . import _image_protocol, _log_stream, _protocol
from ._client import Client
from ._client_base import BaseClient, documented_like, read_events
from ._exceptions import SandboxdError, TransportError
from ._image_protocol import SandboxUsage
from ._images import AsyncImages
from ._models import Event, ExternalInfo, Json, LogLine, NodeInfo, SandboxInfo
from ._retry import RetryPolicy
from ._sse import SseParser

T = TypeVar("T")


class AsyncClient(BaseClient):
    """A connection to a control plane, for asyncio. The same methods and arguments as `Client`, awaited."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        run_dir: str | Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, token, timeout=timeout, retry=retry, run_dir=run_dir)
        self._http = httpx.AsyncClient(transport=transport, **self._options())

    async def _send(self, request: _protocol.Request[T]) -> T:
        attempt, lost = 0, None
        while True:
            attempt += 1
            try:
                try:
                    response = await self._http.request(request.method, request.target, **self._arguments(request))
                except httpx.HTTPError as error:
                    raise self._transport_error(error, f"{request.method} {request.path}") from error
                return self._parse(request, response)
            except SandboxdError as error:
                delay = self._delay(attempt, request, error, lost)
                if delay is None:
                    raise
                lost = error if isinstance(error, TransportError) else lost
            await asyncio.sleep(delay)

    @property
    def images(self) -> AsyncImages:
        """Images of all nodes."""
        return AsyncImages(self)

    @documented_like(Client.health)
    async def health(self) -> bool:
        return await self._send(_protocol.health())

    @documented_like(Client.create_sandbox)
    async def create_sandbox(
        self, spec: Json, id: str | None = None, *, idempotency_key: str | None = None
    ) -> SandboxInfo:
        return await self._send(self._create(spec, id, idempotency_key))

    @documented_like(Client.list_sandboxes)
    async def list_sandboxes(
        self,
        *,
        phase: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        node: str | None = None,
    ) -> list[SandboxInfo]:
        page = await self._send(_protocol.list_sandboxes(_protocol.filter_query("phase", phase, labels, node)))
        return page.items

    @documented_like(Client.iter_sandboxes)
    def iter_sandboxes(
        self,
        *,
        phase: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        node: str | None = None,
        page_size: int = 200,
    ) -> AsyncIterator[SandboxInfo]:
        query = _protocol.filter_query("phase", phase, labels, node)
        return self._pages(lambda cursor: _protocol.list_sandboxes(query, page_size, cursor))

    async def _pages(self, ask: Callable[[str], _protocol.Request[_protocol.Page[T]]]) -> AsyncIterator[T]:
        cursor, is_last = "", False
        while not is_last:
            page = await self._send(ask(cursor))
            for item in page.items:
                yield item
            cursor, is_last = page.next_cursor, not page.next_cursor

    @documented_like(Client.get_sandbox)
    async def get_sandbox(self, id: str) -> SandboxInfo:
        return await self._send(_protocol.get_sandbox(id))

    @documented_like(Client.delete_sandbox)
    async def delete_sandbox(self, id: str) -> None:
        await self._send(_protocol.delete_sandbox(id))

    @documented_like(Client.sandbox_logs)
    async def sandbox_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> list[LogLine]:
        return await self._send(_protocol.sandbox_logs(id, container, tail, since))

    @documented_like(Client.sandbox_usage)
    async def sandbox_usage(self, id: str) -> SandboxUsage:
        return await self._send(_image_protocol.sandbox_usage(id))

    @contextlib.asynccontextmanager
    @documented_like(Client.follow_logs)
    async def follow_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        read_timeout: float | None = 60.0,
    ) -> AsyncIterator[AsyncIterator[LogLine]]:
        try:
            asked = _log_stream.arguments(id, container, tail, since, self._stream_timeout(read_timeout))
            async with self._http.stream(**asked) as response:
                if response.status_code >= 300:
                    body = await response.aread()
                    raise _protocol.parse_error(response.status_code, response.headers, body, f"logs of {id}")
                yield _log_stream.lines_async(response, _log_stream.LogReader(id, container))
        except httpx.HTTPError as error:
            raise self._transport_error(error, f"logs of {id}") from error

    @documented_like(Client.put_node)
    async def put_node(
        self, id: str, ip: str, port: int, labels: Mapping[str, str] | None = None, unschedulable: bool = False
    ) -> NodeInfo:
        return await self._send(_protocol.put_node(id, ip, port, labels, unschedulable))

    @documented_like(Client.list_nodes)
    async def list_nodes(
        self, *, state: str | Sequence[str] = (), labels: Mapping[str, str | None] | None = None
    ) -> list[NodeInfo]:
        page = await self._send(_protocol.list_nodes(_protocol.filter_query("state", state, labels)))
        return page.items

    @documented_like(Client.iter_nodes)
    def iter_nodes(
        self,
        *,
        state: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        page_size: int = 200,
    ) -> AsyncIterator[NodeInfo]:
        query = _protocol.filter_query("state", state, labels)
        return self._pages(lambda cursor: _protocol.list_nodes(query, page_size, cursor))

    @documented_like(Client.get_node)
    async def get_node(self, id: str) -> NodeInfo:
        return await self._send(_protocol.get_node(id))

    @documented_like(Client.put_external)
    async def put_external(self, id: str, node: str, external: str) -> None:
        await self._send(_protocol.put_external(id, node, external))

    @documented_like(Client.list_externals)
    async def list_externals(self) -> list[ExternalInfo]:
        return await self._send(_protocol.list_externals())

    @documented_like(Client.get_external)
    async def get_external(self, id: str) -> ExternalInfo:
        return await self._send(_protocol.get_external(id))

    @documented_like(Client.delete_external)
    async def delete_external(self, id: str) -> None:
        await self._send(_protocol.delete_external(id))

    @contextlib.asynccontextmanager
    @documented_like(Client.watch)
    async def watch(
        self, since: str | None = None, *, sandbox: str | None = None, read_timeout: float | None = 60.0
    ) -> AsyncIterator[AsyncIterator[Event]]:
        try:
            async with self._http.stream(
                "GET", _protocol.WATCH_PATH, **self._watch_arguments(since, sandbox, read_timeout)
            ) as response:
                if response.status_code >= 300:
                    body = await response.aread()
                    raise _protocol.parse_error(response.status_code, response.headers, body, "watch")
                yield self._read_events(response)
        except httpx.HTTPError as error:
            raise self._transport_error(error, "watch") from error

    @staticmethod
    async def _read_events(response: httpx.Response) -> AsyncIterator[Event]:
        parser = SseParser()
        async for chunk in response.aiter_bytes():
            for event in read_events(parser.feed(chunk)):
                yield event

    @documented_like(Client.close)
    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


__all__ = ["AsyncClient"]
