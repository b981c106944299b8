"""A running sandbox seen through its node's routes for commands and files."""

from __future__ import annotations

from typing import Any

from support.instance import Instance


class Box:
    """A sandbox seen through its node."""

    def __init__(self, instance: Instance, id: str) -> None:
        self.instance, self.id = instance, id
        self.http = instance.node_client
        self.path = f"/v1/sandboxes/{id}"

    def exec(self, *argv: str, status: int = 200, **spec: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.path}/exec", json={"argv": list(argv), **spec})
        assert answer.status_code == status, f"{argv}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def start(self, *argv: str, **spec: Any) -> str:
        answer = self.http.post(f"{self.path}/commands", json={"argv": list(argv), **spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["command"]["id"])

    def command(self, id: str, wait_ms: int = 30000) -> dict[str, Any]:
        answer = self.http.get(f"{self.path}/commands/{id}", params={"wait_ms": wait_ms})
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["command"])

    def output(self, id: str) -> dict[str, Any]:
        answer = self.http.get(f"{self.path}/commands/{id}/output")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
