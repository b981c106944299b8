"""Images and usage on the wire, without any I/O: what _protocol.py is for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from ._exceptions import SandboxdError, TransportError, make_api_error
from ._models import Json, parse_time
from ._protocol import Request, parse_body
from ._sse import SseParser


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image, over all nodes that have it.

    `errors` has the nodes, by id, that a pull or an import failed on, or that did not say what they have.
    """

    digest: str
    names: tuple[str, ...] = ()
    size_bytes: int = 0
    created: datetime | None = None
    architecture: str = ""
    os: str = ""
    last_used: datetime | None = None
    is_used: bool = False
    nodes: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            digest=str(data.get("digest") or ""),
            names=tuple(str(name) for name in data.get("names") or ()),
            size_bytes=int(data.get("sizeBytes") or 0),
            created=parse_time(data.get("created")),
            architecture=str(data.get("architecture") or ""),
            os=str(data.get("os") or ""),
            last_used=parse_time(data.get("lastUsed")),
            is_used=data.get("used") is True,
            nodes=tuple(str(node) for node in data.get("nodes") or ()),
            errors=_errors(data),
            raw=data,
        )


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull has come. `layers_total` is 0 until the registry has said."""

    image: str
    layers_done: int = 0
    layers_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        numbers = (int(data.get(name) or 0) for name in ("layersDone", "layersTotal", "bytesDone", "bytesTotal"))
        return cls(str(data.get("image") or ""), *numbers)


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """What one container of a sandbox uses."""

    name: str
    cpu_nanos: int = 0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    """What a sandbox uses now: 100 percent of CPU are one core; memory is without what can be dropped at once."""

    cpu_nanos: int = 0
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    memory_percent: float = 0.0
    pids: int = 0
    containers: tuple[ContainerUsage, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            cpu_percent=float(data.get("cpuPercent") or 0),
            memory_percent=float(data.get("memoryPercent") or 0),
            containers=tuple(
                ContainerUsage(str(item.get("name") or ""), **_counts(item)) for item in data.get("containers") or ()
            ),
            raw=data,
            **_counts(data),
        )


def _counts(data: Json) -> dict[str, int]:
    names = {
        "cpu_nanos": "cpuNanos",
        "memory_bytes": "memoryBytes",
        "memory_limit_bytes": "memoryLimitBytes",
        "pids": "pids",
    }
    return {name: int(data.get(key) or 0) for name, key in names.items()}


def _errors(data: Json) -> dict[str, str]:
    return {str(item.get("node")): str(item.get("error")) for item in data.get("errors") or ()}


def list_images() -> Request[tuple[list[ImageInfo], dict[str, str]]]:
    def parse(data: Json) -> tuple[list[ImageInfo], dict[str, str]]:
        return [ImageInfo.from_json(item) for item in data.get("items") or ()], _errors(data)

    return Request("GET", "/api/v1/images", parse)


def get_image(reference: str) -> Request[ImageInfo]:
    return Request("GET", "/api/v1/images/inspect", ImageInfo.from_json, query=[("reference", reference)])


def delete_image(reference: str, force: bool, node: str | None) -> Request[None]:
    query = [("reference", reference)]
    query += [("force", "true")] if force else []
    query += [("node", node)] if node else []
    # It returns when the disk space is free.
    return Request("DELETE", "/api/v1/images", lambda _: None, query=query, seconds=200.0)


PULL_PATH = "/api/v1/images/pull"
IMPORT_PATH = "/api/v1/images/import"


def pull_arguments(image: str, credentials: tuple[str, str] | None, node: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"image": image}
    if credentials is not None:
        body["credentials"] = {"username": credentials[0], "password": credentials[1]}
    return {"json": body, "params": {"progress": "true", **({"node": node} if node else {})}}


def import_query(
    reference: str | None,
    rootfs: bool,
    entrypoint: Sequence[str],
    command: Sequence[str],
    env: Mapping[str, str],
    node: str | None,
) -> list[tuple[str, str | int | float | bool | None]]:
    query: list[tuple[str, str | int | float | bool | None]] = [("format", "rootfs" if rootfs else "image")]
    query += [("reference", reference)] if reference else []
    query += [("entrypoint", word) for word in entrypoint]
    query += [("command", word) for word in command]
    query += [("env", f"{key}={value}") for key, value in env.items()]
    return query + ([("node", node)] if node else [])


def sandbox_usage(id: str) -> Request[SandboxUsage]:
    from ._protocol import get_sandbox

    return Request("GET", get_sandbox(id).path + "/usage", SandboxUsage.from_json)


class PullReader:
    """Turns the bytes of a watched pull into its steps; the last one is the image. Pure.

    Raises:
        SandboxdError: the pull failed, as the registry or the nodes say.
    """

    def __init__(self, image: str) -> None:
        self._image = image
        self._parser = SseParser()

    def feed(self, chunk: bytes) -> Iterator[PullProgress | ImageInfo]:
        for message in self._parser.feed(chunk):
            data = parse_body(message.data.encode(), f"pull {self._image}")
            if message.event == "progress":
                yield PullProgress.from_json(data)
            elif message.event == "image":
                yield ImageInfo.from_json(data)
            elif message.event == "error":
                raise make_api_error(str(data.get("error")), code=str(data.get("code") or "internal"))

    def broken(self) -> SandboxdError:
        return TransportError(f"pull {self._image}: the stream ended before the pull did")


__all__ = ["ContainerUsage", "ImageInfo", "PullProgress", "PullReader", "SandboxUsage"]
