"""AsyncSandbox: the same as Sandbox for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from . import _guest_protocol, _protocol
from ._async_client import AsyncClient
from ._async_commands import AsyncCommands
from ._async_files import AsyncFiles
from ._client_base import documented_like
from ._exceptions import NotFoundError, SandboxdError
from ._guest_models import CommandResult, ListeningPort, ProcessInfo
from ._handle import TAIL_LINES, BaseSandbox
from ._models import Json, LogLine, Probe, SandboxInfo
from ._spec import OnExpiry, RestartPolicy, build_spec, lifetime_seconds
from ._waiter import Waiter
from .sandbox import Sandbox


class AsyncSandbox(BaseSandbox):
    """A sandbox, for asyncio. The same methods and arguments as `Sandbox`, awaited.

    Example:
        async with await AsyncSandbox.create(image="nginx:1.27", ports=[80]) as sandbox:
            await sandbox.wait_running()
            print(sandbox.url(80))
    """

    def __init__(self, client: AsyncClient, info: SandboxInfo, *, owns_client: bool = False) -> None:
        super().__init__(client, info, owns_client=owns_client)
        self._client = client
        self.commands = AsyncCommands(client, info.id)
        self.files = AsyncFiles(client, info.id)

    @classmethod
    @documented_like(Sandbox.create)
    async def create(
        cls,
        image: str,
        *,
        command: Sequence[str] | str | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[int] = (),
        cpu: str | float = "200m",
        memory: str | int = "256Mi",
        egress: bool = False,
        allow: Sequence[str] = (),
        bandwidth: int | None = None,
        restart_policy: RestartPolicy = "never",
        lifetime: float | None = None,
        probe: Probe | None = None,
        work_dir: str = "",
        node_selector: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        hold: bool = False,
        on_expiry: OnExpiry = "delete",
        id: str | None = None,
        idempotency_key: str | None = None,
        client: AsyncClient | None = None,
    ) -> Self:
        spec = build_spec(
            image=image,
            command=command,
            env=env,
            ports=ports,
            cpu=cpu,
            memory=memory,
            egress=egress,
            allow=allow,
            bandwidth=bandwidth,
            restart_policy=restart_policy,
            lifetime=lifetime,
            probe=probe,
            work_dir=work_dir,
            node_selector=node_selector,
            labels=labels,
            hold=hold,
            on_expiry=on_expiry,
        )
        used = client if client is not None else AsyncClient()
        try:
            info = await used.create_sandbox(spec, id, idempotency_key=idempotency_key)
            return cls(used, info, owns_client=client is None)
        except BaseException:
            if client is None:
                await used.close()
            raise

    @classmethod
    @documented_like(Sandbox.connect)
    async def connect(cls, id: str, *, client: AsyncClient | None = None) -> Self:
        used = client if client is not None else AsyncClient()
        try:
            return cls(used, await used.get_sandbox(id), owns_client=client is None)
        except BaseException:
            if client is None:
                await used.close()
            raise

    @documented_like(Sandbox.refresh)
    async def refresh(self) -> SandboxInfo:
        self._info = await self._client.get_sandbox(self.id)
        await self._find_node_host()
        return self._info

    @documented_like(Sandbox.wait_running)
    async def wait_running(self, timeout: float | None = 120.0) -> Self:
        return await self.wait_phase("Running", timeout)

    @documented_like(Sandbox.wait_phase)
    async def wait_phase(self, phase: str, timeout: float | None = 120.0) -> Self:
        waiter = Waiter(self.id, timeout, time.monotonic(), goal=phase)
        await self._wait(waiter)
        info = waiter.info
        if waiter.is_deleted or info is None or info.phase != phase:
            if info is not None:
                self._info = info
            raise self._failure(waiter, await self._tail())
        self._info = info
        await self._find_node_host()
        return self

    @documented_like(Sandbox.wait_deleted)
    async def wait_deleted(self, timeout: float | None = 120.0) -> None:
        await self._wait(Waiter(self.id, timeout, time.monotonic(), for_deletion=True))

    async def _wait(self, waiter: Waiter) -> None:
        try:
            async with asyncio.timeout(waiter.timeout) as limit:
                while not waiter.is_done:
                    error: SandboxdError | None = None
                    try:
                        await self._follow(waiter)
                    except SandboxdError as caught:
                        error = caught
                    if not waiter.is_done:
                        await asyncio.sleep(waiter.pause_after(error, time.monotonic()))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise waiter.timed_out() from error

    async def _follow(self, waiter: Waiter) -> None:
        if waiter.is_polling:
            await self._look(waiter)
            return
        async with self._client.watch(waiter.since, sandbox=self.id, read_timeout=60.0) as events:
            if waiter.is_fresh:
                await self._look(waiter)
            while not waiter.is_done:
                event = await anext(events, None)
                if event is None:
                    return
                waiter.see_event(event)

    async def _look(self, waiter: Waiter) -> None:
        try:
            waiter.see(await self._client.get_sandbox(self.id))
        except NotFoundError:
            waiter.see_missing()

    @documented_like(Sandbox.logs)
    async def logs(
        self, container: str | None = None, *, tail: int | None = None, since: datetime | timedelta | None = None
    ) -> list[LogLine]:
        return await self._client.sandbox_logs(self.id, container, tail=tail, since=since)

    @documented_like(Sandbox.follow_logs)
    async def follow_logs(
        self, container: str | None = None, *, tail: int | None = None, since: datetime | timedelta | None = None
    ) -> AsyncIterator[LogLine]:
        async with self._client.follow_logs(self.id, container, tail=tail, since=since) as lines:
            async for line in lines:
                yield line

    @documented_like(Sandbox.run)
    async def run(
        self,
        command: Sequence[str] | str,
        *,
        stdin: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> CommandResult:
        return await self.commands.run(command, stdin=stdin, env=env, cwd=cwd, user=user, timeout=timeout, check=check)

    @documented_like(Sandbox.listening_ports)
    async def listening_ports(self, container: str | None = None) -> list[ListeningPort]:
        return await self._client._send(_guest_protocol.listening_ports(self.id, container))

    @documented_like(Sandbox.processes)
    async def processes(self, container: str | None = None) -> list[ProcessInfo]:
        return await self._client._send(_guest_protocol.processes(self.id, container))

    @documented_like(Sandbox.pause)
    async def pause(self) -> SandboxInfo:
        return await self._change("pause")

    @documented_like(Sandbox.resume)
    async def resume(self) -> SandboxInfo:
        return await self._change("resume")

    @documented_like(Sandbox.stop)
    async def stop(self) -> SandboxInfo:
        return await self._change("stop")

    @documented_like(Sandbox.start)
    async def start(self) -> SandboxInfo:
        return await self._change("start")

    @documented_like(Sandbox.restart)
    async def restart(self) -> SandboxInfo:
        return await self._change("restart")

    @documented_like(Sandbox.renew)
    async def renew(self, lifetime: float) -> SandboxInfo:
        return await self._change("renew", {"ttl_seconds": lifetime_seconds(lifetime)})

    async def _change(self, verb: str, body: Json | None = None) -> SandboxInfo:
        self._info = await self._client._send(_protocol.change_sandbox(self.id, verb, body))
        return self._info

    @documented_like(Sandbox.delete)
    async def delete(self) -> None:
        if not self._is_gone:
            with contextlib.suppress(NotFoundError):
                await self._client.delete_sandbox(self.id)
            self._is_gone = True

    @documented_like(Sandbox.close)
    async def close(self) -> None:
        if self._owns_client:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.delete()
        finally:
            await self.close()

    async def _tail(self) -> list[LogLine]:
        try:
            return (await self.logs())[-TAIL_LINES:]
        except SandboxdError:
            return []  # the reason matters more than its illustration

    async def _find_node_host(self) -> None:
        if self._needs_node_host():
            with contextlib.suppress(SandboxdError):
                self._set_node_host((await self._client.get_node(self._info.node)).ip)


__all__ = ["AsyncSandbox"]
