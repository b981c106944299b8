"""Server-sent events (WHATWG HTML, section 9.2): bytes in, messages out. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SseMessage:
    id: str
    event: str
    data: str


class SseParser:
    """Feed chunks in any cut; complete messages come out. `last_id` survives messages without an id.

    Raises:
        ValueError: one message exceeds 16 MiB.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = ""
        self._data: list[str] = []
        self._event = ""
        self._size = 0
        self._is_after_cr = False
        self.last_id = ""

    def feed(self, chunk: bytes) -> Iterator[SseMessage]:
        text = self._decoder.decode(chunk)
        if not text:
            return
        starts_with_the_pair = self._is_after_cr and text.startswith("\n")
        self._is_after_cr = text.endswith("\r")
        text = text[1:] if starts_with_the_pair else text
        lines = (self._buffer + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._buffer = lines.pop()
        if len(self._buffer) + self._size > _BYTES_MAX:
            raise ValueError("an event of the stream is larger than 16 MiB")
        for line in lines:
            message = self._line(line)
            if message is not None:
                yield message

    def _line(self, line: str) -> SseMessage | None:
        if not line:
            if not self._data:
                self._event = ""
                return None
            message = SseMessage(self.last_id, self._event or "message", "\n".join(self._data))
            self._data, self._event, self._size = [], "", 0
            return message
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        return None


__all__ = ["SseMessage", "SseParser"]
