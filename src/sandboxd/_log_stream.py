"""Logs that are followed: an answer of server-sent events in, lines out, for both clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx

from . import _protocol
from ._exceptions import TransportError
from ._models import LogJoiner, LogLine
from ._sse import SseMessage, SseParser


def arguments(
    id: str, container: str | None, tail: int | None, since: datetime | timedelta | None, timeout: httpx.Timeout
) -> dict[str, Any]:
    """What httpx's stream() is given."""
    return {
        "method": "GET",
        "url": _protocol.logs_path(id, container),
        "headers": {"Accept": "text/event-stream", "Cache-Control": "no-store"},
        "params": {**_protocol.logs_query(tail, since), "follow": "true"},
        "timeout": timeout,
    }


class LogReader:
    """Turns the bytes of such an answer into lines. Pure.

    Raises:
        TransportError: the server says that the stream broke.
    """

    def __init__(self, id: str, container: str | None) -> None:
        self.is_over = False
        self._id = id
        self._prefixed = container is None
        self._joiner = LogJoiner()
        self._parser = SseParser()

    def broken(self) -> TransportError:
        return TransportError(f"logs of {self._id}: the stream ended before the sandbox did")

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        for message in self._parser.feed(chunk):
            if self.is_over:
                return
            yield from self._lines(message)

    def _lines(self, message: SseMessage) -> list[LogLine]:
        data = json.loads(message.data)
        if message.event == "end":
            self.is_over = True
            return self._joiner.rest()
        if message.event == "error":
            raise TransportError(f"logs of {self._id}: {data.get('error')}")
        prefix = f"[{data['container']}] " if self._prefixed else ""
        line = self._joiner.feed(prefix + data["line"])
        return [] if line is None else [line]


def lines(response: httpx.Response, reader: LogReader) -> Iterator[LogLine]:
    """Until the sandbox ends.

    Raises:
        TransportError: the stream broke before.
    """
    for chunk in response.iter_bytes():
        yield from reader.feed(chunk)
        if reader.is_over:
            return
    raise reader.broken()


async def lines_async(response: httpx.Response, reader: LogReader) -> AsyncIterator[LogLine]:
    """As lines()."""
    async for chunk in response.aiter_bytes():
        for line in reader.feed(chunk):
            yield line
        if reader.is_over:
            return
    raise reader.broken()
