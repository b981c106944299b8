"""What happens inside a sandbox, as values: commands, their output, files, processes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, Literal, Self

from ._models import Json, parse_time

StreamName = Literal["stdout", "stderr"]
FileChange = Literal["created", "written", "removed", "renamed", "attributes", "overflow"]


def _bytes(data: Json, name: str) -> bytes:
    """A member that is text, or base64 under "<name>_base64" where it is not UTF-8."""
    encoded = data.get(f"{name}_base64")
    if isinstance(encoded, str):
        return base64.b64decode(encoded)
    text = data.get(name)
    return text.encode() if isinstance(text, str) else b""


def _path(data: Json, name: str) -> str:
    """A path as Python has it: bytes that are no UTF-8 are surrogates (PEP 383), as of os.listdir()."""
    return _bytes(data, name).decode("utf-8", "surrogateescape")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command as its node described it at one moment.

    `exit_code` is None while it runs; 128 + signal for a killed one; 127 and 126 for a program that does not exist or
    cannot be run (stderr says why); -1 when nobody can know. `reason` says why it ended when it was not by itself:
    "container_ended", or "node_restarted" in a sandbox without the in-sandbox agent. `stdout_bytes` and `stderr_bytes`
    count what it wrote so far, kept or not.
    """

    id: str
    argv: tuple[str, ...] = ()
    container: str = ""
    exit_code: int | None = None
    signal: int = 0
    timed_out: bool = False
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        code = data.get("exit_code")
        argv = data.get("argv")
        return cls(
            id=str(data.get("id") or ""),
            argv=tuple(str(word) for word in argv) if isinstance(argv, list) else (),
            container=str(data.get("container") or ""),
            exit_code=code if isinstance(code, int) else None,
            signal=_whole(data.get("signal")),
            timed_out=data.get("timed_out") is True,
            reason=str(data.get("reason") or ""),
            started_at=parse_time(data.get("started_at")),
            finished_at=parse_time(data.get("finished_at")),
            stdout_bytes=_whole(data.get("stdout_bytes")),
            stderr_bytes=_whole(data.get("stderr_bytes")),
            raw=data,
        )

    @property
    def is_running(self) -> bool:
        return self.exit_code is None


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What is kept of a command's output; `stdout_begin` and `stderr_begin` bytes were dropped before it."""

    stdout_raw: bytes = b""
    stderr_raw: bytes = b""
    stdout_begin: int = 0
    stderr_begin: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            _bytes(data, "stdout"),
            _bytes(data, "stderr"),
            _whole(data.get("stdout_begin")),
            _whole(data.get("stderr_begin")),
        )

    @property
    def stdout(self) -> str:
        """As text; what is not UTF-8 shows as U+FFFD."""
        return self.stdout_raw.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """As text; what is not UTF-8 shows as U+FFFD."""
        return self.stderr_raw.decode("utf-8", "replace")

    @property
    def is_cut(self) -> bool:
        """True when the oldest output was dropped."""
        return self.stdout_begin > 0 or self.stderr_begin > 0


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that has ended, with its output."""

    command: CommandInfo
    output: CommandOutput

    @classmethod
    def from_json(cls, data: Json) -> Self:
        command = data.get("command")
        info = CommandInfo.from_json(command if isinstance(command, Mapping) else {})
        return cls(info, CommandOutput.from_json(data))

    @property
    def exit_code(self) -> int:
        return -1 if self.command.exit_code is None else self.command.exit_code

    @property
    def stdout(self) -> str:
        return self.output.stdout

    @property
    def stderr(self) -> str:
        return self.output.stderr

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """Some bytes that a command wrote; `position` is that of the first of them in its stream."""

    stream: StreamName
    data: bytes
    position: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        stream: StreamName = "stderr" if data.get("stream") == "stderr" else "stdout"
        return cls(stream, _bytes(data, "data"), _whole(data.get("position")))

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file inside a sandbox. `mode` has the type bits of st_mode; `target` is that of a symbolic link."""

    path: str
    mode: int = 0
    size: int = 0
    uid: int = 0
    gid: int = 0
    owner: str = ""
    group: str = ""
    modified_at: datetime | None = None
    target: str = ""
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            path=_path(data, "path"),
            mode=_whole(data.get("mode")),
            size=_whole(data.get("size")),
            uid=_whole(data.get("uid")),
            gid=_whole(data.get("gid")),
            owner=str(data.get("owner") or ""),
            group=str(data.get("group") or ""),
            modified_at=parse_time(data.get("modified_at")),
            target=_path(data, "target"),
            raw=data,
        )

    @property
    def is_file(self) -> bool:
        return S_ISREG(self.mode)

    @property
    def is_directory(self) -> bool:
        return S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return S_ISLNK(self.mode)


@dataclass(frozen=True, slots=True)
class FileEvent:
    """What happened to a watched file, or below a watched directory.

    `path` is relative to what is watched, and empty for itself. After "overflow" events are missing: look anew.
    """

    change: FileChange
    path: str

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(change=data["change"], path=_path(data, "path"))


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process inside a sandbox. CPU time in nanoseconds, memory in bytes."""

    pid: int
    parent: int = 0
    uid: int = 0
    state: str = ""
    name: str = ""
    argv: tuple[str, ...] = ()
    cpu_ns: int = 0
    resident_bytes: int = 0
    command: str = ""  # the id of the command that it belongs to

    @classmethod
    def from_json(cls, data: Json) -> Self:
        argv = data.get("argv")
        return cls(
            pid=_whole(data.get("pid")),
            parent=_whole(data.get("parent")),
            uid=_whole(data.get("uid")),
            state=str(data.get("state") or ""),
            name=str(data.get("name") or ""),
            argv=tuple(str(word) for word in argv) if isinstance(argv, list) else (),
            cpu_ns=_whole(data.get("cpu_ns")),
            resident_bytes=_whole(data.get("resident_bytes")),
            command=str(data.get("command") or ""),
        )


@dataclass(frozen=True, slots=True)
class ListeningPort:
    """A port that a process inside listens on. `pid` is 0 where it is not known."""

    protocol: str
    address: str
    port: int
    pid: int = 0

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(
            protocol=str(data.get("protocol") or ""),
            address=str(data.get("address") or ""),
            port=_whole(data.get("port")),
            pid=_whole(data.get("pid")),
        )


def argument_list(command: Sequence[str] | str) -> list[str]:
    """The argument vector: a string is for the sandbox's own /bin/sh.

    Raises:
        ValueError: there is nothing to run.
    """
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
    if not argv or not argv[0] or (isinstance(command, str) and not command.strip()):
        raise ValueError("the command is empty: give a program and its arguments, or a line for /bin/sh")
    return argv


__all__ = [
    "CommandInfo",
    "CommandOutput",
    "CommandResult",
    "FileInfo",
    "ListeningPort",
    "OutputPiece",
    "ProcessInfo",
    "StreamName",
    "argument_list",
]
