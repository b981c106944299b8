"""A stock sandboxd-o orchestrator as a node meets it: its calls, in its order and spelling. Written from the
description of that program; it knows no uid and no watch stream.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]
NAMES = {"work_dir": "workDir", "cap_add": "capAdd", "cap_drop": "capDrop", "security_opt": "securityOpt"}
NAMES |= {"read_only": "readOnly", "mount_path": "mountPath", "volume_mounts": "volumeMounts"}
NAMES |= {"ephemeral_storage": "ephemeralStorage", "host_port": "hostPort", "container_port": "containerPort"}
PROBE = ("initial_delay_seconds", "period_seconds", "timeout_seconds", "success_threshold", "failure_threshold")
NAMES |= {name: name.title().replace("_", "")[0].lower() + name.title().replace("_", "")[1:] for name in PROBE}


def translate(value: Any) -> Any:
    """The control plane's snake_case form in the node's camelCase."""
    if isinstance(value, dict):
        return {NAMES.get(key, key): translate(item) for key, item in value.items()}
    return [translate(item) for item in value] if isinstance(value, list) else value


@dataclass
class StockSandbox:
    spec: Json
    phase: str = "Pending"
    ip: str = ""
    ports: list[Json] = field(default_factory=list)
    last_error: str = ""


class StockOrchestrator:
    """One node, no loops of its own: the test calls each step when it wants it."""

    def __init__(self, node_url: str, secret: str = "") -> None:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self.http = httpx.Client(base_url=node_url, headers=headers, timeout=60, trust_env=False)
        self.sandboxes: dict[str, StockSandbox] = {}
        self.used_ports: set[int] = set()

    def heartbeat(self) -> bool:
        answer = self.http.get("/healthz")
        return answer.status_code == 200 and answer.json().get("ok") is True

    def resources(self) -> Json:
        answer = self.http.get("/v1/node/status")
        assert answer.status_code == 200 and answer.json()["ok"] is True, answer.text
        return dict(answer.json()["resources"])

    def create(self, id: str, spec: Json, first_port: int) -> StockSandbox:
        """Scheduler and create call: ports reserved, request sent, then looks for the address."""
        sandbox = self.sandboxes[id] = StockSandbox(spec)
        for asked in spec.get("ports", []):
            port = next(n for n in range(first_port, first_port + 100) if n not in self.used_ports)
            self.used_ports.add(port)
            protocol = asked.get("protocol", "tcp").lower() or "tcp"
            one = {"host_port": port, "container_port": asked["container_port"], "protocol": protocol}
            sandbox.ports.append(one)
        containers = [{"args": None, "env": None, **container} for container in spec["containers"]]
        body = {"id": id, "egress": spec.get("egress", False), "ports": sandbox.ports or None}
        body |= {"volumes": spec.get("volumes"), "containers": containers}
        body |= {"readiness_probe": spec["readiness_probe"]} if "readiness_probe" in spec else {}
        body = translate(body)
        if "readiness_probe" in body:
            body["readinessProbe"] = body.pop("readiness_probe")
        answer = self.http.post("/v1/sandboxes", json=body)
        if answer.status_code >= 400:
            sandbox.phase, sandbox.last_error = "Failed", answer.text
            self.used_ports -= {port["host_port"] for port in sandbox.ports}
            return sandbox
        sandbox.phase = "Scheduled"
        for _ in range(10):
            item = self._statuses([id])["items"][0]
            if item.get("ip"):
                sandbox.ip = item["ip"]
                break
            time.sleep(0.2)  # as the original paces itself; nothing depends on it
        return sandbox

    def _statuses(self, ids: list[str]) -> Json:
        answer = self.http.post("/v1/sandboxes/statuses", json={"ids": ids})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def sync(self, batch_size: int = 50) -> None:
        """One pass of the status sync, with the original's reading of every answer."""
        ids = [id for id, item in self.sandboxes.items() if item.phase in ("Scheduled", "Running", "Failed")]
        for start in range(0, len(ids), batch_size):
            answer = self._statuses(ids[start : start + batch_size])
            for id in answer.get("missing", []):
                if self.sandboxes[id].phase != "Scheduled":
                    self.sandboxes[id].phase = "Failed"
                    self.sandboxes[id].last_error = "deleted on sbxlet node"
            for item in answer["items"]:
                self._merge(self.sandboxes[item["id"]], item)

    @staticmethod
    def _merge(sandbox: StockSandbox, item: Json) -> None:
        phase, unhealthy = item["phase"].lower(), item.get("unhealthy_containers", [])
        sandbox.ip = item.get("ip") or sandbox.ip
        if phase == "error":
            texts = [item.get("error", "")] + [
                f"container {c['name']}: {c['error']}" for c in unhealthy if c.get("error")
            ]
            sandbox.phase = "Failed"
            sandbox.last_error = "; ".join(text for text in texts if text) or "sandbox error on sbxlet node"
        elif unhealthy:
            first = unhealthy[0]
            reason = f": {first['error']}" if first.get("error") else f" unhealthy ({first['phase']})"
            sandbox.phase, sandbox.last_error = "Failed", f"container {first['name']}{reason}"
        elif phase == "running":
            sandbox.phase, sandbox.last_error = "Running", ""
        elif phase == "creating" and sandbox.phase == "Running":
            sandbox.phase = "Scheduled"

    def delete(self, id: str) -> None:
        """The finalizer."""
        answer = self.http.delete(f"/v1/sandboxes/{id}")
        assert answer.status_code == 200, answer.text
        sandbox = self.sandboxes.pop(id)
        self.used_ports -= {port["host_port"] for port in sandbox.ports}

    def leave(self) -> None:
        """Node delete without force: every sandbox, then the node's own comparison."""
        for id in list(self.sandboxes):
            self.delete(id)
        answer = self.http.post("/v1/reconcile")
        assert answer.status_code == 200, answer.text
        self.http.close()
