"""The wire of commands and files, without any I/O; as _protocol.py, for both clients."""

from __future__ import annotations

import base64
import codecs
import json
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from ._exceptions import TransportError, make_api_error
from ._guest_models import (
    CommandInfo,
    CommandOutput,
    CommandResult,
    FileEvent,
    FileInfo,
    ListeningPort,
    OutputPiece,
    ProcessInfo,
    StreamName,
    argument_list,
)
from ._models import Json
from ._protocol import Request, target_of

T = TypeVar("T")

RemotePath = str | bytes | os.PathLike[str] | os.PathLike[bytes]  # inside a sandbox

_NO_LIMIT = 10 * 365 * 86400.0  # a command may take for ever
_GRACE = 30.0  # for the answer, beyond a command's own time limit
_FILE_SECONDS = 3600.0


def path_of(sandbox: str, *rest: str) -> str:
    return "/".join(["/api/v1/sandboxes", *(quote(part, safe="") for part in (sandbox, *rest))])


def _list(read: Callable[[Json], T]) -> Callable[[Json], list[T]]:
    return lambda data: [read(item) for item in data.get("items") or []]


def _command(data: Json) -> CommandInfo:
    return CommandInfo.from_json(data.get("command") or {})


def _file(data: Json) -> FileInfo:
    return FileInfo.from_json(data.get("file") or {})


def _nothing(data: Json) -> None:
    return None


# --- commands --------------------------------------------------------------------------------------------------------


