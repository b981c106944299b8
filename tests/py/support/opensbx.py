"""A sandbox seen through the Opensbx routes, for the tests of that dialect."""

from __future__ import annotations

import json
from typing import Any

import httpx
from support.instance import Instance

TEXT = {"content-type": "application/json; charset=utf-8"}


def open_streams(instance: Instance) -> int:
    """How many answers the control plane is in the middle of."""
    lines = instance.client.get("/metrics").text.splitlines()
    (line,) = [one for one in lines if one.startswith("sandboxd_http_streams ")]
    return int(float(line.split()[1]))


class Opensbx:
    """The routes of one control plane."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.http: httpx.Client = instance.client

    def call(self, method: str, path: str, status: int, body: Any = None, /, **query: str) -> httpx.Response:
        """A request whose status must be this one. A body that is text is sent as it is."""
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        answer = self.http.request(method, f"/v1{path}", content=content, params=query or None)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def error(
        self, method: str, path: str, status: int, code: str, message: str, body: Any = None, /, **query: str
    ) -> None:
        """A request that is refused with exactly this body."""
        answer = self.call(method, path, status, body, **query)
        assert answer.headers["content-type"] == TEXT["content-type"]
        text = json.dumps({"code": code, "message": message}, separators=(",", ":"))
        assert answer.text == text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def create(self, image: str, **more: Any) -> Box:
        """A running sandbox."""
        made = self.call("POST", "/sandboxes", 201, {"image": image, **more}).json()
        return Box(self, made["id"], made)


class Box:
    """One sandbox."""

    def __init__(self, api: Opensbx, id: str, made: dict[str, Any]) -> None:
        self.api, self.id, self.made = api, id, made

    def call(self, method: str, path: str, status: int, body: Any = None, /, **query: str) -> httpx.Response:
        """The same below the sandbox's path."""
        return self.api.call(method, f"/sandboxes/{self.id}{path}", status, body, **query)

    def error(
        self, method: str, path: str, status: int, code: str, message: str, body: Any = None, /, **query: str
    ) -> None:
        """The same, refused."""
        self.api.error(method, f"/sandboxes/{self.id}{path}", status, code, message, body, **query)

    def run(self, *argv: str, **more: Any) -> dict[str, Any]:
        """A command at its end."""
        body = {"command": argv[0], "args": list(argv[1:]), **more}
        lines = self.call("POST", "/cmd", 200, body, wait="true").text.splitlines()
        assert len(lines) == 2, lines
        return dict(json.loads(lines[1])["command"])

    def start(self, *argv: str, **more: Any) -> dict[str, Any]:
        """A command as it begins."""
        body = {"command": argv[0], "args": list(argv[1:]), **more}
        return dict(self.call("POST", "/cmd", 200, body).json()["command"])

    def logs(self, command: dict[str, Any]) -> dict[str, Any]:
        """What is kept of a command's output."""
        return dict(self.call("GET", f"/cmd/{command['id']}/logs", 200).json())

    def delete(self) -> None:
        """Gone when it returns."""
        assert self.call("DELETE", "", 204).text == ""
