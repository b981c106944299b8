"""Requests as they go out, answers and refusals as they come back."""

from __future__ import annotations

import json

import pytest

from sandboxd import _protocol
from sandboxd._exceptions import (
    ERROR_CODES,
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    ServerError,
    UnavailableError,
    UnschedulableError,
    WatchExpiredError,
    make_api_error,
)
from sandboxd._sse import SseMessage


def test_ids_are_escaped_in_paths() -> None:
    assert _protocol.get_sandbox("a/../b c").path == "/api/v1/sandboxes/a%2F..%2Fb%20c"
    assert _protocol.sandbox_logs("a", "x/y").path == "/api/v1/sandboxes/a/containers/x%2Fy/logs"


def test_generated_ids_are_valid_and_differ() -> None:
    ids = {_protocol.generate_id() for _ in range(100)}
    assert len(ids) == 100 and all(id.startswith("sbx-") and len(id) == 16 for id in ids)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, WatchExpiredError),
        (413, InvalidRequestError),
        (429, OverloadedError),
        (500, ServerError),
        (502, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_statuses_become_exceptions(status: int, kind: type[ApiError]) -> None:
    error = _protocol.parse_error(status, {"X-Request-Id": "r1"}, b'{"error":"because"}', "GET /x")
    assert type(error) is kind
    assert str(error).startswith("GET /x: because")
    assert (error.status, error.request_id) == (status, "r1")


def test_the_servers_own_code_wins_over_the_status() -> None:
    headers = {"X-Sandboxd-Error": "unschedulable"}
    error = _protocol.parse_error(409, headers, b'{"error":"no node","reasons":["n1: cpu"]}')
    assert isinstance(error, UnschedulableError) and error.reasons == ("n1: cpu",)
    assert "n1: cpu" in str(error)


def test_a_duplicate_in_the_words_of_the_original_is_a_conflict() -> None:
    body = b'{"error":"constraint failed: UNIQUE constraint failed: sandboxes.id (1555)"}'
    assert isinstance(_protocol.parse_error(500, {}, body), ConflictError)


def test_an_answer_that_is_not_json_is_shown_in_part() -> None:
    error = _protocol.parse_error(404, {}, b"404 page not found")
    assert isinstance(error, NotFoundError) and "404 page not found" in str(error)
    assert len(str(_protocol.parse_error(500, {}, b"x" * 10000))) < 600


def test_an_empty_refusal_still_says_something() -> None:
    assert "http 503" in str(_protocol.parse_error(503, {}, b""))


@pytest.mark.parametrize(("text", "seconds"), [("1", 1.0), ("0.5", 0.5), ("tomorrow", None)])
def test_retry_after_is_read_when_it_is_a_number(text: str, seconds: float | None) -> None:
    assert _protocol.parse_error(429, {"Retry-After": text}, b"{}").retry_after == seconds


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'"x"'])
def test_an_answer_of_another_shape_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ServerError, match="not a JSON object") as caught:
        _protocol.parse_body(body, "GET /x")
    assert caught.value.code == "protocol_error"


def test_every_code_has_its_class_and_unknown_ones_are_server_errors() -> None:
    for code in ERROR_CODES:
        assert make_api_error("x", code=code).code == code
    assert isinstance(make_api_error("x", code="invented"), ServerError)


def event(kind: str, data: object, id: str = "5") -> SseMessage:
    return SseMessage(id, kind, json.dumps(data))


def test_events_of_sandboxes_and_nodes_are_read() -> None:
    put = _protocol.parse_event(event("sandbox_put", {"sandbox": {"id": "a", "status": {"phase": "Running"}}}))
    assert put is not None and put.sandbox is not None
    assert (put.revision, put.kind, put.action, put.id, put.sandbox.phase) == ("5", "sandbox", "put", "a", "Running")
    gone = _protocol.parse_event(event("node_gone", {"node": {"id": "n1"}}))
    assert gone is not None and (gone.kind, gone.action, gone.id) == ("node", "gone", "n1")


def test_events_of_a_later_version_are_skipped() -> None:
    assert _protocol.parse_event(event("volume_put", {"volume": {}})) is None
    assert _protocol.parse_event(event("message", {})) is None


def test_an_event_without_its_object_is_a_protocol_error() -> None:
    with pytest.raises(ServerError, match="without its sandbox"):
        _protocol.parse_event(event("sandbox_put", {"revision": 5}))
