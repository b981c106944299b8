"""What holds for every route that the description names, whatever it does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
from api.plane import Plane

PUBLIC = {"/healthz", "/readyz", "/openapi.json", "/v1/health"}
UNAUTHORIZED = '{"error":"unauthorized"}'
OPENSBX_UNAUTHORIZED = '{"code":"UNAUTHORIZED","message":"invalid or missing api key"}'


def operations(plane: Plane) -> Iterator[tuple[str, str]]:
    """Method and path, with something in place of each parameter."""
    for path, methods in plane.client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"\{[^}]*\}", "x", path)


def test_every_operation_but_the_public_ones_wants_the_token(plane: Plane) -> None:
    seen = 0
    with httpx.Client(base_url=plane.url, timeout=30, trust_env=False) as stranger:
        for method, path in operations(plane):
            for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic hush"}):
                answer = stranger.request(method, path, headers=header, json={})
                if path in PUBLIC:
                    assert answer.status_code == 200, (method, path)
                else:
                    words = OPENSBX_UNAUTHORIZED if path.startswith("/v1/") else UNAUTHORIZED
                    assert (answer.status_code, answer.text) == (401, words), (method, path)
                    assert answer.headers["X-Sandboxd-Error"] == "unauthenticated"
            seen += 1
    assert seen > 25
    assert plane.client.get("/api/v1/nodes/x").status_code == 404, "with the token it is another matter"


def test_every_operation_refuses_pages_of_other_origins_as_described(plane: Plane) -> None:
    paths = plane.client.get("/openapi.json").json()["paths"]
    assert all("403" in operation["responses"] for methods in paths.values() for operation in methods.values())
    for method, path in operations(plane):
        answer = plane.client.request(method, path, headers={"Origin": "http://evil.example"}, json={})
        assert answer.status_code == 403 and answer.headers["X-Sandboxd-Error"] == "permission_denied", (method, path)


def test_with_a_token_any_host_name_is_served(plane: Plane) -> None:
    named = {"Host": "sandboxd.example"}
    assert plane.client.get("/api/v1/sandboxes", headers=named).status_code == 200
    with httpx.Client(base_url=plane.url, trust_env=False) as stranger:
        assert stranger.get("/api/v1/sandboxes", headers=named).status_code == 401
