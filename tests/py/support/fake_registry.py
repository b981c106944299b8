"""A registry that misbehaves on purpose: plain HTTP on loopback, images from memory, one fault per repository name."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support import images

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_numbers = itertools.count(1)


def digest_of(data: bytes) -> str:
    """The name of a blob."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Repository:
    """One repository with one image, whatever tag is asked for, and how it fails."""

    manifest: bytes
    blobs: dict[str, bytes]
    layer: str = ""  # digest of the last layer
    user: str = ""  # "name:password" that every request must carry
    status: int = 0  # answered instead of the manifest
    cut_layer_at: int = 0  # bytes of the layer that are sent before the connection breaks
    gate: threading.Event | None = None  # the second half of the layer waits for it
    gets: list[str] = field(default_factory=list)  # paths of all GET requests
    layer_asked: threading.Event = field(default_factory=threading.Event)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def make_repository(config: dict[str, Any] | None = None, layer: bytes | None = None, **faults: Any) -> Repository:
    """An image that runs, changed by `config` (its members replace the usual ones) and by faults."""
    plain = images.root_layer() if layer is None else layer
    packed = gzip.compress(plain, mtime=0, compresslevel=1)
    described: dict[str, Any] = {
        "comment": f"image {next(_numbers)}",  # so that no image has the digest of another
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/sh", "-c", "sleep 1000"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
        **(config or {}),
    }
    text = json.dumps(described).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(text), "size": len(text)},
            "layers": [{"mediaType": LAYER, "digest": digest_of(packed), "size": len(packed)}],
        }
    ).encode()
    blobs = {digest_of(text): text, digest_of(packed): packed}
    return Repository(manifest, blobs, layer=digest_of(packed), **faults)


class FakeRegistry:
    """Repositories by name; they may be changed while it runs."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                registry.answer(self, body=False)

            def do_GET(self) -> None:
                registry.answer(self, body=True)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def add(self, name: str, repository: Repository) -> str:
        """Serve it; the reference of its image."""
        self.repositories[name] = repository
        return f"{self.host}/{name}:1"

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        if request.path.rstrip("/") == "/v2":
            return self._send(request, 200, b"{}", "application/json", body)
        name, _, rest = request.path.removeprefix("/v2/").rpartition("/")
        name, _, kind = name.rpartition("/")
        found = self.repositories.get(name)
        if found is None:
            return self._send(request, 404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json", body)
        if body:
            found.gets.append(request.path)
        given = request.headers.get("Authorization", "")
        if found.user and given != "Basic " + base64.b64encode(found.user.encode()).decode():
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="fake"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return None
        if kind == "manifests":
            if found.status:
                return self._send(request, found.status, b"{}", "application/json", body)
            return self._send(request, 200, found.manifest, MANIFEST, body, found.digest)
        return self._send_blob(request, found, rest, body)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, kind: str, body: bool, digest: str = ""
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        if digest:
            request.send_header("Docker-Content-Digest", digest)
        request.end_headers()
        if body:
            request.wfile.write(data)

    def _send_blob(self, request: BaseHTTPRequestHandler, found: Repository, digest: str, body: bool) -> None:
        data = found.blobs.get(digest)
        if data is None:
            return self._send(request, 404, b"{}", "application/json", body)
        if digest != found.layer or not body:
            return self._send(request, 200, data, "application/octet-stream", body, digest)
        request.send_response(200)
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        half = found.cut_layer_at or len(data) // 2
        request.wfile.write(data[:half])
        request.wfile.flush()
        found.layer_asked.set()
        if found.cut_layer_at:
            return None  # the connection closes: HTTP/1.0
        if found.gate is not None:
            found.gate.wait(120)
        request.wfile.write(data[half:])
        return None


@contextmanager
def serving() -> Iterator[FakeRegistry]:
    """A registry that answers until the end of the block."""
    registry = FakeRegistry()
    thread = threading.Thread(target=registry.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        for repository in registry.repositories.values():
            if repository.gate is not None:
                repository.gate.set()
        registry.server.shutdown()
        registry.server.server_close()
        thread.join()
