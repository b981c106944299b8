"""`Client.images` and `AsyncClient.images`: the images of all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx

from . import _image_protocol as wire
from . import _protocol
from ._client_base import documented_like
from ._image_protocol import ImageInfo, PullProgress

if TYPE_CHECKING:
    from ._async_client import AsyncClient
    from ._client import Client

_PIECE_BYTES = 256 * 1024
_SILENCE_SECONDS = 60.0  # of a pull: its server gives a sign of life more often
_IMPORT_SECONDS = 900.0

ImageList = list[ImageInfo]  # the classes below have a method of that name
OnProgress = Callable[[PullProgress], None]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _import_timeout(opening: float) -> httpx.Timeout:
    # The answer comes when every node has unpacked the image.
    return httpx.Timeout(_IMPORT_SECONDS, connect=opening)


class Images:
    """Images of all nodes, for blocking code."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> ImageList:
        """List the images that any node has, by digest. A node that does not answer is left out."""
        return self._client._send(wire.list_images())[0]

    def list_with_errors(self) -> tuple[ImageList, dict[str, str]]:
        """List images, and the nodes, by id, that cannot say now what they have, and why."""
        return self._client._send(wire.list_images())

    def get(self, reference: str) -> ImageInfo:
        """Look one up by name, digest, or the beginning of a digest.

        Raises:
            NotFoundError: no node has it.
            ConflictError: it is the beginning of several digests.
        """
        return self._client._send(wire.get_image(reference))

    def pull(
        self,
        image: str,
        *,
        credentials: tuple[str, str] | None = None,
        node: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """Pull an image to all nodes; returns when they have it. The pull goes on when the caller gives up.

        Args:
            credentials: user name and password for the registry, for this pull only.
            node: only to the node with this id.
            on_progress: called with each step, of all nodes together.

        Raises:
            InvalidRequestError: the reference is malformed.
            NotFoundError: the registry has no such image.
            ForbiddenError: the registry wants other credentials.
            UnavailableError: registry or nodes cannot be reached.
        """
        client, reader = self._client, wire.PullReader(image)
        asked = wire.pull_arguments(image, credentials, node)
        timeout = client._stream_timeout(_SILENCE_SECONDS)
        try:
            with client._http.stream("POST", wire.PULL_PATH, timeout=timeout, **asked) as response:
                if response.status_code >= 300:
                    raise _protocol.parse_error(
                        response.status_code, response.headers, response.read(), f"pull {image}"
                    )
                for chunk in response.iter_bytes():
                    for step in reader.feed(chunk):
                        if isinstance(step, ImageInfo):
                            return step
                        if on_progress is not None:
                            on_progress(step)
        except httpx.HTTPError as error:
            raise client._transport_error(error, f"pull {image}") from error
        raise reader.broken()

    def delete(self, reference: str, *, force: bool = False, node: str | None = None) -> None:
        """Remove an image, or one name of it, from all nodes; its disk space is free afterwards.

        Args:
            force: with every name that it has.
            node: only from the node with this id.

        Raises:
            NotFoundError: no node has it.
            ConflictError: a sandbox uses it.
        """
        self._client._send(wire.delete_image(reference, force, node))

    def import_archive(
        self,
        file: str | Path,
        reference: str | None = None,
        *,
        rootfs: bool = False,
        entrypoint: Sequence[str] = (),
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        node: str | None = None,
    ) -> ImageInfo:
        """Store an image archive on all nodes, so that sandboxes can use it without a registry.

        Args:
            file: a tar file, plain or gzip: an OCI layout, the output of `docker save`, or a root file system.
            reference: the name to store it under; None takes the archive's own.
            rootfs: the file is a root file system; then `reference` is required, and entrypoint, command and env say
                how it runs.
            node: only on the node with this id.

        Raises:
            InvalidRequestError: what is wrong with the archive.
        """
        query = wire.import_query(reference, rootfs, entrypoint, command, env or {}, node)
        client, what = self._client, f"import {file}"
        with Path(file).open("rb") as opened:
            size = {"Content-Length": str(Path(file).stat().st_size), "Content-Type": "application/x-tar"}
            try:
                response = client._http.post(
                    wire.IMPORT_PATH,
                    params=query,
                    content=_pieces(opened),
                    headers=size,
                    timeout=_import_timeout(client._timeout),
                )
            except httpx.HTTPError as error:
                raise client._transport_error(error, what) from error
        return _imported(response, what)


def _imported(response: httpx.Response, what: str) -> ImageInfo:
    if response.status_code >= 300:
        raise _protocol.parse_error(response.status_code, response.headers, response.content, what)
    return ImageInfo.from_json(_protocol.parse_body(response.content, what))


class AsyncImages:
    """Images of all nodes, for asyncio. The same methods and arguments as `Images`, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @documented_like(Images.list)
    async def list(self) -> ImageList:
        return (await self._client._send(wire.list_images()))[0]

    @documented_like(Images.list_with_errors)
    async def list_with_errors(self) -> tuple[ImageList, dict[str, str]]:
        return await self._client._send(wire.list_images())

    @documented_like(Images.get)
    async def get(self, reference: str) -> ImageInfo:
        return await self._client._send(wire.get_image(reference))

    @documented_like(Images.pull)
    async def pull(
        self,
        image: str,
        *,
        credentials: tuple[str, str] | None = None,
        node: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        client, reader = self._client, wire.PullReader(image)
        asked = wire.pull_arguments(image, credentials, node)
        timeout = client._stream_timeout(_SILENCE_SECONDS)
        try:
            async with client._http.stream("POST", wire.PULL_PATH, timeout=timeout, **asked) as response:
                if response.status_code >= 300:
                    body = await response.aread()
                    raise _protocol.parse_error(response.status_code, response.headers, body, f"pull {image}")
                async for chunk in response.aiter_bytes():
                    for step in reader.feed(chunk):
                        if isinstance(step, ImageInfo):
                            return step
                        if on_progress is not None:
                            on_progress(step)
        except httpx.HTTPError as error:
            raise client._transport_error(error, f"pull {image}") from error
        raise reader.broken()

    @documented_like(Images.delete)
    async def delete(self, reference: str, *, force: bool = False, node: str | None = None) -> None:
        await self._client._send(wire.delete_image(reference, force, node))

    @documented_like(Images.import_archive)
    async def import_archive(
        self,
        file: str | Path,
        reference: str | None = None,
        *,
        rootfs: bool = False,
        entrypoint: Sequence[str] = (),
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        node: str | None = None,
    ) -> ImageInfo:
        query = wire.import_query(reference, rootfs, entrypoint, command, env or {}, node)
        client, what = self._client, f"import {file}"
        size = await asyncio.to_thread(lambda: Path(file).stat().st_size)
        try:
            response = await client._http.post(
                wire.IMPORT_PATH,
                params=query,
                content=_pieces_async(Path(file)),
                headers={"Content-Length": str(size), "Content-Type": "application/x-tar"},
                timeout=_import_timeout(client._timeout),
            )
        except httpx.HTTPError as error:
            raise client._transport_error(error, what) from error
        return _imported(response, what)


async def _pieces_async(file: Path) -> AsyncIterator[bytes]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
            yield piece
    finally:
        opened.close()


__all__ = ["AsyncImages", "Images"]
