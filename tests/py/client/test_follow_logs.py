"""Following a log: lines, pieces, the end, and what breaks."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandboxd import AsyncClient, Client, NotFoundError
from sandboxd._exceptions import TransportError
from sandboxd._models import LogLine

FORMS = ["blocking", "async"]
URL = "http://127.0.0.1:1"


def event(text: str, container: str = "web", tag: str = "F", stream: str = "stdout") -> str:
    line = f"2026-01-02T03:04:05.000000001Z {stream} {tag} {text}"
    return f"data: {json.dumps({'container': container, 'line': line})}\n\n"


END = "event: end\ndata: {}\n\n"


def follow(form: str, answer: httpx.Response, asked: list[httpx.Request] | None = None, **how: object) -> list[LogLine]:
    """Every line of sandbox `a`'s log, when the server answers this."""

    def handle(request: httpx.Request) -> httpx.Response:
        (asked if asked is not None else []).append(request)
        return answer

    if form == "blocking":
        with (
            Client(URL, transport=httpx.MockTransport(handle)) as client,
            client.follow_logs("a", **how) as lines,  # type: ignore[arg-type]
        ):
            return list(lines)

    async def read() -> list[LogLine]:
        async with (
            AsyncClient(URL, transport=httpx.MockTransport(handle)) as client,
            client.follow_logs("a", **how) as lines,  # type: ignore[arg-type]
        ):
            return [line async for line in lines]

    return asyncio.run(read())


@pytest.mark.parametrize("form", FORMS)
def test_lines_come_with_their_container_until_the_end(form: str) -> None:
    body = ": keep-alive\n\n" + event("one") + event("two", "db", stream="stderr") + END + event("after the end")
    lines = follow(form, httpx.Response(200, text=body))
    assert [(line.text, line.stream) for line in lines[:2]] == [("[web] one", "stdout"), ("[db] two", "stderr")]


@pytest.mark.parametrize("form", FORMS)
def test_pieces_of_a_long_line_are_joined(form: str) -> None:
    body = event("a", tag="P") + event("other", stream="stderr") + event("b") + event("last", tag="P") + END
    lines = follow(form, httpx.Response(200, text=body), container="web")
    assert [line.text for line in lines] == ["other", "ab", "last"]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_asked_for_goes_to_the_server(form: str) -> None:
    asked: list[httpx.Request] = []
    answer = httpx.Response(200, text=END)
    follow(form, answer, asked, container="web", tail=3, since=timedelta(minutes=1.5))
    assert asked[0].url.path == "/api/v1/sandboxes/a/containers/web/logs"
    assert dict(asked[0].url.params) == {"tail": "3", "since": "90.000000s", "follow": "true"}
    follow(form, httpx.Response(200, text=END), asked, since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert dict(asked[1].url.params) == {"since": "2026-01-02T03:04:05Z", "follow": "true"}


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_that_breaks_is_no_end(form: str) -> None:
    with pytest.raises(TransportError, match="the stream ended before the sandbox did"):
        follow(form, httpx.Response(200, text=event("one")))
    broken = event("one") + 'event: error\ndata: {"error":"connection reset"}\n\n'
    with pytest.raises(TransportError, match="connection reset"):
        follow(form, httpx.Response(200, text=broken))


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_sandbox_is_not_found(form: str) -> None:
    with pytest.raises(NotFoundError):
        follow(form, httpx.Response(404, json={"error": "sandbox not found"}))
