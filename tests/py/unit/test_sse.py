"""Server-sent events in any cut."""

from __future__ import annotations

import pytest

from sandboxd._sse import SseMessage, SseParser

STREAM = (
    "retry: 1000\n: hello\n\nid: 7\nevent: sandbox_put\ndata: {\ndata: }\n\nid: 8\ndata:x\n\ndata: ä\r\n\r\n".encode()
)
MESSAGES = [SseMessage("7", "sandbox_put", "{\n}"), SseMessage("8", "message", "x"), SseMessage("8", "message", "ä")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_do_not_depend_on_how_the_bytes_are_cut(size: int) -> None:
    parser = SseParser()
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [message for chunk in chunks for message in parser.feed(chunk)] == MESSAGES


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_ending_of_the_standard_is_understood(ending: str) -> None:
    parser = SseParser()
    text = f"id: 1{ending}data: a{ending}data: b{ending}{ending}data: next{ending}".encode()
    found = [message for byte in text for message in parser.feed(bytes([byte]))]
    assert found == [SseMessage("1", "message", "a\nb")]


def test_comments_and_empty_messages_are_not_events() -> None:
    parser = SseParser()
    assert list(parser.feed(b": keep alive\n\nevent: x\n\n")) == []
    assert next(iter(parser.feed(b"data: y\n\n"))).event == "message"


def test_an_endless_message_is_an_error_instead_of_eating_the_memory() -> None:
    parser = SseParser()
    with pytest.raises(ValueError, match="16 MiB"):
        for _ in range(20):
            list(parser.feed(b"data: " + b"x" * 1024 * 1024 + b"\n"))
