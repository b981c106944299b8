"""Commands of a sandbox, for asyncio: the same as _commands.py, awaited."""

from __future__ import annotations

import signal as signals
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

import httpx

from . import _guest_protocol as wire
from . import _protocol
from ._client_base import documented_like
from ._commands import WAIT_SECONDS, Command, Commands
from ._exceptions import CommandFailedError, WaitTimeoutError
from ._guest_models import CommandInfo, CommandOutput, CommandResult, OutputPiece

if TYPE_CHECKING:
    from ._async_client import AsyncClient


class AsyncCommand:
    """A command that was started in a sandbox. The same methods as `Command`, awaited."""

    def __init__(self, client: AsyncClient, sandbox: str, info: CommandInfo) -> None:
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

    @documented_like(Command.refresh)
    async def refresh(self) -> CommandInfo:
        self._info = await self._client._send(wire.get_command(self._sandbox, self.id))
        return self._info

    @documented_like(Command.wait)
    async def wait(self, timeout: float | None = None) -> CommandInfo:
        left = timeout
        while self._info.is_running:
            step = WAIT_SECONDS if left is None else min(WAIT_SECONDS, left)
            self._info = await self._client._send(wire.get_command(self._sandbox, self.id, max(step, 0.001)))
            left = None if left is None else left - step
            if self._info.is_running and left is not None and left <= 0:
                raise WaitTimeoutError(f"command {self.id} still runs after {timeout:g} s")
        return self._info

    @documented_like(Command.output)
    async def output(self) -> CommandOutput:
        return await self._client._send(wire.command_output(self._sandbox, self.id))

    @documented_like(Command.stream)
    async def stream(self) -> AsyncIterator[OutputPiece]:
        what = f"output of {self.id}"
        path = wire.path_of(self._sandbox, "commands", self.id, "output")
        timeout = self._client._stream_timeout(None)
        try:
            async with self._client._http.stream(
                "GET", path, params={"stream": "true"}, headers=wire.FOLLOW, timeout=timeout
            ) as response:
                if response.status_code >= 300:
                    body = await response.aread()
                    raise _protocol.parse_error(response.status_code, response.headers, body, what)
                reader = wire.output_reader(response.headers.get("Content-Type", ""), what)
                async for chunk in response.aiter_bytes():
                    for piece in reader.feed(chunk):
                        yield piece
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error
        reader.check_end()
        self._info = reader.command or self._info

    @documented_like(Command.write)
    async def write(self, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        await self._client._send(wire.write_stdin(self._sandbox, self.id, raw, False))

    @documented_like(Command.close_stdin)
    async def close_stdin(self) -> None:
        await self._client._send(wire.write_stdin(self._sandbox, self.id, b"", True))

    @documented_like(Command.kill)
    async def kill(self, signal: int = signals.SIGKILL, *, whole_group: bool = True, wait: float = 0.0) -> CommandInfo:
        request = wire.signal_command(self._sandbox, self.id, int(signal), whole_group, wait)
        self._info = await self._client._send(request)
        return self._info

    @documented_like(Command.resize)
    async def resize(self, rows: int, columns: int) -> None:
        await self._client._send(wire.resize_command(self._sandbox, self.id, rows, columns))

    @documented_like(Command.forget)
    async def forget(self) -> None:
        await self._client._send(wire.forget_command(self._sandbox, self.id))

    def __repr__(self) -> str:
        state = "running" if self._info.is_running else f"exit {self._info.exit_code}"
        return f"<AsyncCommand {self.id} {state}>"


class AsyncCommands:
    """`sandbox.commands`: what runs inside the sandbox beside its main process. As `Commands`, awaited."""

    def __init__(self, client: AsyncClient, sandbox: str) -> None:
        self._client = client
        self._sandbox = sandbox

    @documented_like(Commands.run)
    async def run(
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
        spec = wire.command_spec(
            command, env=env, cwd=cwd, user=user, container=container, timeout=timeout, keep_bytes=keep_bytes
        )
        result = await self._client._send(wire.run(self._sandbox, spec, stdin, timeout))
        if check and not result.ok:
            raise CommandFailedError(result)
        return result

    @documented_like(Commands.start)
    async def start(
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
    ) -> AsyncCommand:
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
        return AsyncCommand(self._client, self._sandbox, await self._client._send(wire.start(self._sandbox, spec)))

    @documented_like(Commands.list)
    async def list(self) -> list[AsyncCommand]:
        found = await self._client._send(wire.list_commands(self._sandbox))
        return [AsyncCommand(self._client, self._sandbox, info) for info in found]

    @documented_like(Commands.get)
    async def get(self, id: str) -> AsyncCommand:
        return AsyncCommand(self._client, self._sandbox, await self._client._send(wire.get_command(self._sandbox, id)))


__all__ = ["AsyncCommand", "AsyncCommands"]
