"""What both clients share: address, headers, limits, repeating, reading of answers. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from . import _protocol
from ._endpoint import Endpoint, find_endpoint
from ._exceptions import ConflictError, ConnectError, RequestTimeout, SandboxdError, TransportError
from ._models import Event, Json, SandboxInfo
from ._retry import RetryPolicy
from ._sse import SseMessage

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def documented_like(other: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator: take the docstring of the blocking twin."""

    def copy(function: F) -> F:
        function.__doc__ = other.__doc__
        return function

    return copy


class BaseClient:
    """Base of Client and AsyncClient."""

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

    def _arguments(self, request: _protocol.Request[Any], seconds_max: float | None = None) -> dict[str, Any]:
        out: dict[str, Any] = {"headers": dict(request.headers)}
        if request.body is not None:
            out["json"] = request.body
        if request.content is not None:
            out["content"] = request.content
        if request.seconds is not None:
            out["timeout"] = httpx.Timeout(max(request.seconds, self._timeout), connect=self._timeout)
        if seconds_max is not None:
            out["timeout"] = httpx.Timeout(max(0.001, min(self._timeout, seconds_max)))
        return out

    def _parse(self, request: _protocol.Request[T], response: httpx.Response) -> T:
        what = f"{request.method} {request.path}"
        if response.status_code >= 300:
            raise _protocol.parse_error(response.status_code, response.headers, response.content, what)
        if request.parse_bytes is not None:
            return request.parse_bytes(response.content)
        return request.parse(_protocol.parse_body(response.content, what))

    def _create(self, spec: Json, id: str | None, key: str | None) -> _protocol.Request[SandboxInfo]:
        if key is None:
            key = _protocol.generate_key() if self._retry.attempts > 1 else ""
        return _protocol.create_sandbox(spec, id, key)

    def _delay(
        self, attempt: int, request: _protocol.Request[Any], error: SandboxdError, lost: SandboxdError | None
    ) -> float | None:
        """Seconds until the next try; None to give up with `error`. `lost` is an earlier try without an answer."""
        if lost is not None and isinstance(error, ConflictError):
            # A server that knows no keys calls the work of the lost try a duplicate.
            raise lost
        return self._retry.delay(attempt, request.method, error, self._random, has_key=request.has_key)

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
        opening = self._timeout if read_timeout is None else min(self._timeout, read_timeout)
        return httpx.Timeout(opening, read=read_timeout)

    def _watch_arguments(self, since: str | None, sandbox: str | None, read_timeout: float | None) -> dict[str, Any]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if since:
            headers["Last-Event-ID"] = since
        timeout = self._stream_timeout(read_timeout)
        return {"headers": headers, "params": _protocol.watch_query(sandbox), "timeout": timeout}


def read_events(messages: Iterator[SseMessage]) -> Iterator[Event]:
    for message in messages:
        event = _protocol.parse_event(message)
        if event is not None:
            yield event


__all__ = ["BaseClient", "documented_like", "read_events"]