def command_spec(
    command: Sequence[str] | str,
    *,
    env: Mapping[str, str] | None,
    cwd: str | None,
    user: str | None,
    container: str | None,
    timeout: float | None,
    keep_bytes: int | None,
    stdin: bool = False,
    terminal: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """What both ways of running a command send.

    Raises:
        ValueError: the command is empty, or the time limit is not above 0.
    """
    if timeout is not None and timeout <= 0:
        raise ValueError(f"timeout {timeout} s: give a time above 0, or None for no limit")
    spec: dict[str, Any] = {"argv": argument_list(command)}
    optional = {"env": dict(env or {}), "cwd": cwd, "user": user, "container": container, "keep_bytes": keep_bytes}
    spec |= {key: value for key, value in optional.items() if value}
    if stdin or terminal is not None:
        spec["stdin"] = True
    if terminal is not None:
        spec["terminal"] = {"rows": terminal[0], "columns": terminal[1]}
    if timeout is not None:
        spec["timeout_ms"] = max(1, round(timeout * 1000))
    return spec


def run(sandbox: str, spec: dict[str, Any], stdin: bytes | str | None, timeout: float | None) -> Request[CommandResult]:
    if stdin is not None:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        spec = spec | {"input_base64": base64.b64encode(data).decode()}
    seconds = _NO_LIMIT if timeout is None else timeout + _GRACE
    return Request("POST", path_of(sandbox, "exec"), CommandResult.from_json, body=spec, seconds=seconds)


def start(sandbox: str, spec: dict[str, Any]) -> Request[CommandInfo]:
    return Request("POST", path_of(sandbox, "commands"), _command, body=spec)


def list_commands(sandbox: str) -> Request[list[CommandInfo]]:
    return Request("GET", path_of(sandbox, "commands"), _list(CommandInfo.from_json))


def get_command(sandbox: str, command: str, wait: float = 0.0) -> Request[CommandInfo]:
    query = [("wait_ms", str(round(wait * 1000)))] if wait > 0 else []
    return Request("GET", path_of(sandbox, "commands", command), _command, query=query, seconds=wait + _GRACE)


def signal_command(sandbox: str, command: str, number: int, whole_group: bool, wait: float) -> Request[CommandInfo]:
    body = {"signal": number, "group": whole_group, "wait_ms": round(wait * 1000)}
    return Request("POST", path_of(sandbox, "commands", command, "signal"), _command, body=body, seconds=wait + _GRACE)


def resize_command(sandbox: str, command: str, rows: int, columns: int) -> Request[None]:
    body = {"rows": rows, "columns": columns}
    return Request("POST", path_of(sandbox, "commands", command, "resize"), _nothing, body=body)


def forget_command(sandbox: str, command: str) -> Request[None]:
    return Request("DELETE", path_of(sandbox, "commands", command), _nothing)


def command_output(sandbox: str, command: str) -> Request[CommandOutput]:
    return Request("GET", path_of(sandbox, "commands", command, "output"), CommandOutput.from_json)


def write_stdin(sandbox: str, command: str, data: bytes, is_last: bool) -> Request[None]:
    query = [("eof", "true")] if is_last else []
    return Request(
        "POST", path_of(sandbox, "commands", command, "stdin"), _nothing, content=data, query=query, seconds=_NO_LIMIT
    )


FRAMES = "application/vnd.sandboxd.output"
FOLLOW = {"Accept": f"{FRAMES}, application/x-ndjson, application/json"}  # the headers of a followed output


class OutputReader:
    """Turns the bytes of a followed output into pieces; `command` is how it ended. Pure."""

    def __init__(self, what: str) -> None:
        self.command: CommandInfo | None = None
        self._what = what

    def feed(self, chunk: bytes) -> Iterator[OutputPiece]:
        """Raises:
        TransportError: the server says that the stream broke.
        """
        raise NotImplementedError

    def check_end(self) -> None:
        """Raises:
        TransportError: the stream ended before the command did.
        """
        if self.command is None:
            raise TransportError(f"{self._what}: the stream ended before the command did")

    def _end(self, data: Json) -> None:
        if "error" in data:
            raise make_api_error(f"{self._what}: {data['error']}", code=str(data.get("code") or "unavailable"))
        self.command = _command(data)


def output_reader(content_type: str, what: str) -> OutputReader:
    """Of the form that the server has chosen: one that does not know frames sends lines."""
    return _FrameReader(what) if content_type.partition(";")[0].strip() == FRAMES else _LineReader(what)


class _FrameReader(OutputReader):
    _HEAD = struct.Struct(">B3xIQ")  # kind, length, position
    _LENGTH_MAX = 16 * 1024 * 1024
    _STREAMS: ClassVar[dict[int, StreamName]] = {1: "stdout", 2: "stderr"}
    _END = 3

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self._held = bytearray()

    def feed(self, chunk: bytes) -> Iterator[OutputPiece]:
        held = self._held
        held += chunk
        while len(held) >= self._HEAD.size:
            kind, length, position = self._HEAD.unpack_from(held)
            if length > self._LENGTH_MAX or not (kind in self._STREAMS or kind == self._END):
                raise TransportError(f"{self._what}: a frame of kind {kind} with {length} bytes")
            end = self._HEAD.size + length
            if len(held) < end:
                return
            payload = bytes(memoryview(held)[self._HEAD.size : end])
            del held[:end]
            if kind == self._END:
                self._end(json.loads(payload))
            else:
                yield OutputPiece(self._STREAMS[kind], payload, position)


class _LineReader(OutputReader):
    _LINE_MAX = 16 * 1024 * 1024

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, chunk: bytes) -> Iterator[OutputPiece]:
        lines = (self._rest + self._decoder.decode(chunk)).split("\n")
        self._rest = lines.pop()
        if len(self._rest) > self._LINE_MAX:
            raise TransportError(f"{self._what}: a line of the stream is longer than {self._LINE_MAX} characters")
        for line in lines:
            if not line:
                continue
            data = json.loads(line)
            if "error" in data or "command" in data:
                self._end(data)
            else:
                yield OutputPiece.from_json(data)


# --- files -----------------------------------------------------------------------------------------------------------


def path_text(path: RemotePath) -> str:
    """A path as text: bytes that are no UTF-8 are surrogates (PEP 383), as in what files are listed by.

    Raises:
        ValueError: the path is empty, has a NUL, or has text that stands for no bytes.
    """
    plain = os.fspath(path)
    text = plain.decode("utf-8", "surrogateescape") if isinstance(plain, bytes) else plain
    if not text or "\0" in text:
        raise ValueError(f"{path!r} is no path")
    text.encode("utf-8", "surrogateescape")
    return text


