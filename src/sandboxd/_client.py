"""Client: the blocking sending loop around _protocol.py."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from . import _image_protocol, _log_stream, _protocol
from ._client_base import BaseClient, read_events
from ._exceptions import SandboxdError, TransportError
from ._image_protocol import SandboxUsage
from ._images import Images
from ._models import Event, ExternalInfo, Json, LogLine, NodeInfo, SandboxInfo
from ._retry import RetryPolicy
from ._sse import SseParser

T = TypeVar("T")


class Client(BaseClient):
    """A connection to a control plane, for blocking code. Thread-safe.

    Without arguments the address is found as `sandboxd._endpoint` says: SANDBOXD_URL, else the file that
    `sandboxd up` wrote, else http://127.0.0.1:8082.

    Args:
        url: address, such as "http://127.0.0.1:8082".
        token: bearer token; not needed on a loopback address without one.
        timeout: seconds that one call may take.
        retry: which calls are repeated; the default repeats reads and refused writes up to three times.
        run_dir: the run directory of the installation meant, when it is not the default one.
        transport: replaces the network, for tests.

    Example:
        with Client() as client:
            for sandbox in client.list_sandboxes():
                print(sandbox.id, sandbox.phase)
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
        run_dir: str | Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, token, timeout=timeout, retry=retry, run_dir=run_dir)
        self._http = httpx.Client(transport=transport, **self._options())

    def _send(self, request: _protocol.Request[T], until: float | None = None) -> T:
        """`until`: time of the monotonic clock at which it is given up, repetitions included."""
        attempt, lost = 0, None
        while True:
            attempt += 1
            left = None if until is None else until - time.monotonic()
            try:
                try:
                    response = self._http.request(request.method, request.target, **self._arguments(request, left))
                except httpx.HTTPError as error:
                    raise self._transport_error(error, f"{request.method} {request.path}") from error
                return self._parse(request, response)
            except SandboxdError as error:
                delay = self._delay(attempt, request, error, lost)
                if delay is None or (until is not None and time.monotonic() + delay >= until):
                    raise
                lost = error if isinstance(error, TransportError) else lost
            time.sleep(delay)

    @property
    def images(self) -> Images:
        """Images of all nodes."""
        return Images(self)

    def health(self) -> bool:
        """Tell whether the control plane answers that it is well."""
        return self._send(_protocol.health())

    def create_sandbox(self, spec: Json, id: str | None = None, *, idempotency_key: str | None = None) -> SandboxInfo:
        """Create a sandbox from a specification in the API's own form; see `Sandbox.create` for the usual way.

        Args:
            id: 1 to 128 of letters, digits and _.- ; None makes one up.
            idempotency_key: 1 to 255 visible ASCII characters. The same request with the same key, within 24 hours,
                gets the first answer again instead of another sandbox. None makes one up where this client repeats
                calls, so that a lost answer is no lost sandbox; "" sends none.

        Raises:
            InvalidRequestError: the specification is wrong; the message names the field.
            ConflictError: a sandbox with that id exists, or the key belongs to another request.
            RequestTimeout: no answer within the time limit, whatever was repeated; the outcome is unknown.
        """
        return self._send(self._create(spec, id, idempotency_key))

    def list_sandboxes(
        self,
        *,
        phase: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        node: str | None = None,
    ) -> list[SandboxInfo]:
        """List sandboxes in the order of their creation, in one answer; `iter_sandboxes` takes long lists in pages.

        Args:
            phase: only in this phase, or one of these: Pending, Scheduled, Running, Paused, Stopped, Failed, Deleting.
            labels: only with all of these labels; a value of None takes any value.
            node: only on the node with this id.

        Raises:
            InvalidRequestError: there is no such phase.
        """
        return self._send(_protocol.list_sandboxes(_protocol.filter_query("phase", phase, labels, node))).items

    def iter_sandboxes(
        self,
        *,
        phase: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        node: str | None = None,
        page_size: int = 200,
    ) -> Iterator[SandboxInfo]:
        """Go through sandboxes as `list_sandboxes`, asking for one page after the other while they are consumed.

        What comes or goes meanwhile may or may not be seen; what stays is seen exactly once.

        Args:
            page_size: sandboxes an answer, 1 to 1000.
        """
        query = _protocol.filter_query("phase", phase, labels, node)
        return self._pages(lambda cursor: _protocol.list_sandboxes(query, page_size, cursor))

    def _pages(self, ask: Callable[[str], _protocol.Request[_protocol.Page[T]]]) -> Iterator[T]:
        cursor, is_last = "", False
        while not is_last:
            page = self._send(ask(cursor))
            yield from page.items
            cursor, is_last = page.next_cursor, not page.next_cursor

    def get_sandbox(self, id: str) -> SandboxInfo:
        """Look one sandbox up.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_protocol.get_sandbox(id))

    def delete_sandbox(self, id: str) -> None:
        """Stop and remove a sandbox; returns when that is certain to happen, not when it is done.

        Raises:
            NotFoundError: there is none with that id.
        """
        self._send(_protocol.delete_sandbox(id))

    def sandbox_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> list[LogLine]:
        """Read what the containers of a sandbox wrote, oldest line first.

        Args:
            container: only this one; None means all, with "[<container>] " in front of each line.
            tail: only the last so many lines, as the log counts them (a very long line counts several times).
            since: only lines from this time on; a timedelta counts back from now.

        Raises:
            NotFoundError: no such sandbox or container.
        """
        return self._send(_protocol.sandbox_logs(id, container, tail, since))

    def sandbox_usage(self, id: str) -> SandboxUsage:
        """Tell what a sandbox uses now; all zero for one that does not run.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_image_protocol.sandbox_usage(id))

    @contextlib.contextmanager
    def follow_logs(
        self,
        id: str,
        container: str | None = None,
        *,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        read_timeout: float | None = 60.0,
    ) -> Iterator[Iterator[LogLine]]:
        """Read what the containers of a sandbox write, as they write it. Ends when the sandbox does.

        Args:
            container: only this one; None means all, with "[<container>] " in front of each line.
            tail: begin with the last so many lines of what is there; None begins with all of it.
            since: begin with lines from this time on; a timedelta counts back from now.
            read_timeout: seconds of complete silence after which RequestTimeout is raised; a server that has nothing
                to say sends a sign of life every 15 seconds.

        Raises:
            NotFoundError: no such sandbox or container.
            TransportError: the stream broke before the sandbox ended.

        Example:
            with client.follow_logs("web", tail=10) as lines:
                for line in lines:
                    print(line.text)
        """
        try:
            asked = _log_stream.arguments(id, container, tail, since, self._stream_timeout(read_timeout))
            with self._http.stream(**asked) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, f"logs of {id}")
                yield _log_stream.lines(response, _log_stream.LogReader(id, container))
        except httpx.HTTPError as error:
            raise self._transport_error(error, f"logs of {id}") from error

    def put_node(
        self, id: str, ip: str, port: int, labels: Mapping[str, str] | None = None, unschedulable: bool = False
    ) -> NodeInfo:
        """Register a node, or replace its address, labels and cordon."""
        return self._send(_protocol.put_node(id, ip, port, labels, unschedulable))

    def list_nodes(
        self, *, state: str | Sequence[str] = (), labels: Mapping[str, str | None] | None = None
    ) -> list[NodeInfo]:
        """List nodes by id, in one answer; `iter_nodes` takes long lists in pages.

        Args:
            state: only in this state, or one of these: Unknown, Ready, NotReady.
            labels: only with all of these labels; a value of None takes any value.

        Raises:
            InvalidRequestError: there is no such state.
        """
        return self._send(_protocol.list_nodes(_protocol.filter_query("state", state, labels))).items

    def iter_nodes(
        self,
        *,
        state: str | Sequence[str] = (),
        labels: Mapping[str, str | None] | None = None,
        page_size: int = 200,
    ) -> Iterator[NodeInfo]:
        """Go through nodes as `list_nodes`, asking for one page after the other while they are consumed.

        Args:
            page_size: nodes an answer, 1 to 1000.
        """
        query = _protocol.filter_query("state", state, labels)
        return self._pages(lambda cursor: _protocol.list_nodes(query, page_size, cursor))

    def get_node(self, id: str) -> NodeInfo:
        """Look one node up.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_protocol.get_node(id))

    def put_external(self, id: str, node: str, external: str) -> None:
        """Tell where a node is reached from outside, or change it; its sandboxes show it at once.

        Args:
            id: name of this binding; a node has one, and it has one node.
            node: id of the node.
            external: address or host name, shown as it is.

        Raises:
            InvalidRequestError: there is no such node, or an argument is blank.
            ConflictError: the id is bound to another node, or the node has another id.
        """
        self._send(_protocol.put_external(id, node, external))

    def list_externals(self) -> list[ExternalInfo]:
        """List all Externals by id."""
        return self._send(_protocol.list_externals())

    def get_external(self, id: str) -> ExternalInfo:
        """Look one External up.

        Raises:
            NotFoundError: there is none with that id.
        """
        return self._send(_protocol.get_external(id))

    def delete_external(self, id: str) -> None:
        """Unbind an External from its node.

        Raises:
            NotFoundError: there is none with that id.
        """
        self._send(_protocol.delete_external(id))

    @contextlib.contextmanager
    def watch(
        self, since: str | None = None, *, sandbox: str | None = None, read_timeout: float | None = 60.0
    ) -> Iterator[Iterator[Event]]:
        """Follow every change of sandboxes and nodes. The stream is open when the block is entered.

        Args:
            sandbox: only changes of the sandbox with this id.
            since: revision of the last event seen; None starts with changes from now on.
            read_timeout: seconds of complete silence after which RequestTimeout is raised.

        Raises:
            WatchExpiredError: `since` is too old; list again and watch from now.
            NotFoundError: the server has no event stream.
        """
        with self._watch_with_ticks(since, sandbox, read_timeout) as events:
            yield (event for event in events if event is not None)

    @contextlib.contextmanager
    def _watch_with_ticks(
        self, since: str | None, sandbox: str | None, read_timeout: float | None
    ) -> Iterator[Iterator[Event | None]]:
        """As `watch`, and None after each piece that arrived, keep-alives too: the reader can look at its clock."""
        try:
            with self._http.stream(
                "GET", _protocol.WATCH_PATH, **self._watch_arguments(since, sandbox, read_timeout)
            ) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, "watch")
                yield self._read_with_ticks(response)
        except httpx.HTTPError as error:
            raise self._transport_error(error, "watch") from error

    @staticmethod
    def _read_with_ticks(response: httpx.Response) -> Iterator[Event | None]:
        parser = SseParser()
        for chunk in response.iter_bytes():
            yield from read_events(parser.feed(chunk))
            yield None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["Client"]
