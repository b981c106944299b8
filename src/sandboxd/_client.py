"""Client and AsyncClient: the sending loops around _protocol.py."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from . import _log_stream, _protocol
from ._endpoint import Endpoint, find_endpoint
from ._exceptions import ConnectError, RequestTimeout, SandboxdError, TransportError
from ._models import Event, Json, LogLine, NodeInfo, SandboxInfo
from ._retry import RetryPolicy
from ._sse import SseMessage, SseParser

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _documented_like(other: Callable[..., Any]) -> Callable[[F], F]:
    def copy(function: F) -> F:
        function.__doc__ = other.__doc__
        return function

    return copy


class BaseClient:
    """What both clients share: address, headers, limits, reading of answers. No I/O."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        run_dir: str | Path | None = None,
        seed: int | None = None,
    ) -> None:
        self._endpoint: Endpoint = find_endpoint(url, token, run_dir=run_dir)
        self._timeout = timeout
        self._retry = retry if retry is not None else RetryPolicy()
        self._random = random.Random(seed)

    @property
    def url(self) -> str:
        """Address of the control plane, without a trailing slash."""
        return self._endpoint.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _options(self) -> dict[str, Any]:
        headers = {"Accept": "application/json", "User-Agent": "sandboxd-python"}
        if self._endpoint.token:
            headers["Authorization"] = f"Bearer {self._endpoint.token}"
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": httpx.Timeout(self._timeout),
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=64),
            # Proxies of the environment are for the internet: they would swallow loopback and private addresses.
            "trust_env": False,
        }

    def _arguments(self, request: _protocol.Request[Any]) -> dict[str, Any]:
        out: dict[str, Any] = {"params": dict(request.query) or None}
        if request.body is not None:
            out["json"] = request.body
        if request.seconds is not None:
            out["timeout"] = httpx.Timeout(max(request.seconds, self._timeout), connect=self._timeout)
        return out

    def _parse(self, request: _protocol.Request[T], response: httpx.Response) -> T:
        what = f"{request.method} {request.path}"
        if response.status_code >= 300:
            raise _protocol.parse_error(response.status_code, response.headers, response.content, what)
        return request.parse(_protocol.parse_body(response.content, what))

    def _transport_error(self, error: httpx.HTTPError, what: str) -> SandboxdError:
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return ConnectError(
                f"{what}: nobody answers at {self.url} ({self._endpoint.source}). Start the platform with "
                f"`sandboxd up`, or set SANDBOXD_URL."
            )
        if isinstance(error, httpx.TimeoutException):
            return RequestTimeout(f"{what}: no answer within the time limit; the outcome is unknown")
        return TransportError(f"{what}: {str(error) or type(error).__name__}")

    def _stream_timeout(self, read_timeout: float | None) -> httpx.Timeout:
        return httpx.Timeout(self._timeout, read=read_timeout)

    def _watch_arguments(self, since: str | None, sandbox: str | None, read_timeout: float | None) -> dict[str, Any]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if since:
            headers["Last-Event-ID"] = since
        timeout = self._stream_timeout(read_timeout)
        return {"headers": headers, "params": _protocol.watch_query(sandbox), "timeout": timeout}


def _events(messages: Iterator[SseMessage]) -> Iterator[Event]:
    for message in messages:
        event = _protocol.parse_event(message)
        if event is not None:
            yield event


