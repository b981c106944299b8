"""The wire, without any I/O: builds requests, parses answers, turns refusals into exceptions.

Both clients send what is built here and hand back what is parsed here, so they cannot drift apart.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from ._exceptions import ApiError, WatchExpiredError, make_api_error
from ._models import Event, ExternalInfo, Json, LogLine, NodeInfo, SandboxInfo, parse_log_lines
from ._sse import SseMessage

T = TypeVar("T")


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call: what to send and how to read the answer."""

    method: str
    path: str
    parse: Callable[[Json], T]
    body: Any = None
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None  # time limit of this call when it differs from the client's
    content: bytes | None = None  # the body when it is no JSON
    parse_bytes: Callable[[bytes], T] | None = None  # reads an answer that is no JSON

    @property
    def target(self) -> str:
        """Path and query. Text that stands for bytes which are no UTF-8 (PEP 383) is sent as these bytes."""
        return target_of(self.path, self.query)

    @property
    def has_key(self) -> bool:
        """Whether the server knows a repetition of it again."""
        return KEY_HEADER in self.headers


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list. An empty `next_cursor` ends the list."""

    items: list[T]
    next_cursor: str = ""


KEY_HEADER = "Idempotency-Key"


def target_of(path: str, query: Sequence[tuple[str, str]]) -> str:
    """Raises:
    UnicodeEncodeError: text that stands for no bytes at all; a ValueError.
    """
    return f"{path}?{urlencode(query, quote_via=quote, errors='surrogateescape')}" if query else path


_CODE_BY_STATUS = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    422: "invalid_argument",
    429: "resource_exhausted",
    501: "unsupported",
    502: "unavailable",
    503: "unavailable",
    504: "deadline_exceeded",
}


def parse_error(status: int, headers: Mapping[str, str], body: bytes, what: str = "") -> ApiError:
    """Turn an answer with a status of 400 or more into its exception."""
    lower = {key.lower(): value for key, value in headers.items()}
    data: Any = None
    with contextlib.suppress(ValueError):
        data = json.loads(body)
    text, code, reasons = "", _CODE_BY_STATUS.get(status, "internal"), []
    if isinstance(data, Mapping):
        text = str(data.get("error") or data.get("message") or "")
        if isinstance(data.get("code"), str):
            code = data["code"]
        if isinstance(data.get("reasons"), list):
            reasons = [str(item) for item in data["reasons"]]
    text = text or body[:500].decode("utf-8", "replace").strip() or f"http {status}"
    code = lower.get("x-sandboxd-error", code)
    if status == 500 and "UNIQUE constraint failed" in text:
        code = "already_exists"  # how the original words a duplicate
    if status == 401:
        text += ": set SANDBOXD_TOKEN, or pass token="
    message = f"{what}: {text}" if what else text
    request_id = lower.get("x-request-id", "")
    try:
        retry_after: float | None = float(lower["retry-after"])
    except (KeyError, ValueError):
        retry_after = None
    if status == 410:
        return WatchExpiredError(message, code="conflict", status=status, request_id=request_id)
    return make_api_error(
        message, code=code, reasons=reasons, status=status, request_id=request_id, retry_after=retry_after
    )


def parse_body(body: bytes, what: str) -> Json:
    """Read an answer's JSON object. A peer that speaks something else raises ServerError (protocol_error)."""
    try:
        data = json.loads(body) if body else {}
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise make_api_error(f"{what}: the answer is not a JSON object", code="protocol_error")
    return data


def _segment(text: str) -> str:
    return quote(text, safe="")


def _sandbox(data: Json) -> SandboxInfo:
    return SandboxInfo.from_json(data.get("sandbox") or {})


def _node(data: Json) -> NodeInfo:
    return NodeInfo.from_json(data.get("node") or {})


def _nothing(data: Json) -> None:
    return None


# --- sandboxes -------------------------------------------------------------------------------------------------------


def generate_id() -> str:
    """A sandbox id that nobody else has."""
    return "sbx-" + secrets.token_hex(6)


def create_sandbox(spec: Json, id: str | None = None, key: str = "") -> Request[SandboxInfo]:
    body = {"id": id if id is not None else generate_id(), "spec": spec}
    return Request("POST", "/api/v1/sandboxes", _sandbox, body=body, headers={KEY_HEADER: key} if key else {})


def generate_key() -> str:
    return secrets.token_hex(16)


def filter_query(
    word_name: str = "",
    words: str | Sequence[str] = (),
    labels: Mapping[str, str | None] | None = None,
    node: str | None = None,
) -> list[tuple[str, str]]:
    """The query of a filtered list: any of the words, all of the labels, one node."""
    out = []
    if words:
        out.append((word_name, words if isinstance(words, str) else ",".join(words)))
    out += [("label", key if value is None else f"{key}={value}") for key, value in (labels or {}).items()]
    if node is not None:
        out.append(("node", node))
    return out


def _list_of(
    read: Callable[[Json], T], path: str, query: Sequence[tuple[str, str]], limit: int | None, cursor: str
) -> Request[Page[T]]:
    paging = [("limit", str(limit))] if limit is not None else []
    paging += [("cursor", cursor)] if cursor else []

    def parse(data: Json) -> Page[T]:
        return Page([read(item) for item in data.get("items") or []], str(data.get("next_cursor") or ""))

    return Request("GET", path, parse, query=[*query, *paging])


