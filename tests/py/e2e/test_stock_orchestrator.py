"""Our node under a stock sandboxd-o orchestrator, with real containers; our own control plane leaves its work alone."""

from __future__ import annotations

import httpx
from support.images import WEB
from support.instance import Instance, free_port
from support.stock_orchestrator import StockOrchestrator
from support.waiting import wait_until

RESOURCE = {"cpu": "50m", "memory": "64Mi"}


def test_a_stock_orchestrator_drives_our_node(platform: Instance) -> None:
    orchestrator = StockOrchestrator(platform.node_url)
    assert orchestrator.heartbeat() and orchestrator.resources()["allocatable_cpu_milli"] > 0
    probe = {"protocol": "http", "port": 8000, "path": "/", "initial_delay_seconds": 1, "period_seconds": 1}
    probe |= {"timeout_seconds": 1, "success_threshold": 1, "failure_threshold": 30}
    container = {"name": "web", "image": WEB, "resource": RESOURCE, "read_only": True}
    spec = {"egress": False, "containers": [container], "ports": [{"container_port": 8000}], "readiness_probe": probe}
    sandbox = orchestrator.create("stock-web", spec, free_port())
    assert sandbox.phase == "Scheduled", sandbox.last_error

    def is_running() -> bool:
        orchestrator.sync()
        return sandbox.phase == "Running"

    wait_until(is_running, "Running for the orchestrator", 60, every=0.5)
    page = httpx.get(f"http://127.0.0.1:{sandbox.ports[0]['host_port']}/", timeout=10, trust_env=False)
    assert page.status_code == 200 and sandbox.ip
    assert "stock-web" not in [item["id"] for item in platform.get("/api/v1/sandboxes")["items"]]

    failing = orchestrator.create("stock-bad", {**spec, "containers": [{**container, "image": "x.test/no:1"}]}, 0x7000)
    wait_until(
        lambda: (orchestrator.sync(), failing.phase == "Failed")[1], "Failed for the orchestrator", 60, every=0.5
    )
    assert failing.last_error
    orchestrator.delete("stock-bad")
    # Ours has heard of both on the node's stream, and they are none of its business.
    assert platform.node_get("/v1/sandboxes/stock-web")["sandbox"]["phase"] == "running"
    orchestrator.leave()
    assert platform.node_get("/v1/sandboxes")["items"] == []
