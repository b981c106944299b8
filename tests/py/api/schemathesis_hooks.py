"""Loaded by schemathesis: keeps made-up nodes on this machine, and the node and the sandbox of the fixture alive."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

SPARE_PORT = int(os.environ["TEST_SPARE_NODE_PORT"])
KEPT = {"n", "s"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Change what would reach others, or end what the other requests need."""
    if case.method == "DELETE":
        values = case.path_parameters or {}
        last = list(values)[-1:]
        case.path_parameters = {**values, **{name: "gone" for name in last if str(values[name]) in KEPT}}
    spec = case.body.get("spec") if isinstance(case.body, dict) else None
    if isinstance(spec, dict) and case.operation.label == "POST /api/v1/nodes":
        if str(case.body.get("id")).strip() in KEPT:
            case.body = {**case.body, "id": "gone"}
        made_up = spec.get("port")
        if "ip" in spec and isinstance(made_up, int) and 0 < made_up < 65536:
            # Whatever is a good address would be called: nothing but the spare node may be.
            case.body = {**case.body, "spec": {**spec, "ip": "127.0.0.1", "port": SPARE_PORT}}
    bind = isinstance(spec, dict) and case.operation.label == "POST /api/v1/externals"
    if bind and len(str(spec.get("node_id"))) % 2 == 0:
        case.body = {**case.body, "spec": {**spec, "node_id": "n"}}
