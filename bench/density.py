"""Many sandboxes of both handlers alive together, created and deleted all the while, each asked on its own port.

    sudo python bench/density.py [--runc 300] [--runsc 100] [--seconds 600] [--cpu 4m]

Aims: nobody is silent or serves another's page; the API answers within 10 ms (p95); nothing is left afterwards. The
floor of an API call is GET /healthz on the same connection in the same second. Each sandbox asks for so little CPU that
all of them fit on two cores. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from cluster import ROOT, figures, write_results

sys.path.insert(0, str(ROOT / "tests/py"))

from support.density import Density, Findings, Kind
from support.instance import Instance
from support.leak_checker import settle

API_MS = 10.0


def summary(found: Findings, leaks: list[str]) -> dict[str, Any]:
    """What is printed and kept."""
    tables = {
        "checks_ms": found.checks,
        "create_until_serving_ms": found.creates,
        "delete_until_gone_ms": found.deletes,
        "api_ms": found.api,
        "delete_answered_ms": found.delete_answers,
    }
    out: dict[str, Any] = {"violations": found.violations, "leaks": leaks, "starting_s": found.starting_s}
    for name, table in tables.items():
        out[name] = {row: figures(values) for row, values in table.items()}
    out["memory"] = found.memory
    out["api_within_aim"] = all(row["p95"] <= API_MS for row in out["api_ms"].values())
    return out


def show(result: dict[str, Any]) -> None:
    """The figures as text."""
    print(f"all served after {result['starting_s']} s")
    for table in ("checks_ms", "create_until_serving_ms", "delete_until_gone_ms", "delete_answered_ms", "api_ms"):
        for row, value in result[table].items():
            print(f"{table:24} {row:34} p50 {value['p50']:9.2f} p95 {value['p95']:9.2f} n {value['n']}")
    for moment, roles in result["memory"].items():
        for role, row in sorted(roles.items()):
            each, shared = row["resident_mib"] / row["processes"], row["pss_mib"]
            print(f"{moment}: {role:16} {row['processes']:5.0f} processes, {each:7.1f} MiB each, PSS {shared:8.1f}")
    print(
        f"violations {len(result['violations'])}, leaks {len(result['leaks'])}, API aim met: {result['api_within_aim']}"
    )
    for text in [*result["violations"][:20], *result["leaks"][:20]]:
        print(f"  {text}")


def main() -> int:
    """Run, print, write JSON; 1 when something was violated or left behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runc", type=int, default=300)
    parser.add_argument("--runsc", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--cpu", default="4m")
    parser.add_argument("--churners", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=16, help="sandboxes that the node provisions at a time")
    arguments = parser.parse_args()
    environment = {
        "SANDBOXD_PROVISION_PARALLEL": str(arguments.parallel),
        "SANDBOXD_PROVISION_TIMEOUT": "15m",
        "SANDBOXD_CONTAINER_CREATE_TIMEOUT": "10m",
    }
    instance = Instance(environment=environment, sandboxes_max=arguments.runc + arguments.runsc)
    kinds = [
        Kind("runc", arguments.runc, "32Mi", arguments.cpu),
        Kind("runsc", arguments.runsc, "96Mi", arguments.cpu),
    ]
    leaks: list[str] = []
    try:
        instance.up()
        density = Density(instance, [kind for kind in kinds if kind.count > 0], arguments.churners)
        found = asyncio.run(density.run(arguments.seconds))
        leaks += settle(instance, 60)
        if found.violations:
            print(f"logs: {instance.keep_logs('density')}")
    finally:
        leaks += instance.destroy()
    result = {"cpus": os.cpu_count(), **vars(arguments), **summary(found, leaks)}
    show(result)
    write_results("density", result)
    return 1 if found.violations or leaks else 0


if __name__ == "__main__":
    sys.exit(main())
