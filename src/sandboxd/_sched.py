"""The scheduler as a pure function: what would the control plane decide, given these nodes and this request?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ._native import core


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the scheduler sees it. CPU in millicores, memory in bytes; `free` is allocatable minus reserved."""

    id: str
    allocatable_cpu_milli: int
    allocatable_memory_bytes: int
    free_cpu_milli: int
    free_memory_bytes: int
    ready: bool = True
    cordoned: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    free_ports: int = 1000
    taken_ports: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """What is asked of a node. `host_ports` has an entry for each published port; 0 means any."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    selector: Mapping[str, str] = field(default_factory=dict)
    host_ports: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one node was refused; `rule` is not_ready, cordoned, selector, cpu, memory or ports."""

    node: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The chosen node and its score, or an empty `node` and a refusal for each node."""

    node: str
    score: int
    refusals: tuple[Refusal, ...] = ()

    @property
    def placed(self) -> bool:
        return bool(self.node)


def place(nodes: Sequence[NodeView], request: PlacementRequest, *, refusals_max: int = 1000) -> Decision:
    """Decide where a sandbox would go. Pure: the same arguments give the same answer, and nothing is reserved.

    Example:
        place([NodeView("a", 4000, 8 << 30, 4000, 8 << 30)], PlacementRequest(cpu_milli=200)).node == "a"
    """
    rows = [{**asdict(node), "taken_ports": sorted(node.taken_ports)} for node in nodes]
    wanted = {**asdict(request), "host_ports": list(request.host_ports)}
    node, score, refusals = core().place(rows, wanted, refusals_max)
    return Decision(node, score, tuple(Refusal(*row) for row in refusals))


__all__ = ["Decision", "NodeView", "PlacementRequest", "Refusal", "place"]
