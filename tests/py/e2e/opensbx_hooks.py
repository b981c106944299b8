"""Loaded by schemathesis: half of what is asked is asked of things that are there, and nothing of strangers."""

from __future__ import annotations

import os
from typing import Any

import httpx
import schemathesis
from support.images import BOX

SANDBOX = os.environ["TEST_SANDBOX"]
COMMAND = os.environ["TEST_COMMAND"]
plane = httpx.Client(base_url=os.environ["TEST_PLANE"], trust_env=False, timeout=60)


def is_chosen(value: Any) -> bool:
    """About half of them, the same in every run."""
    return len(str(value)) % 2 == 0


def make_room() -> None:
    """Sandboxes that earlier creates made go: the next one shall not wait for room."""
    for one in plane.get("/v1/sandboxes").json()["sandboxes"]:
        if one["id"] != SANDBOX:
            plane.delete(f"/v1/sandboxes/{one['id']}")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put in what is there; keep the sandbox, and the network, out of harm's way."""
    label = case.operation.label
    values = dict(case.path_parameters or {})
    there = {"id": SANDBOX, "command": COMMAND, "image": BOX}
    for name in values:
        is_ending = label in ("DELETE /v1/sandboxes/{id}", "DELETE /v1/images/{image}")
        if is_chosen(values[name]) and not is_ending:
            values[name] = there[name]
    case.path_parameters = values
    image = case.body.get("image") if isinstance(case.body, dict) else None
    if label == "POST /v1/images/pull" and isinstance(image, str) and image:
        case.body = {**case.body, "image": "127.0.0.1:1/nobody/listens:1"}
    if label == "POST /v1/sandboxes" and isinstance(image, str) and is_chosen(image):
        make_room()
        case.body = {**case.body, "image": BOX}
