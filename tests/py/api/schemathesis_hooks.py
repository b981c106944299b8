"""Loaded by schemathesis: keeps made-up nodes on this machine, and gives half of the Externals a node that is there."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

SPARE_PORT = int(os.environ["TEST_SPARE_NODE_PORT"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Whatever is a good address would be called: nothing but the spare node may be."""
    spec = case.body.get("spec") if isinstance(case.body, dict) else None
    if not isinstance(spec, dict):
        return
    if case.operation.label == "POST /api/v1/nodes" and "ip" in spec and "port" in spec:
        made_up = spec["port"]
        is_port = isinstance(made_up, int) and 0 < made_up < 65536
        case.body = {**case.body, "spec": {**spec, "ip": "127.0.0.1", "port": SPARE_PORT if is_port else made_up}}
    elif case.operation.label == "POST /api/v1/externals" and len(str(spec.get("node_id"))) % 2 == 0:
        case.body = {**case.body, "spec": {**spec, "node_id": "n"}}
