"""The arguments of a create become the specification that the wire has."""

from __future__ import annotations

from typing import Any

import pytest

from sandboxd._models import Probe
from sandboxd._spec import build_spec


def test_a_small_request_becomes_a_small_spec() -> None:
    assert build_spec(image="nginx") == {
        "egress": False,
        "containers": [{"name": "main", "image": "nginx", "resource": {"cpu": "200m", "memory": "256Mi"}}],
    }


def test_every_argument_of_a_spec_arrives() -> None:
    spec = build_spec(
        image="nginx",
        command=["nginx", "-g", "daemon off;"],
        env={"A": "1", "B": "x=y"},
        ports=[80, 443],
        cpu=0.25,
        memory=1024,
        egress=True,
        lifetime=90.4,
        probe=Probe.tcp(80),
        work_dir="/srv",
        node_selector={"disk": "ssd"},
        restart_policy="on_failure",
    )
    container = spec["containers"][0]
    assert container["args"] == ["nginx", "-g", "daemon off;"]
    assert container["env"] == ["A=1", "B=x=y"]
    assert container["resource"] == {"cpu": "250m", "memory": "1024"}
    assert container["work_dir"] == "/srv"
    assert spec["ports"] == [
        {"container_port": 80, "protocol": "tcp"},
        {"container_port": 443, "protocol": "tcp"},
    ]
    assert (spec["egress"], spec["ttl_seconds"], spec["node_selector"]) == (True, 91, {"disk": "ssd"})
    assert spec["readiness_probe"]["protocol"] == "tcp"
    assert spec["restart_policy"] == "on_failure" and "egress_policy" not in spec


def test_a_command_as_text_is_run_by_the_shell_of_the_image() -> None:
    args = build_spec(image="x", command="echo $HOME")["containers"][0]["args"]
    assert args == ["/bin/sh", "-c", "echo $HOME"]


@pytest.mark.parametrize(("lifetime", "seconds"), [(0.1, 1), (1, 1), (1.5, 2), (2.5, 3), (600, 600)])
def test_a_lifetime_is_never_shorter_than_asked_for(lifetime: float, seconds: int) -> None:
    assert build_spec(image="x", lifetime=lifetime)["ttl_seconds"] == seconds


@pytest.mark.parametrize("lifetime", [0, 0.0, -0.5, -600, float("nan"), float("inf")])
def test_a_lifetime_that_is_none_is_refused_by_name(lifetime: float) -> None:
    with pytest.raises(ValueError, match=f"lifetime .*above 0, not {lifetime:g}"):
        build_spec(image="x", lifetime=lifetime)


@pytest.mark.parametrize(
    ("egress", "allow", "bandwidth", "fields"),
    [
        (
            False,
            [],
            1_000_000,
            {"egress": False, "egress_policy": {"mode": "none", "bandwidth_bits_per_second": 1000000}},
        ),
        (True, (), 8000, {"egress": True, "egress_policy": {"mode": "public", "bandwidth_bits_per_second": 8000}}),
        (
            False,
            ["203.0.113.0/24:443/tcp"],
            None,
            {"egress": True, "egress_policy": {"mode": "allow_list", "allow_cidrs": ["203.0.113.0/24:443/tcp"]}},
        ),
        (
            True,
            "198.51.100.7/32",
            8000,
            {
                "egress": True,
                "egress_policy": {
                    "mode": "allow_list",
                    "allow_cidrs": ["198.51.100.7/32"],
                    "bandwidth_bits_per_second": 8000,
                },
            },
        ),
    ],
)
def test_what_may_be_reached_and_how_fast_becomes_a_policy(
    egress: bool, allow: list[str] | str, bandwidth: int | None, fields: dict[str, Any]
) -> None:
    spec = build_spec(image="x", egress=egress, allow=allow, bandwidth=bandwidth)
    assert {name: spec[name] for name in fields} == fields


def test_an_unknown_restart_policy_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="never, on_failure, always, not 'sometimes'"):
        build_spec(image="x", restart_policy="sometimes")  # type: ignore[arg-type]
