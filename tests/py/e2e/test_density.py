"""Sandboxes of both handlers come and go side by side: the harness of bench/density.py with a few of them."""

from __future__ import annotations

import asyncio

from support.density import Density, Kind
from support.instance import Instance

SECONDS = 6.0


def test_every_sandbox_serves_its_own_page_while_others_come_and_go(platform: Instance) -> None:
    kinds = [Kind("runc", 4, "32Mi", "100m"), Kind("runsc", 2, "96Mi", "200m")]
    found = asyncio.run(Density(platform, kinds, churners=1).run(SECONDS))
    assert not found.violations, found.violations
    assert set(found.checks) == {"runc", "runsc"} and all(found.checks.values())
    assert found.creates and found.deletes, "nothing was replaced"
    assert found.api["node: status of 200"], "the API was not asked"
    assert found.memory["churned"]["node agent"]["processes"] == 1
