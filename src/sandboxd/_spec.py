"""The specification of a sandbox, as the wire has it, from the arguments that users give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from ._models import Probe

RestartPolicy = Literal["never", "on_failure", "always"]
OnExpiry = Literal["delete", "stop"]
RESTART_POLICIES: tuple[str, ...] = get_args(RestartPolicy)


def cpu_text(cpu: str | float) -> str:
    """CPU as a quantity: 0.2 and "200m" are the same; a number means cores."""
    return cpu if isinstance(cpu, str) else f"{round(cpu * 1000)}m"


def memory_text(memory: str | int) -> str:
    """Memory as a quantity: "256Mi"; a number means bytes."""
    return str(memory)


def lifetime_seconds(lifetime: float) -> int:
    """Whole seconds of a lifetime, never fewer than asked for.

    Raises:
        ValueError: it is not a number above 0.
    """
    if not 0 < lifetime < math.inf:
        raise ValueError(f"lifetime must be a number of seconds above 0, not {lifetime:g}; None means without an end")
    return math.ceil(lifetime)


def egress_fields(egress: bool, allow: Sequence[str], bandwidth: int | None) -> dict[str, Any]:
    """`egress` and `egress_policy`; the latter wins where both are understood."""
    policy: dict[str, Any] = {"mode": "allow_list" if allow else "public" if egress else "none"}
    if allow:
        policy["allow_cidrs"] = [allow] if isinstance(allow, str) else list(allow)
    if bandwidth is not None:
        policy["bandwidth_bits_per_second"] = bandwidth
    return {"egress": egress or bool(allow), "egress_policy": policy}


def build_spec(
    *,
    image: str,
    command: Sequence[str] | str | None = None,
    env: Mapping[str, str] | None = None,
    ports: Sequence[int] = (),
    cpu: str | float = "200m",
    memory: str | int = "256Mi",
    egress: bool = False,
    allow: Sequence[str] = (),
    bandwidth: int | None = None,
    restart_policy: RestartPolicy = "never",
    lifetime: float | None = None,
    probe: Probe | None = None,
    work_dir: str = "",
    node_selector: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    hold: bool = False,
    on_expiry: OnExpiry = "delete",
) -> dict[str, Any]:
    """Build the specification of a sandbox with one container named "main".

    Args:
        command: argument list; a string is run by the image's /bin/sh; None runs the image's own command.
        cpu: cores as a number, or a quantity such as "200m".
        memory: bytes as a number, or a quantity such as "256Mi".
        allow: with entries, only these destinations can be reached.
        bandwidth: bits per second in each direction.
        lifetime: seconds until the sandbox is removed, rounded up to whole ones; None keeps it until it is deleted.
        hold: run nothing of its own, in place of a command.
        on_expiry: what the end of its lifetime does.

    Raises:
        ValueError: the lifetime is not a number above 0, or the restart policy is none of the three.
    """
    if restart_policy not in RESTART_POLICIES:
        raise ValueError(f"restart_policy must be one of {', '.join(RESTART_POLICIES)}, not {restart_policy!r}")
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "resource": {"cpu": cpu_text(cpu), "memory": memory_text(memory)},
    }
    if hold:
        if command is not None:
            raise ValueError("give a command, or hold=True for a sandbox that only waits for commands; not both")
        container["hold"] = True
    if on_expiry not in ("delete", "stop"):
        raise ValueError(f"on_expiry must be delete or stop, not {on_expiry!r}")
    if command is not None:
        container["args"] = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    if env:
        container["env"] = [f"{key}={value}" for key, value in env.items()]
    if work_dir:
        container["work_dir"] = work_dir
    spec: dict[str, Any] = {"egress": egress, "containers": [container]}
    if allow or bandwidth is not None:
        spec |= egress_fields(egress, allow, bandwidth)
    if restart_policy != "never":
        spec["restart_policy"] = restart_policy
    if on_expiry != "delete":
        spec["on_expiry"] = on_expiry
    if lifetime is not None:
        spec["ttl_seconds"] = lifetime_seconds(lifetime)
    if ports:
        spec["ports"] = [{"container_port": port, "protocol": "tcp"} for port in ports]
    if probe is not None:
        spec["readiness_probe"] = probe.to_json()
    if node_selector:
        spec["node_selector"] = dict(node_selector)
    if labels:
        spec["labels"] = dict(labels)
    return spec


__all__ = ["RESTART_POLICIES", "OnExpiry", "RestartPolicy", "build_spec", "cpu_text", "lifetime_seconds", "memory_text"]