class Client(BaseClient):
    """A connection to a control plane, for blocking code. Thread-safe.

    Without arguments the address is found as `sandboxd._endpoint` says: SANDBOXD_URL, else the file that
    `sandboxd up` wrote, else http://127.0.0.1:8082.

    Args:
        url: address, such as "http://127.0.0.1:8082".
        token: bearer token; not needed on a loopback address without one.
        timeout: seconds that one call may take.
        retry: which calls are repeated; the default repeats reads and refused writes up to three times.
        run_dir: the run directory of the installation meant, when it is not the default one.
        transport: replaces the network, for tests.

    Example:
        with Client() as client:
            for sandbox in client.list_sandboxes():
                print(sandbox.id, sandbox.phase)
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        run_dir: str | Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, token, timeout=timeout, retry=retry, run_dir=run_dir)
        self._http = httpx.Client(transport=transport, **self._options())

    def _send(self, request: _protocol.Request[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                try:
                    response = self._http.request(request.method, request.path, **self._arguments(request))
                except httpx.HTTPError as error:
                    raise self._transport_error(error, f"{request.method} {request.path}") from error
                return self._parse(request, response)
            except SandboxdError as error:
                delay = self._retry.delay(attempt, request.method, error, self._random)
                if delay is None:
                    raise
            time.sleep(delay)

    def health(self) -> bool:
        """Tell whether the control plane answers that it is well."""
        return self._send(_protocol.health())

    def create_sandbox(self, spec: Json, id: str | None = None) -> SandboxInfo:
        """Create a sandbox from a specification in the API's own form; see `Sandbox.create` for the usual way.

        Raises:
            InvalidRequestError: the specification is wrong; the message names the field.
            ConflictError: a sandbox with that id exists.
        """
        return self._send(_protocol.create_sandbox(spec, id))

    def list_sandboxes(self) -> list[SandboxInfo]:
        """List all sandboxes, oldest first."""
        return self._send(_protocol.list_sandboxes())

    def get_sandbox(self, id: str) -> SandboxInfo:
        """Look one sandbox up.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_protocol.get_sandbox(id))

    def delete_sandbox(self, id: str) -> None:
        """Stop and remove a sandbox; returns when that is certain to happen, not when it is done.

        Raises:
            NotFoundError: there is none with that id.
        """
        self._send(_protocol.delete_sandbox(id))

    def sandbox_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> list[LogLine]:
        """Read what the containers of a sandbox wrote, oldest line first.

        Args:
            container: only this one; None means all, with "[<container>] " in front of each line.
            tail: only the last so many lines, as the log counts them (a very long line counts several times).
            since: only lines from this time on; a timedelta counts back from now.

        Raises:
            NotFoundError: no such sandbox or container.
        """
        return self._send(_protocol.sandbox_logs(id, container, tail, since))

    @contextlib.contextmanager
    def follow_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        read_timeout: float | None = 60.0,
    ) -> Iterator[Iterator[LogLine]]:
        """Read what the containers of a sandbox write, as they write it. Ends when the sandbox does.

        Args:
            container: only this one; None means all, with "[<container>] " in front of each line.
            tail: begin with the last so many lines of what is there; None begins with all of it.
            since: begin with lines from this time on; a timedelta counts back from now.
            read_timeout: seconds of complete silence after which RequestTimeout is raised; a server that has nothing
                to say sends a sign of life every 15 seconds.

        Raises:
            NotFoundError: no such sandbox or container.
            TransportError: the stream broke before the sandbox ended.

        Example:
            with client.follow_logs("web", tail=10) as lines:
                for line in lines:
                    print(line.text)
        """
        try:
            asked = _log_stream.arguments(id, container, tail, since, self._stream_timeout(read_timeout))
            with self._http.stream(**asked) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, f"logs of {id}")
                yield _log_stream.lines(response, _log_stream.LogReader(id, container))
        except httpx.HTTPError as error:
            raise self._transport_error(error, f"logs of {id}") from error

    def put_node(
        self, id: str, ip: str, port: int, labels: Mapping[str, str] | None = None, unschedulable: bool = False
    ) -> NodeInfo:
        """Register a node, or replace its address, labels and cordon."""
        return self._send(_protocol.put_node(id, ip, port, labels, unschedulable))

    def list_nodes(self) -> list[NodeInfo]:
        """List all nodes by id."""
        return self._send(_protocol.list_nodes())

    def get_node(self, id: str) -> NodeInfo:
        """Look one node up.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_protocol.get_node(id))

    @contextlib.contextmanager
    def watch(
        self, since: str | None = None, *, sandbox: str | None = None, read_timeout: float | None = 60.0
    ) -> Iterator[Iterator[Event]]:
        """Follow every change of sandboxes and nodes. The stream is open when the block is entered.

        Args:
            sandbox: only changes of the sandbox with this id.
            since: revision of the last event seen; None starts with changes from now on.
            read_timeout: seconds of complete silence after which RequestTimeout is raised.

        Raises:
            WatchExpiredError: `since` is too old; list again and watch from now.
            NotFoundError: the server has no event stream.
        """
        try:
            with self._http.stream(
                "GET", _protocol.WATCH_PATH, **self._watch_arguments(since, sandbox, read_timeout)
            ) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, "watch")
                parser = SseParser()
                yield _events(message for chunk in response.iter_bytes() for message in parser.feed(chunk))
        except httpx.HTTPError as error:
            raise self._transport_error(error, "watch") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
        attempt = 0
        while True:
            attempt += 1
            try:
                try:
                    response = await self._http.request(request.method, request.path, **self._arguments(request))
                except httpx.HTTPError as error:
                    raise self._transport_error(error, f"{request.method} {request.path}") from error
                return self._parse(request, response)
            except SandboxdError as error:
                delay = self._retry.delay(attempt, request.method, error, self._random)
                if delay is None:
                    raise
            await asyncio.sleep(delay)

    @_documented_like(Client.health)
    async def health(self) -> bool:
        return await self._send(_protocol.health())

    @_documented_like(Client.create_sandbox)
    async def create_sandbox(self, spec: Json, id: str | None = None) -> SandboxInfo:
        return await self._send(_protocol.create_sandbox(spec, id))

    @_documented_like(Client.list_sandboxes)
    async def list_sandboxes(self) -> list[SandboxInfo]:
        return await self._send(_protocol.list_sandboxes())

    @_documented_like(Client.get_sandbox)
    async def get_sandbox(self, id: str) -> SandboxInfo:
        return await self._send(_protocol.get_sandbox(id))

    @_documented_like(Client.delete_sandbox)
    async def delete_sandbox(self, id: str) -> None:
        await self._send(_protocol.delete_sandbox(id))

    @_documented_like(Client.sandbox_logs)
    async def sandbox_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> list[LogLine]:
        return await self._send(_protocol.sandbox_logs(id, container, tail, since))

    @contextlib.asynccontextmanager
    @_documented_like(Client.follow_logs)
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

    @_documented_like(Client.put_node)
    async def put_node(
        self, id: str, ip: str, port: int, labels: Mapping[str, str] | None = None, unschedulable: bool = False
    ) -> NodeInfo:
        return await self._send(_protocol.put_node(id, ip, port, labels, unschedulable))

    @_documented_like(Client.list_nodes)
    async def list_nodes(self) -> list[NodeInfo]:
        return await self._send(_protocol.list_nodes())

    @_documented_like(Client.get_node)
    async def get_node(self, id: str) -> NodeInfo:
        return await self._send(_protocol.get_node(id))

    @contextlib.asynccontextmanager
    @_documented_like(Client.watch)
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
            for event in _events(parser.feed(chunk)):
                yield event

    @_documented_like(Client.close)
    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


__all__ = ["AsyncClient", "BaseClient", "Client"]
