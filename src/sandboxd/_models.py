"""Values of the API: immutable, tolerant of fields they do not know, with the raw mapping kept beside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

Json = Mapping[str, Any]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$")


def parse_time(text: object) -> datetime | None:
    """Parse RFC 3339 with up to nine fractional digits; microseconds are kept. None when absent or malformed."""
    match = _TIME.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    seconds, fraction, zone = match.groups()
    micros = ((fraction or "") + "000000")[:6]
    return datetime.fromisoformat(f"{seconds}.{micros}{'+00:00' if zone == 'Z' else zone}").astimezone(UTC)


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


@dataclass(frozen=True, slots=True)
class Port:
    """A published port: `host_port` on the node leads to `container_port` in the sandbox."""

    container_port: int
    host_port: int
    protocol: str = "tcp"

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            container_port=_integer(data.get("container_port")),
            host_port=_integer(data.get("host_port")),
            protocol=_text(data.get("protocol")) or "tcp",
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """When a sandbox counts as running: a TCP connection or an HTTP answer. Times in seconds."""

    protocol: str
    port: int
    path: str = ""
    initial_delay: int = 1
    period: int = 1
    timeout: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def tcp(cls, port: int, **times: int) -> Self:
        """Succeed when `port` accepts a connection."""
        return cls("tcp", port, "", **times)

    @classmethod
    def http(cls, port: int, path: str = "/", **times: int) -> Self:
        """Succeed when a GET of `path` answers 2xx or 3xx."""
        return cls("http", port, path, **times)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"protocol": self.protocol, "port": self.port}
        if self.path:
            data["path"] = self.path
        data["initial_delay_seconds"] = self.initial_delay
        data["period_seconds"] = self.period
        data["timeout_seconds"] = self.timeout
        data["success_threshold"] = self.success_threshold
        data["failure_threshold"] = self.failure_threshold
        return data


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """A sandbox as the control plane described it at one moment."""

    id: str
    phase: str
    node: str = ""
    ip: str = ""
    ports: tuple[Port, ...] = ()
    external: str = ""
    last_error: str = ""
    reasons: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        status = _mapping(data.get("status"))
        return cls(
            id=_text(data.get("id")),
            phase=_text(status.get("phase")),
            node=_text(status.get("node_name")),
            ip=_text(status.get("ip")),
            ports=tuple(Port.from_json(_mapping(item)) for item in _items(status.get("assigned_ports"))),
            external=_text(status.get("external")),
            last_error=_text(status.get("last_error")),
            reasons=tuple(str(item) for item in _items(status.get("reasons"))),
            created_at=parse_time(data.get("created_at")),
            updated_at=parse_time(data.get("updated_at")),
            expires_at=parse_time(status.get("expire_at")),
            raw=data,
        )

    @property
    def spec(self) -> Json:
        """What was asked for, as the server keeps it."""
        return _mapping(self.raw.get("spec"))

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels given at its creation; lists can be filtered by them."""
        return {str(key): str(value) for key, value in _mapping(self.spec.get("labels")).items()}

    @property
    def restarts(self) -> int:
        """How often its restart policy has started containers again."""
        containers = _items(_mapping(self.raw.get("status")).get("containers"))
        return sum(_integer(_mapping(item).get("restarts")) for item in containers)

    @property
    def is_running(self) -> bool:
        return self.phase == "Running"

    @property
    def has_ended(self) -> bool:
        """True when it will not become Running any more."""
        return self.phase in ("Failed", "Stopped", "Deleting")


@dataclass(frozen=True, slots=True)
class NodeResources:
    """CPU in millicores, memory in bytes."""

    allocatable_cpu_milli: int = 0
    allocatable_memory_bytes: int = 0
    used_cpu_milli: int = 0
    used_memory_bytes: int = 0
    available_cpu_milli: int = 0
    available_memory_bytes: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(**{name: _integer(data.get(name)) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A machine that runs sandboxes, as the control plane sees it."""

    id: str
    ip: str
    port: int
    state: str = "Unknown"
    unschedulable: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: NodeResources = NodeResources()
    last_error: str = ""
    last_heartbeat: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        labels = _mapping(_mapping(data.get("metadata")).get("labels"))
        return cls(
            id=_text(data.get("id")),
            ip=_text(data.get("ip")),
            port=_integer(data.get("port")),
            state=_text(data.get("state")) or "Unknown",
            unschedulable=data.get("unschedulable") is True,
            labels={str(key): str(value) for key, value in labels.items()},
            resources=NodeResources.from_json(_mapping(data.get("resources"))),
            last_error=_text(data.get("last_error")),
            last_heartbeat=parse_time(data.get("last_heartbeat")),
            raw=data,
        )

    @property
    def is_ready(self) -> bool:
        return self.state == "Ready"


@dataclass(frozen=True, slots=True)
class ExternalInfo:
    """Where a node is reached from outside: an address or a host name, told to its sandboxes."""

    id: str
    node: str
    external: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            id=_text(data.get("id")),
            node=_text(data.get("node_id")),
            external=_text(data.get("external")),
            created_at=parse_time(data.get("created_at")),
            updated_at=parse_time(data.get("updated_at")),
            raw=data,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one object.

    `kind` is "sandbox" or "node". `action` is "put" with the new state, or "gone" with the last one.
    """

    revision: str
    kind: str
    action: str
    id: str
    sandbox: SandboxInfo | None = None
    node: NodeInfo | None = None


# "[container] " stands in front where several containers are shown together.
_CRI_LINE = re.compile(r"(\[[^\]]+\] )?(\S+) (stdout|stderr) (F|P)(?: (.*))?$", re.S)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote."""

    text: str
    stream: str = "stdout"
    at: datetime | None = None

    def __str__(self) -> str:
        return self.text


class LogJoiner:
    """Turns CRI log lines into text lines: partial pieces of one stream are joined."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], tuple[datetime | None, str]] = {}

    def feed(self, line: str) -> LogLine | None:
        match = _CRI_LINE.match(line)
        if match is None:
            return LogLine(line)
        prefix, stamp, stream, tag, text = match.groups()
        key = (stream, prefix or "")
        at, before = self._pending.pop(key, (parse_time(stamp), prefix or ""))
        if tag == "P":
            self._pending[key] = (at, before + (text or ""))
            return None
        return LogLine(before + (text or ""), stream, at)

    def rest(self) -> list[LogLine]:
        """What waits for a last piece that did not come."""
        return [LogLine(text, stream, at) for (stream, _), (at, text) in self._pending.items()]


def parse_log_lines(lines: Sequence[str]) -> list[LogLine]:
    """Turn CRI log lines into text lines: partial pieces of one stream are joined."""
    joiner = LogJoiner()
    out = [joined for line in lines if (joined := joiner.feed(line)) is not None]
    return out + joiner.rest()


__all__ = [
    "Event",
    "ExternalInfo",
    "Json",
    "LogJoiner",
    "LogLine",
    "NodeInfo",
    "NodeResources",
    "Port",
    "Probe",
    "SandboxInfo",
    "parse_log_lines",
    "parse_time",
]
