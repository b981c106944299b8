"""Sandbox: the handle of one sandbox, for blocking code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from . import _guest_protocol, _protocol
from ._client import Client
from ._commands import Commands
from ._exceptions import NotFoundError, SandboxdError
from ._files import Files
from ._guest_models import CommandResult, ListeningPort, ProcessInfo
from ._handle import TAIL_LINES, BaseSandbox
from ._models import Json, LogLine, Probe, SandboxInfo
from ._spec import OnExpiry, RestartPolicy, build_spec, lifetime_seconds
from ._waiter import Waiter


class Sandbox(BaseSandbox):
    """A sandbox, for blocking code. As a context manager it is deleted at the end.

    Example:
        with Sandbox.create(image="nginx:1.27", ports=[80], lifetime=600) as sandbox:
            sandbox.wait_running()
            print(sandbox.url(80))
            print(sandbox.run(["nginx", "-v"]).stderr)

    Attributes:
        commands: runs, starts and lists commands inside it.
        files: reads and writes files inside it.
    """

    def __init__(self, client: Client, info: SandboxInfo, *, owns_client: bool = False) -> None:
        super().__init__(client, info, owns_client=owns_client)
        self._client = client
        self.commands = Commands(client, info.id)
        self.files = Files(client, info.id)

    @classmethod
    def create(
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
        client: Client | None = None,
    ) -> Self:
        """Create a sandbox; returns as soon as the control plane has it durably, before it runs.

        Args:
            image: image reference, such as "python:3.11".
            command: argument list in place of the image's command; a string is run by the image's /bin/sh.
            env: environment variables.
            ports: TCP ports in the sandbox to publish on its node; `ports` then says where.
            cpu: cores as a number (0.2), or a quantity ("200m").
            memory: bytes as a number, or a quantity ("256Mi").
            egress: whether it may reach the internet; private ranges and the host stay blocked.
            allow: the only IPv4 ranges that it may reach, also with ports and protocol: "203.0.113.0/24:443/tcp".
            bandwidth: limit in bits per second, in each direction, of the whole sandbox; None means unlimited.
            restart_policy: whether what ended is started again: "never", "on_failure" (a code other than 0), "always".
            lifetime: seconds until `on_expiry`, above 0, rounded up to whole ones; None keeps it until it is deleted.
            probe: what must answer before it counts as running.
            work_dir: working directory; empty means the image's.
            node_selector: labels that its node must carry.
            labels: its own labels, for filtered lists.
            hold: run nothing of its own: the sandbox waits for commands (`run`, `commands`) until it is stopped. Most
                images of languages and systems want this, as their own command ends at once without a terminal.
            on_expiry: "delete" or "stop" it at the end of its lifetime; a stopped one keeps its files for `start`.
            id: its id, 1 to 128 of letters, digits and _.- ; None makes one up.
            idempotency_key: the same call with the same key gets this sandbox instead of another one, for 24 hours;
                None makes one up for the client's own repetitions.
            client: the connection to use; None makes one, closed with this object.

        Raises:
            ValueError: the lifetime is 0 or less, or the restart policy is none of these; nothing was sent.
            InvalidRequestError: an argument is wrong; the message names it.
            ConflictError: a sandbox with that id exists, or the key belongs to another request.
            ConnectError: nobody answers at the address.
        """
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
        return cls._take_up(client, lambda used: used.create_sandbox(spec, id, idempotency_key=idempotency_key))

    @classmethod
    def connect(cls, id: str, *, client: Client | None = None) -> Self:
        """Take up an existing sandbox by its id.

        Raises:
            NotFoundError: there is none.
        """
        return cls._take_up(client, lambda used: used.get_sandbox(id))

    @classmethod
    def _take_up(cls, client: Client | None, call: Callable[[Client], SandboxInfo]) -> Self:
        used = client if client is not None else Client()
        try:
            return cls(used, call(used), owns_client=client is None)
        except BaseException:
            if client is None:
                used.close()
            raise

    def refresh(self) -> SandboxInfo:
        """Read its state anew.

        Raises:
            NotFoundError: it is gone.
        """
        self._info = self._client.get_sandbox(self.id)
        self._find_node_host()
        return self._info

    def wait_running(self, timeout: float | None = 120.0) -> Self:
        """Wait until it runs: started, network policy in force, probe passed, ports published.

        Follows the event stream; nothing is polled unless the server has no such stream.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            SandboxFailedError: it ended instead; has the server's reason and the last lines of its output.
            WaitTimeoutError: the time is over; the sandbox goes on.
        """
        return self.wait_phase("Running", timeout)

    def wait_phase(self, phase: str, timeout: float | None = 120.0) -> Self:
        """Wait until it is in this phase: Running, Paused or Stopped. The rest as of `wait_running`."""
        waiter = Waiter(self.id, timeout, time.monotonic(), goal=phase)
        self._wait(waiter)
        info = waiter.info
        if waiter.is_deleted or info is None or info.phase != phase:
            if info is not None:
                self._info = info
            raise self._failure(waiter, self._tail())
        self._info = info
        self._find_node_host()
        return self

    def wait_deleted(self, timeout: float | None = 120.0) -> None:
        """Wait until it is gone, by `delete` or because its lifetime is over.

        Raises:
            WaitTimeoutError: the time is over.
        """
        self._wait(Waiter(self.id, timeout, time.monotonic(), for_deletion=True))

    def _wait(self, waiter: Waiter) -> None:
        while not waiter.is_done:
            error: SandboxdError | None = None
            try:
                self._follow(waiter)
            except SandboxdError as caught:
                error = caught
            if not waiter.is_done:
                time.sleep(waiter.pause_after(error, time.monotonic()))

    def _follow(self, waiter: Waiter) -> None:
        if waiter.is_polling:
            self._look(waiter)
            return
        silence = waiter.read_timeout(time.monotonic())
        with self._client._watch_with_ticks(waiter.since, self.id, silence) as events:
            if waiter.is_fresh:
                self._look(waiter)
            with contextlib.suppress(StopIteration):
                while not waiter.is_done:
                    waiter.check_stream(silence, time.monotonic())
                    waiter.see_event(next(events))

    def _look(self, waiter: Waiter) -> None:
        try:
            waiter.see(self._client._send(_protocol.get_sandbox(self.id), waiter.call_deadline(time.monotonic())))
        except NotFoundError:
            waiter.see_missing()

    def logs(
        self, container: str | None = None, *, tail: int | None = None, since: datetime | timedelta | None = None
    ) -> list[LogLine]:
        """Read what it wrote so far, oldest line first.

        Args:
            container: only this one; None means all.
            tail: only the last so many lines.
            since: only lines from this time on; a timedelta counts back from now.
        """
        return self._client.sandbox_logs(self.id, container, tail=tail, since=since)

    def follow_logs(
        self, container: str | None = None, *, tail: int | None = None, since: datetime | timedelta | None = None
    ) -> Iterator[LogLine]:
        """Read what it writes, as it writes it, until it ends; arguments as of `logs`, about what is there already.

        Raises:
            TransportError: the stream broke before the sandbox ended.
        """
        with self._client.follow_logs(self.id, container, tail=tail, since=since) as lines:
            yield from lines

    def run(
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
        """Run a command inside it to its end: `commands.run`, which has the details."""
        return self.commands.run(command, stdin=stdin, env=env, cwd=cwd, user=user, timeout=timeout, check=check)

    def listening_ports(self, container: str | None = None) -> list[ListeningPort]:
        """Which ports processes inside listen on, published or not."""
        return self._client._send(_guest_protocol.listening_ports(self.id, container))

    def processes(self, container: str | None = None) -> list[ProcessInfo]:
        """Which processes run inside."""
        return self._client._send(_guest_protocol.processes(self.id, container))

    def pause(self) -> SandboxInfo:
        """Freeze all its processes; its memory and ports stay. Time goes on for its lifetime.

        Returns when that is certain to happen; `wait_phase` tells when it has.

        Raises:
            ConflictError: it does not run, or is paused already.
        """
        return self._change("pause")

    def resume(self) -> SandboxInfo:
        """Let its processes go on after `pause`.

        Returns when that is certain to happen; `wait_phase` tells when it has.

        Raises:
            ConflictError: it is not paused.
        """
        return self._change("resume")

    def stop(self) -> SandboxInfo:
        """End its processes; its files stay, for `start`, but for /tmp, which is memory. Its CPU and memory are free.

        Returns when that is certain to happen; `wait_phase` tells when it has.

        Raises:
            ConflictError: it does not run.
        """
        return self._change("stop")

    def start(self) -> SandboxInfo:
        """Start it again after `stop` or its own end: the same files, new processes, perhaps other ports.

        Returns when that is certain to happen; `wait_phase` tells when it has.

        Raises:
            ConflictError: it runs already.
        """
        return self._change("start")

    def restart(self) -> SandboxInfo:
        """`stop` if it runs, then `start`.

        Returns when that is certain to happen; `wait_phase` tells when it has.

        Raises:
            ConflictError: it is being deleted.
        """
        return self._change("restart")

    def renew(self, lifetime: float) -> SandboxInfo:
        """Let its lifetime end so many seconds from now, above 0, rounded up to whole ones.

        Raises:
            ValueError: the lifetime is 0 or less; nothing was sent.
        """
        return self._change("renew", {"ttl_seconds": lifetime_seconds(lifetime)})

    def _change(self, verb: str, body: Json | None = None) -> SandboxInfo:
        self._info = self._client._send(_protocol.change_sandbox(self.id, verb, body))
        return self._info

    def delete(self) -> None:
        """Stop and remove it; `wait_deleted` tells when it is gone. Deleting twice is no error."""
        if not self._is_gone:
            with contextlib.suppress(NotFoundError):
                self._client.delete_sandbox(self.id)
            self._is_gone = True

    def close(self) -> None:
        """Close the connection if this object made it; the sandbox itself goes on."""
        if self._owns_client:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.delete()
        finally:
            self.close()

    def _tail(self) -> list[LogLine]:
        try:
            return self.logs()[-TAIL_LINES:]
        except SandboxdError:
            return []  # the reason matters more than its illustration

    def _find_node_host(self) -> None:
        if self._needs_node_host():
            with contextlib.suppress(SandboxdError):
                self._set_node_host(self._client.get_node(self._info.node).ip)


__all__ = ["Sandbox"]
