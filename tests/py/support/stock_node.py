"""A stock sandboxd-o node agent in this process: its wire, its asynchronous provisioning, its locks; no containers.

Written from the description of that program, not from ours: what it answers and when, which fields it keeps, and that
it knows no uid, no watch stream and no field but its own. Switches make it slow, deaf, forgetful or full.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
KEPT_OF_CONTAINER = ("args", "env", "capAdd", "capDrop", "securityOpt", "readOnly", "tmpfs", "volumeMounts")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _milli(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def _bytes(text: str) -> int:
    for suffix, factor in (("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)):
        if text.endswith(suffix):
            return int(text[:-2]) * factor
    return int(text)


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class State:
    """A state file, and the file lock of its id."""

    data: Json
    request: Json
    lock: threading.Lock = field(default_factory=threading.Lock)


class StockNode:
    """The agent and its switches. Every switch may be turned at any time, from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.states: dict[str, State] = {}
        self.requests: list[tuple[str, str, Any]] = []  # method, path, body; in order of arrival
        self.secret = ""
        self.cpu_milli, self.memory_bytes, self.percent = 4000, 8 << 30, 90
        self.lock_wait = 20.0
        self.provisioning = threading.Event()  # cleared: every provisioning waits
        self.provisioning.set()
        self.failing_images: dict[str, str] = {}  # image: the error that its pull ends with
        self.unreadable: set[str] = set()  # ids whose state file is torn
        self.lose_answers: list[str] = []  # "POST /path": it is done, then the connection ends without an answer
        self.deaf = threading.Event()  # set: connections end before anything is done
        self.url, self.port = "", 0

    # --- what tests ask and do ----------------------------------------------------------------------------------

    def count(self, method: str, path: str) -> int:
        """How many such requests have arrived."""
        with self.changed:
            return sum(1 for item in self.requests if item[:2] == (method, path))

    def bodies(self, method: str, path: str) -> list[Any]:
        with self.changed:
            return [item[2] for item in self.requests if item[:2] == (method, path)]

    def wait(self, look: Any, what: str, timeout: float = 30.0) -> None:
        """Until `look()` is true; looked at whenever something has happened here."""
        with self.changed:
            assert self.changed.wait_for(look, timeout), f"not within {timeout:g} s: {what}"

    def phase(self, id: str) -> str:
        with self.changed:
            return str(self.states[id].data["phase"]) if id in self.states else ""

    def reap(self, id: str) -> None:
        """What its reconcile loop does to a sandbox that is not well: state and logs go."""
        with self.changed:
            self.states.pop(id, None)
            self.changed.notify_all()

    def end_container(self, id: str, name: str) -> None:
        """A container exits: the sandbox stays `creating` with an unhealthy container."""
        with self.changed:
            data = self.states[id].data
            data["phase"] = "creating"
            data["containers"][name] |= {"phase": "stopped", "taskStatus": "container_exited"}
            self.changed.notify_all()

    # --- the agent ----------------------------------------------------------------------------------------------

    def resources(self) -> Json:
        used = [state for state in self.states.values() if state.data["phase"] not in ("deleting", "error")]
        cpu = sum(_milli(c["resource"]["cpu"]) for state in used for c in state.request["containers"])
        memory = sum(_bytes(c["resource"]["memory"]) for state in used for c in state.request["containers"])
        allocatable = (self.cpu_milli * self.percent // 100, self.memory_bytes * self.percent // 100)
        return {
            "capacity_cpu_milli": self.cpu_milli,
            "capacity_memory_bytes": self.memory_bytes,
            "allocatable_cpu_milli": allocatable[0],
            "allocatable_memory_bytes": allocatable[1],
            "used_cpu_milli": cpu,
            "used_memory_bytes": memory,
            "available_cpu_milli": max(0, allocatable[0] - cpu),
            "available_memory_bytes": max(0, allocatable[1] - memory),
            "max_alloc_percent": self.percent,
            "updated_at": _now(),
        }

    def create(self, body: Json) -> Json:
        id = body.get("id") or datetime.now(UTC).strftime("sbx-%Y%m%d-%H%M%S")
        if not ID.match(id) or ".." in id:
            raise Refused(400, "id contains unsupported characters")
        if not body.get("containers"):
            raise Refused(400, "at least one container is required")
        volumes = {volume["name"] for volume in body.get("volumes") or []}
        for container in body["containers"]:
            for mount in container.get("volumeMounts") or []:
                if mount["name"] not in volumes:
                    raise Refused(400, f"container {container['name']}: unknown volume {mount['name']}")
        with self.changed:
            present = self.states.get(id)
        if present and not present.lock.acquire(timeout=self.lock_wait):
            raise Refused(400, f"lock timeout for {id}")
        if present:
            present.lock.release()
        with self.changed:
            if id in self.states:
                raise Refused(400, f"sandbox already exists: {id}")
            self._admit(body)
            data = self._initial_state(id, body)
            self.states[id] = state = State(data, body)
            state.lock.acquire()
            answer: Json = json.loads(json.dumps(data))
            self.changed.notify_all()
        threading.Thread(target=self._provision, args=(state,), daemon=True).start()
        return {"sandbox": answer}

    def _admit(self, body: Json) -> None:
        for port in body.get("ports") or []:
            for other, state in self.states.items():
                for held in state.request.get("ports") or []:
                    if (held["hostPort"], held["protocol"]) == (port["hostPort"], port["protocol"]):
                        where = f"{port['hostPort']}/{port['protocol']} (sandbox {other})"
                        raise Refused(400, f"host port already in use: {where}")
        have = self.resources()
        cpu = sum(_milli(c["resource"]["cpu"]) for c in body["containers"])
        if cpu > have["available_cpu_milli"]:
            limit = f"limit={have['allocatable_cpu_milli']}m ({self.percent}% of host)"
            text = f"insufficient cpu allocatable: requested={cpu}m used={have['used_cpu_milli']}m {limit}"
            raise Refused(400, text)

    def _initial_state(self, id: str, body: Json) -> Json:
        containers = {}
        for item in body["containers"]:
            kept = {name: item[name] for name in KEPT_OF_CONTAINER if item.get(name)}
            containers[item["name"]] = {
                "id": f"{id}-{item['name']}",
                "name": item["name"],
                "phase": "creating",
                "image": item["image"],
                "resource": item["resource"],
                "taskPID": 0,
                "runtime": "runsc",
                **kept,
            }
        data = {"id": id, "phase": "creating", "namespace": "k8s.io", "ip": "", "subnetCIDR": "10.89.0.0/16"}
        data |= {"bridgeName": "sbx-br0", "egress": bool(body.get("egress"))}
        data |= {name: body[name] for name in ("ports", "volumes") if body.get(name)}
        data |= {"containers": containers, "cniConfPath": "/etc/cni/sandboxd.d/20-sbxnet.conflist"}
        return data | {"createdAt": _now(), "updatedAt": _now()}

    def _provision(self, state: State) -> None:
        """In the background, the lock held throughout."""
        self.provisioning.wait()
        with self.changed:
            images = [container["image"] for container in state.request["containers"]]
            failures = [self.failing_images[image] for image in images if image in self.failing_images]
            if failures:
                state.data |= {"phase": "error", "error": failures[0]}
            else:
                state.data |= {"phase": "running", "ip": "10.89.0.7"}
                for container in state.data["containers"].values():
                    container |= {"phase": "running", "taskPID": 4711}
            state.lock.release()
            self.changed.notify_all()

    def read(self, id: str) -> State:
        if not ID.match(id):
            raise Refused(500, "id contains unsupported characters")
        if id in self.unreadable:
            raise Refused(500, "unexpected end of JSON input")
        if id not in self.states:
            raise Refused(404, "not found")
        return self.states[id]

    def list(self, query: dict[str, list[str]]) -> Json:
        cursor = query.get("cursor", [""])[0]
        text = query.get("limit", ["20"])[0]
        limit = min(int(text), 200) if text.isdigit() and int(text) > 0 else 20
        ids = sorted(id for id in self.states if id > cursor and id not in self.unreadable)
        answer: Json = {"items": [self.states[id].data for id in ids[:limit]]}
        if len(ids) > limit:
            answer["next_cursor"] = ids[limit - 1]
        return answer

    def logs(self, id: str, container: str) -> Json:
        """What every container writes: one line."""
        names = [item["name"] for item in self.read(id).request["containers"]]
        if container and container not in names:
            raise Refused(404, "logs not found")
        line = "2026-01-02T03:04:05Z stdout F hello"
        if container:
            return {"sandbox_id": id, "container": container, "logs": {"lines": [line]}}
        return {"sandbox_id": id, "logs": {"lines": [f"[{name}] {line}" for name in names]}}

    def statuses(self, body: Json) -> Json:
        ids = list(dict.fromkeys(id.strip() for id in body.get("ids") or [] if id.strip()))
        if len(ids) > 200:
            raise Refused(400, "too many ids (max 200)")
        items, missing = [], []
        for id in ids:
            try:
                items.append(self._status(self.read(id).data))
            except Refused as refused:
                if refused.status != 404:
                    raise
                missing.append(id)
        return {"items": items, **({"missing": sorted(missing)} if missing else {})}

    @staticmethod
    def _status(data: Json) -> Json:
        unhealthy = []
        for container in data["containers"].values():
            if container["phase"] in ("running", "creating") and not container.get("error"):
                continue
            item = {"name": container["name"], "phase": container["phase"]}
            item |= {"error": container["error"]} if container.get("error") else {}
            unhealthy.append(item | {"task_status": container.get("taskStatus", "")})
        item = {"id": data["id"], "phase": data["phase"]}
        item |= {"ip": data["ip"]} if data["ip"] else {}
        item |= {"error": data["error"]} if data.get("error") else {}
        return item | ({"unhealthy_containers": unhealthy} if unhealthy else {})

    def delete(self, id: str) -> Json:
        with self.changed:
            state = self.states.get(id)
        if state:
            if not state.lock.acquire(timeout=self.lock_wait):
                raise Refused(500, f"lock timeout for {id}")
            with self.changed:
                state.data["phase"] = "deleting"
                self.states.pop(id, None)
                self.changed.notify_all()
        return {"id": id, "phase": "deleted"}


class _Handler(BaseHTTPRequestHandler):
    node: StockNode
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status: int, body: Json) -> None:
        self.answer(status, json.dumps(body, separators=(",", ":")).encode())

    def handle_any(self) -> None:
        node, url = self.node, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if node.deaf.is_set():
            return self.hang_up()
        with node.changed:
            node.requests.append((self.command, url.path, json.loads(raw) if raw else None))
            node.changed.notify_all()
        try:
            status, body = self.route(url.path, parse_qs(url.query), raw)
        except Refused as refused:
            status, body = refused.status, {"error": str(refused)}
        with node.changed:
            if f"{self.command} {url.path}" in node.lose_answers:
                node.lose_answers.remove(f"{self.command} {url.path}")
                return self.hang_up()
        if body is None:
            return self.answer(404, b"404 page not found", "text/plain")
        return self.answer_json(status, body)

    def hang_up(self) -> None:
        self.close_connection = True

    def route(self, path: str, query: dict[str, list[str]], raw: bytes) -> tuple[int, Json | None]:
        node, key = self.node, (self.command, path)
        if key == ("GET", "/healthz"):
            return 200, {"ok": True}
        parts = path.split("/")
        is_one = len(parts) == 4 and path.startswith("/v1/sandboxes/") and bool(parts[3])
        known = {("GET", "/v1/node/status"), ("POST", "/v1/sandboxes"), ("GET", "/v1/sandboxes")}
        known |= {("POST", "/v1/sandboxes/statuses"), ("POST", "/v1/reconcile")}
        logs = re.fullmatch(r"/v1/sandboxes/([^/]+)(?:/containers/([^/]+))?/logs", path)
        if (
            key not in known
            and not (is_one and self.command in ("GET", "DELETE"))
            and not (logs and self.command == "GET")
        ):
            return 404, None
        if node.secret and self.headers.get("Authorization") != f"Bearer {node.secret}":
            raise Refused(401, "unauthorized")
        if key == ("POST", "/v1/sandboxes"):
            return 202, node.create(json.loads(raw))
        if self.command == "DELETE":
            return 200, node.delete(unquote(parts[3]))
        with node.changed:
            if key == ("GET", "/v1/node/status"):
                return 200, {"ok": True, "resources": node.resources()}
            if key == ("POST", "/v1/sandboxes/statuses"):
                return 200, node.statuses(json.loads(raw))
            if key == ("POST", "/v1/reconcile"):
                return 200, {"ok": True}
            if logs:
                return 200, node.logs(unquote(logs[1]), unquote(logs[2] or ""))
            if is_one:
                return 200, {"sandbox": node.read(unquote(parts[3])).data}
            return 200, node.list(query)

    do_GET = do_POST = do_DELETE = do_PUT = handle_any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a caller that went away in the middle is part of the tests


@contextmanager
def running(port: int = 0) -> Iterator[StockNode]:
    """The node on 127.0.0.1, on a port of its own or the given one."""
    node = StockNode()
    handler = type("Handler", (_Handler,), {"node": node})
    with _Server(("127.0.0.1", port), handler) as server:
        node.port = int(server.server_address[1])
        node.url = f"http://127.0.0.1:{node.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield node
        finally:
            node.provisioning.set()
            server.shutdown()
            thread.join()