def shown(path: RemotePath) -> str:
    """A path for messages, which must be printable."""
    return path_text(path).encode("utf-8", "backslashreplace").decode()


def file_query(
    path: RemotePath, user: str | None, container: str | None, *, to: RemotePath | None = None, **more: object
) -> list[tuple[str, str]]:
    """Raises:
    ValueError: as path_text(), for one of the paths.
    """
    query = [("path", path_text(path))]
    if to is not None:
        query.append(("to", path_text(to)))
    query += [(name, str(value)) for name, value in (("user", user), ("container", container)) if value]
    for name, value in more.items():
        if value is not None:
            query.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return query


class _EventReader:
    """Turns the bytes of a watch into events. Pure."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[FileEvent]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            data = json.loads(line)
            if "error" in data:
                raise self.broken(str(data["error"]))
            if data["change"] != "watching":  # it is in force, which the answer's beginning told
                yield FileEvent.from_json(data)

    def broken(self, why: str = "the stream ended") -> TransportError:
        return TransportError(f"{self._what}: {why}")


def file_events(chunks: Iterable[bytes], what: str) -> Iterator[FileEvent]:
    """Raises:
    TransportError: the stream broke, or ended.
    """
    reader = _EventReader(what)
    for chunk in chunks:
        yield from reader.feed(chunk)
    raise reader.broken()


async def file_events_async(chunks: AsyncIterator[bytes], what: str) -> AsyncIterator[FileEvent]:
    """As file_events()."""
    reader = _EventReader(what)
    async for chunk in chunks:
        for event in reader.feed(chunk):
            yield event
    raise reader.broken()


def file_target(query: list[tuple[str, str]], sandbox: str, *rest: str) -> str:
    return target_of(path_of(sandbox, "files", *rest), query)


def read_file(sandbox: str, query: list[tuple[str, str]]) -> Request[bytes]:
    return Request(
        "GET", path_of(sandbox, "files"), _no_json, query=query, parse_bytes=lambda body: body, seconds=_FILE_SECONDS
    )


def write_file(sandbox: str, query: list[tuple[str, str]], data: bytes) -> Request[FileInfo]:
    return Request("PUT", path_of(sandbox, "files"), _file, query=query, content=data, seconds=_FILE_SECONDS)


def remove_file(sandbox: str, query: list[tuple[str, str]]) -> Request[None]:
    return Request("DELETE", path_of(sandbox, "files"), _nothing, query=query, seconds=_FILE_SECONDS)


def stat_file(sandbox: str, query: list[tuple[str, str]]) -> Request[FileInfo]:
    return Request("GET", path_of(sandbox, "files", "stat"), _file, query=query)


def list_files(sandbox: str, query: list[tuple[str, str]]) -> Request[list[FileInfo]]:
    return Request("GET", path_of(sandbox, "files", "list"), _list(FileInfo.from_json), query=query)


def make_directory(sandbox: str, query: list[tuple[str, str]]) -> Request[FileInfo]:
    return Request("POST", path_of(sandbox, "files", "mkdir"), _file, query=query)


def rename_file(sandbox: str, query: list[tuple[str, str]]) -> Request[FileInfo]:
    return Request("POST", path_of(sandbox, "files", "rename"), _file, query=query)


def _no_json(data: Json) -> Any:
    raise AssertionError("its answer is no JSON")


# --- what goes on inside ---------------------------------------------------------------------------------------------


def listening_ports(sandbox: str, container: str | None) -> Request[list[ListeningPort]]:
    query = [("container", container)] if container else []
    return Request("GET", path_of(sandbox, "listening"), _list(ListeningPort.from_json), query=query)


def processes(sandbox: str, container: str | None) -> Request[list[ProcessInfo]]:
    query = [("container", container)] if container else []
    return Request("GET", path_of(sandbox, "processes"), _list(ProcessInfo.from_json), query=query)