def list_sandboxes(
    query: Sequence[tuple[str, str]] = (), limit: int | None = None, cursor: str = ""
) -> Request[Page[SandboxInfo]]:
    return _list_of(SandboxInfo.from_json, "/api/v1/sandboxes", query, limit, cursor)


def get_sandbox(id: str) -> Request[SandboxInfo]:
    return Request("GET", f"/api/v1/sandboxes/{_segment(id)}", _sandbox)


def delete_sandbox(id: str) -> Request[None]:
    # Ours answers when the deletion is durable; the original when the sandbox is gone, which may take a minute.
    return Request("DELETE", f"/api/v1/sandboxes/{_segment(id)}", _nothing, seconds=75.0)


def change_sandbox(id: str, verb: str, body: Json | None = None) -> Request[SandboxInfo]:
    """`verb`: pause, resume, stop, start, restart or renew."""
    return Request("POST", f"/api/v1/sandboxes/{_segment(id)}/{verb}", _sandbox, body=body, seconds=75.0)


def logs_path(id: str, container: str | None) -> str:
    return f"/api/v1/sandboxes/{_segment(id)}" + (f"/containers/{_segment(container)}/logs" if container else "/logs")


def logs_query(tail: int | None, since: datetime | timedelta | None) -> dict[str, str]:
    query: dict[str, str] = {}
    if tail is not None:
        query["tail"] = str(tail)
    if isinstance(since, timedelta):
        query["since"] = f"{max(since.total_seconds(), 0.0):.6f}s"
    elif since is not None:
        query["since"] = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return query


def sandbox_logs(
    id: str, container: str | None = None, tail: int | None = None, since: datetime | timedelta | None = None
) -> Request[list[LogLine]]:
    def parse(data: Json) -> list[LogLine]:
        logs = data.get("logs")
        lines = logs.get("lines") if isinstance(logs, Mapping) else None
        return parse_log_lines([str(line) for line in lines or []])

    return Request("GET", logs_path(id, container), parse, query=list(logs_query(tail, since).items()))


# --- nodes -----------------------------------------------------------------------------------------------------------


def put_node(
    id: str, ip: str, port: int, labels: Mapping[str, str] | None = None, unschedulable: bool = False
) -> Request[NodeInfo]:
    body: dict[str, Any] = {"id": id, "spec": {"ip": ip, "port": port, "unschedulable": unschedulable}}
    if labels:
        body["metadata"] = {"labels": dict(labels)}
    return Request("POST", "/api/v1/nodes", _node, body=body)


def list_nodes(
    query: Sequence[tuple[str, str]] = (), limit: int | None = None, cursor: str = ""
) -> Request[Page[NodeInfo]]:
    return _list_of(NodeInfo.from_json, "/api/v1/nodes", query, limit, cursor)


def get_node(id: str) -> Request[NodeInfo]:
    return Request("GET", f"/api/v1/nodes/{_segment(id)}", _node)


# --- externals -------------------------------------------------------------------------------------------------------


def put_external(id: str, node: str, external: str) -> Request[None]:
    body = {"id": id, "spec": {"node_id": node, "external": external}}
    return Request("POST", "/api/v1/externals", _nothing, body=body)


def list_externals() -> Request[list[ExternalInfo]]:
    return Request(
        "GET", "/api/v1/externals", lambda data: [ExternalInfo.from_json(item) for item in data.get("items") or []]
    )


def get_external(id: str) -> Request[ExternalInfo]:
    return Request(
        "GET", f"/api/v1/externals/{_segment(id)}", lambda data: ExternalInfo.from_json(data.get("external") or {})
    )


def delete_external(id: str) -> Request[None]:
    return Request("DELETE", f"/api/v1/externals/{_segment(id)}", _nothing)


def health() -> Request[bool]:
    return Request("GET", "/healthz", lambda data: data.get("ok") is True)


# --- the event stream ------------------------------------------------------------------------------------------------

WATCH_PATH = "/api/v1/watch"


def watch_query(sandbox: str | None) -> dict[str, str] | None:
    return {"sandbox": sandbox} if sandbox else None


def parse_event(message: SseMessage) -> Event | None:
    """Read one message of the watch stream. None for kinds that this version does not know.

    Raises:
        ServerError: the data is not a JSON object.
    """
    kind, _, action = message.event.partition("_")
    if kind not in ("sandbox", "node") or action not in ("put", "gone"):
        return None
    data = parse_body(message.data.encode(), "watch")
    state = data.get(kind)
    if not isinstance(state, dict):
        raise make_api_error(f"watch: an event {message.event} without its {kind}", code="protocol_error")
    id = str(state.get("id") or "")
    if kind == "sandbox":
        return Event(message.id, kind, action, id, sandbox=SandboxInfo.from_json(state))
    return Event(message.id, kind, action, id, node=NodeInfo.from_json(state))


__all__ = [
    "KEY_HEADER",
    "WATCH_PATH",
    "Page",
    "Request",
    "change_sandbox",
    "create_sandbox",
    "delete_external",
    "delete_sandbox",
    "filter_query",
    "generate_id",
    "generate_key",
    "get_external",
    "get_node",
    "get_sandbox",
    "health",
    "list_externals",
    "list_nodes",
    "list_sandboxes",
    "parse_body",
    "parse_error",
    "parse_event",
    "put_external",
    "put_node",
    "sandbox_logs",
    "watch_query",
]
