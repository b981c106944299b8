"""Commands of a sandbox, for blocking code."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import httpx

from . import _guest_protocol as wire
from . import _protocol
from ._exceptions import CommandFailedError, WaitTimeoutError
from ._guest_models import CommandInfo, CommandOutput, CommandResult, OutputPiece

if TYPE_CHECKING:
    from ._client import Client

WAIT_SECONDS = 25.0  # of one call; longer waits are several


class Command:
    """A command that was started in a sandbox. It goes on whatever becomes of this object."""

    def __init__(self, client: Client, sandbox: str, info: CommandInfo) -> None:
        self._client = client
        self._sandbox = sandbox
        self._info = info

    @property
    def id(self) -> str:
        return self._info.id

    @property
    def info(self) -> CommandInfo:
        """The last known state; `refresh` reads it anew."""
        return self._info

    def refresh(self) -> CommandInfo:
        """Read its state anew.

        Raises:
            NotFoundError: it is forgotten, or its sandbox is gone.
        """
        self._info = self._client._send(wire.get_command(self._sandbox, self.id))
        return self._info

    def wait(self, timeout: float | None = None) -> CommandInfo:
        """Wait until it has ended.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            WaitTimeoutError: the time is over; the command goes on.
        """
        left = timeout
        while self._info.is_running:
            step = WAIT_SECONDS if left is None else min(WAIT_SECONDS, left)
            self._info = self._client._send(wire.get_command(self._sandbox, self.id, max(step, 0.001)))
            left = None if left is None else left - step
            if self._info.is_running and left is not None and left <= 0:
                raise WaitTimeoutError(f"command {self.id} still runs after {timeout:g} s")
        return self._info

    def output(self) -> CommandOutput:
        """What it wrote so far, as much of it as is kept (1 MiB of each stream unless asked otherwise)."""
        return self._client._send(wire.command_output(self._sandbox, self.id))

    def stream(self) -> Iterator[OutputPiece]:
        """What it wrote so far, then what it writes, as it writes it, until it ends; `info` then says how.

        Leaving the loop early leaves the command alone.

        Raises:
            TransportError: the stream broke before the command ended.
        """
        what = f"output of {self.id}"
        path = wire.path_of(self._sandbox, "commands", self.id, "output")
        timeout = self._client._stream_timeout(None)
        try:
            with self._client._http.stream(
                "GET", path, params={"stream": "true"}, headers=wire.FOLLOW, timeout=timeout
            ) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, what)
                reader = wire.output_reader(response.headers.get("Content-Type", ""), what)
                for chunk in response.iter_bytes():
                    yield from reader.feed(chunk)
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error
        reader.check_end()
        self._info = reader.command or self._info

    def write(self, data: bytes | str) -> None:
        """Write to its standard input; returns when the command's side has taken all of it.

        Raises:
            ConflictError: it has no open standard input, or has ended.
        """
        raw = data.encode() if isinstance(data, str) else data
        self._client._send(wire.write_stdin(self._sandbox, self.id, raw, False))

    def close_stdin(self) -> None:
        """Tell it that there is no more input."""
        self._client._send(wire.write_stdin(self._sandbox, self.id, b"", True))

    def kill(self, signal: int = signals.SIGKILL, *, whole_group: bool = True, wait: float = 0.0) -> CommandInfo:
        """Send it a signal.

        Args:
            signal: a signal's number; signal.SIGTERM asks it to end.
            whole_group: its whole process group, else the first process only.
            wait: seconds to wait at most until it has ended.

        Raises:
            ConflictError: it has ended already.
        """
        self._info = self._client._send(wire.signal_command(self._sandbox, self.id, int(signal), whole_group, wait))
        return self._info

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size.

        Raises:
            InvalidRequestError: it has no terminal.
        """
        self._client._send(wire.resize_command(self._sandbox, self.id, rows, columns))

    def forget(self) -> None:
        """Drop its record and output.

        Raises:
            ConflictError: it still runs.
        """
        self._client._send(wire.forget_command(self._sandbox, self.id))

    def __repr__(self) -> str:
        state = "running" if self._info.is_running else f"exit {self._info.exit_code}"
        return f"<Command {self.id} {state}>"


class Commands:
    """`sandbox.commands`: what runs inside the sandbox beside its main process."""

    def __init__(self, client: Client, sandbox: str) -> None:
        self._client = client
        self._sandbox = sandbox

    def run(
        self,
        command: Sequence[str] | str,
        *,
        stdin: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        container: str | None = None,
        timeout: float | None = None,
        keep_bytes: int | None = None,
        check: bool = False,
    ) -> CommandResult:
        """Run a command to its end. When the caller goes away, the command is killed; nothing of it is kept.

        Args:
            command: argument list; a string is a line for the sandbox's /bin/sh.
            stdin: its standard input; None means an empty one.
            env: environment variables, over the container's.
            cwd: working directory; None means the container's.
            user: "name", "uid", "name:group" or "uid:gid"; None means the container's.
            container: which container; None means the main one.
            timeout: seconds after which it is killed; None means none.
            keep_bytes: how much of each output stream is kept, the newest; None means 1 MiB.
            check: raise CommandFailedError when it ends with anything but 0.

        Raises:
            ConflictError: the sandbox does not run.
            CommandFailedError: see `check`.

        Example:
            print(sandbox.commands.run(["python", "-c", "print(6 * 7)"]).stdout)
        """
        spec = wire.command_spec(
            command, env=env, cwd=cwd, user=user, container=container, timeout=timeout, keep_bytes=keep_bytes
        )
        result = self._client._send(wire.run(self._sandbox, spec, stdin, timeout))
        if check and not result.ok:
            raise CommandFailedError(result)
        return result

    def start(
        self,
        command: Sequence[str] | str,
        *,
        stdin: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        container: str | None = None,
        timeout: float | None = None,
        keep_bytes: int | None = None,
        terminal: tuple[int, int] | None = None,
    ) -> Command:
        """Start a command and return at once; it goes on by itself. Arguments as of `run`.

        Args:
            stdin: whether it gets a standard input, for `Command.write`.
            terminal: rows and columns of a terminal that it gets for all three streams; all output is then stdout.
        """
        spec = wire.command_spec(
            command,
            env=env,
            cwd=cwd,
            user=user,
            container=container,
            timeout=timeout,
            keep_bytes=keep_bytes,
            stdin=stdin,
            terminal=terminal,
        )
        return Command(self._client, self._sandbox, self._client._send(wire.start(self._sandbox, spec)))

    def list(self) -> list[Command]:
        """All that were started and are not forgotten, by the time of their start."""
        found = self._client._send(wire.list_commands(self._sandbox))
        return [Command(self._client, self._sandbox, info) for info in found]

    def get(self, id: str) -> Command:
        """Take up a command by its id.

        Raises:
            NotFoundError: there is none.
        """
        return Command(self._client, self._sandbox, self._client._send(wire.get_command(self._sandbox, id)))


__all__ = ["Command", "Commands"]
