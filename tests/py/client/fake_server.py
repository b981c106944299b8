"""A control plane of a few lines in this process: enough of the wire for the client, with faults on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeControlPlane:
    """Sandboxes by id, a history of events, and switches for what goes wrong."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sandboxes: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.logs: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.watch_headers: list[str | None] = []  # Last-Event-ID of each stream, in order
        self.has_watch = True
        self.oldest_revision = 0  # older resumptions answer 410
        self.break_streams_after = 0  # events per stream; 0: never
        self.refuse_next: list[tuple[int, dict[str, str]]] = []
        self.comment_seconds: float | None = None  # between keep-alives of a stream; None: never
        self.comments = 0  # keep-alives sent
        self.takes_time = False  # to delete: it never ends
        self.is_deaf = False  # reads of one sandbox get no answer
        self.is_stopping = False
        self.url = ""

    def put(self, id: str, phase: str, **status: Any) -> None:
        """Create or change a sandbox; watchers are told."""
        with self.changed:
            sandbox = self.sandboxes.setdefault(id, {"id": id, "spec": {}})
            sandbox["status"] = {"phase": phase, **status}
            self._tell("sandbox_put", json.loads(json.dumps(sandbox)))

    def remove(self, id: str) -> None:
        with self.changed:
            self._tell("sandbox_gone", self.sandboxes.pop(id))

    def _tell(self, kind: str, sandbox: dict[str, Any]) -> None:
        self.events.append((len(self.events) + 1, kind, sandbox))
        self.changed.notify_all()

    def wait_for_streams(self, count: int) -> None:
        """Until so many streams were opened."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.watch_headers) >= count, timeout=10)

    def wait_for_comments(self, count: int) -> None:
        """Until so many keep-alives were sent."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.comments >= count, timeout=10)

    def wait_for_reads(self, id: str, count: int) -> None:
        """Until the sandbox was asked for so many times."""
        path = f"/api/v1/sandboxes/{id}"
        with self.changed:
            assert self.changed.wait_for(lambda: [item[1] for item in self.requests].count(path) >= count, timeout=10)


class _Handler(BaseHTTPRequestHandler):
    plane: FakeControlPlane
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        plane, path = self.plane, self.path.partition("?")[0]
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with plane.changed:
            plane.requests.append((self.command, self.path, dict(self.headers)))
            plane.changed.notify_all()
        if plane.refuse_next:
            status, headers = plane.refuse_next.pop(0)
            return self.answer(status, {"error": "not now"}, headers)
        if path == "/api/v1/watch" and plane.has_watch:
            return self.stream()
        if path == "/api/v1/sandboxes":
            if self.command == "POST":
                if body["id"] in plane.sandboxes:
                    return self.answer(409, {"error": "sandbox already exists"})
                plane.put(body["id"], "Pending")
                return self.answer(201, {"sandbox": {**plane.sandboxes[body["id"]], "spec": body["spec"]}})
            return self.answer(200, {"items": list(plane.sandboxes.values()), "revision": len(plane.events)})
        parts = path.split("/")
        if plane.is_deaf and len(parts) == 5 and self.command == "GET":
            with plane.changed:
                plane.changed.wait_for(lambda: plane.is_stopping)
            self.close_connection = True
            return None
        if path.startswith("/api/v1/sandboxes/") and parts[4] in plane.sandboxes:
            if path.endswith("/logs"):
                return self.answer(200, {"sandbox_id": parts[4], "logs": {"lines": plane.logs}})
            if self.command == "DELETE":
                if plane.takes_time:
                    plane.put(parts[4], "Deleting")
                else:
                    plane.remove(parts[4])
                return self.answer(200, {"deleted": parts[4]})
            return self.answer(200, {"sandbox": plane.sandboxes[parts[4]]})
        if path == "/api/v1/nodes/n1":
            return self.answer(200, {"node": {"id": "n1", "ip": "10.1.2.3", "port": 8080, "state": "Ready"}})
        return self.answer(404, {"error": "sandbox not found"})

    def stream(self) -> None:
        plane, since = self.plane, self.headers.get("Last-Event-ID")
        with plane.changed:
            plane.watch_headers.append(since)
            cursor = int(since) if since else len(plane.events)
            plane.changed.notify_all()
        if cursor < plane.oldest_revision:
            return self.answer(410, {"error": "revision too old"})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(b": watching\n\n")
        sent = 0
        while True:
            with plane.changed:
                is_told = plane.changed.wait_for(
                    lambda at=cursor: plane.is_stopping or len(plane.events) > at, plane.comment_seconds
                )
                if plane.is_stopping:
                    return None
                news = plane.events[cursor] if is_told else None
            if news is None:
                self.wfile.write(b": keep-alive\n\n")
                with plane.changed:
                    plane.comments += 1
                    plane.changed.notify_all()
                continue
            revision, kind, sandbox = news
            data = json.dumps({"revision": revision, "sandbox": sandbox})
            self.wfile.write(f"id: {revision}\nevent: {kind}\ndata: {data}\n\n".encode())
            cursor, sent = cursor + 1, sent + 1
            if sent == plane.break_streams_after:
                return None

    do_GET = do_POST = do_DELETE = handle_any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away in the middle is part of the tests


@contextmanager
def running() -> Iterator[FakeControlPlane]:
    """The fake on a port of its own."""
    plane = FakeControlPlane()
    handler = type("Handler", (_Handler,), {"plane": plane})
    with _Server(("127.0.0.1", 0), handler) as server:
        plane.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield plane
        finally:
            with plane.changed:
                plane.is_stopping = True
                plane.changed.notify_all()
            server.shutdown()
            thread.join()
