"""Files of a sandbox, for blocking code."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from . import _guest_protocol as wire
from . import _protocol
from ._exceptions import NotFoundError
from ._guest_models import FileEvent, FileInfo
from ._guest_protocol import RemotePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._client import Client

PIECE_BYTES = 1024 * 1024


class Files:
    """`sandbox.files`: files inside the sandbox.

    Relative paths begin at the container's working directory. A path is text, bytes, or an os.PathLike; bytes that are
    no UTF-8 are surrogates in text, as of os.listdir(), in what is given and in what is listed. `user` is whose rights
    count ("name", "uid", "uid:gid"); None means the container's user. Errors of all methods: NotFoundError,
    ForbiddenError, InvalidRequestError (a directory, or nothing that can be read), ConflictError (the sandbox does not
    run), OverloadedError (its disk is full).
    """

    def __init__(self, client: Client, sandbox: str) -> None:
        self._client = client
        self._sandbox = sandbox

    def read(
        self,
        path: RemotePath,
        *,
        offset: int = 0,
        length: int | None = None,
        user: str | None = None,
        container: str | None = None,
    ) -> bytes:
        """Read a file, or `length` bytes of it from `offset` on."""
        query = wire.file_query(path, user, container, offset=offset or None, length=length)
        return self._client._send(wire.read_file(self._sandbox, query))

    def read_text(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> str:
        """Read a file as UTF-8.

        Raises:
            UnicodeDecodeError: it is none.
        """
        return self.read(path, user=user, container=container).decode()

    def write(
        self,
        path: RemotePath,
        data: bytes | str,
        *,
        mode: int | None = None,
        parents: bool = True,
        user: str | None = None,
        container: str | None = None,
    ) -> FileInfo:
        """Write a file as a whole: others see the old one or the new one, never a part.

        Args:
            mode: permission bits; None keeps those of the file that is replaced, else 0o644.
            parents: make missing directories on the way.
        """
        raw = data.encode() if isinstance(data, str) else data
        query = wire.file_query(path, user, container, mode=mode_text(mode), parents=parents)
        return self._client._send(wire.write_file(self._sandbox, query, raw))

    def upload(
        self, local: str | Path, path: RemotePath, *, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        """Copy a local file, of any size, into the sandbox, with its permission bits."""
        with Path(local).open("rb") as source:
            mode = os.fstat(source.fileno()).st_mode & 0o777

            def pieces() -> Iterator[bytes]:
                while piece := source.read(PIECE_BYTES):
                    yield piece

            query = wire.file_query(path, user, container, mode=mode_text(mode), parents=True)
            request = wire.write_file(self._sandbox, query, b"")
            headers = {"Content-Length": str(os.fstat(source.fileno()).st_size)}
            try:
                response = self._client._http.request(
                    request.method,
                    request.target,
                    content=pieces(),
                    headers=headers,
                    timeout=self._client._stream_timeout(None),
                )
            except httpx.HTTPError as error:
                raise self._client._transport_error(error, f"upload of {local}") from error
        return self._client._parse(request, response)

    def download(
        self, path: RemotePath, local: str | Path, *, user: str | None = None, container: str | None = None
    ) -> None:
        """Copy a file, of any size, out of the sandbox; `local` is replaced once all of it has come."""
        what = f"download of {wire.shown(path)}"
        query = wire.file_query(path, user, container)
        target = Path(local)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                timeout = self._client._stream_timeout(None)
                url = wire.file_target(query, self._sandbox)
                with self._client._http.stream("GET", url, timeout=timeout) as response:
                    if response.status_code >= 300:
                        body = response.read()
                        raise _protocol.parse_error(response.status_code, response.headers, body, what)
                    for chunk in response.iter_bytes():
                        out.write(chunk)
            Path(name).replace(target)
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error
        finally:
            Path(name).unlink(missing_ok=True)

    def list(
        self, path: RemotePath = "/", *, depth: int = 1, user: str | None = None, container: str | None = None
    ) -> list[FileInfo]:
        """List a directory by name; with a greater `depth` also what is below, as paths relative to it."""
        query = wire.file_query(path, user, container, depth=depth)
        return self._client._send(wire.list_files(self._sandbox, query))

    def stat(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> FileInfo:
        """Look one file up; a symbolic link shows as what it leads to."""
        return self._client._send(wire.stat_file(self._sandbox, wire.file_query(path, user, container)))

    def exists(self, path: RemotePath, *, user: str | None = None, container: str | None = None) -> bool:
        """Tell whether there is something at this path."""
        try:
            self.stat(path, user=user, container=container)
        except NotFoundError as error:
            if "sandbox not found" in str(error):
                raise
            return False
        return True

    def remove(
        self, path: RemotePath, *, recursive: bool = False, user: str | None = None, container: str | None = None
    ) -> None:
        """Remove a file, or with `recursive` a directory with all that is in it. Success also when there is nothing."""
        query = wire.file_query(path, user, container, recursive=recursive)
        self._client._send(wire.remove_file(self._sandbox, query))

    def mkdir(
        self, path: RemotePath, *, mode: int | None = None, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        """Make a directory and those above it. Success also when it is there."""
        query = wire.file_query(path, user, container, mode=mode_text(mode))
        return self._client._send(wire.make_directory(self._sandbox, query))

    def rename(
        self, path: RemotePath, to: RemotePath, *, user: str | None = None, container: str | None = None
    ) -> FileInfo:
        """Give it another path; a file that is there is replaced."""
        return self._client._send(wire.rename_file(self._sandbox, wire.file_query(path, user, container, to=to)))

    @contextmanager
    def watch(
        self, path: RemotePath, *, recursive: bool = True, user: str | None = None, container: str | None = None
    ) -> Iterator[Iterator[FileEvent]]:
        """Follow what happens to a file, or in a directory and below. In force when the block is entered.

        Args:
            path: what is watched; the paths of events are relative to it, and empty for itself.
            recursive: also what is in the directories below.

        Raises:
            TransportError: the stream broke, as it does when the sandbox ends.

        Example:
            with sandbox.files.watch("/data") as events:
                for event in events:
                    print(event.change, event.path)
        """
        what = f"watch of {wire.shown(path)}"
        query = wire.file_query(path, user, container, recursive=recursive)
        url = wire.file_target(query, self._sandbox, "watch")
        timeout = self._client._stream_timeout(None)
        try:
            with self._client._http.stream("GET", url, timeout=timeout) as response:
                if response.status_code >= 300:
                    body = response.read()
                    raise _protocol.parse_error(response.status_code, response.headers, body, what)
                yield wire.file_events(response.iter_bytes(), what)
        except httpx.HTTPError as error:
            raise self._client._transport_error(error, what) from error


def mode_text(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"


__all__ = ["Files"]
