"""The control plane's scheduler in Python: decide, explain and try out, over nodes of your own or a live snapshot.

Example:
    scheduler = Scheduler([NodeView("a", 4000, 8 << 30), NodeView("b", 8000, 16 << 30)], policy="pack")
    found = scheduler.place(PlacementRequest(cpu_milli=500, host_ports=[0]))
    found.node, found.host_ports
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from ._models import NodeInfo
from ._native import core


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the scheduler sees it. CPU in millicores, memory and disk in bytes.

    `free` is allocatable minus reserved; None means that nothing is reserved. A disk of 0 bytes is not known, and so
    not a limit. `groups` counts the sandboxes of each group that are there.
    """

    id: str
    allocatable_cpu_milli: int
    allocatable_memory_bytes: int
    free_cpu_milli: int | None = None
    free_memory_bytes: int | None = None
    ready: bool = True
    cordoned: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    allocatable_disk_bytes: int = 0
    free_disk_bytes: int | None = None
    images: Sequence[str] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    taken_ports: Sequence[int] = ()

    @classmethod
    def from_api(cls, node: NodeInfo | Mapping[str, Any]) -> Self:
        """A node of `Client.list_nodes()`, or an item of the answer of GET /api/v1/nodes.

        Neither tells of host ports and groups: they count as free and empty.
        """
        info = node if isinstance(node, NodeInfo) else NodeInfo.from_json(node)
        resources = info.resources
        return cls(
            id=info.id,
            allocatable_cpu_milli=resources.allocatable_cpu_milli,
            allocatable_memory_bytes=resources.allocatable_memory_bytes,
            free_cpu_milli=resources.available_cpu_milli,
            free_memory_bytes=resources.available_memory_bytes,
            ready=info.is_ready,
            cordoned=info.unschedulable,
            labels=info.labels,
        )


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """What is asked of a node. CPU in millicores, memory and disk in bytes.

    `host_ports` has an entry for each published port; 0 means any. `images` are names as nodes have them. Sandboxes of
    one `group` are spread, if the policy says so.
    """

    cpu_milli: int = 0
    memory_bytes: int = 0
    selector: Mapping[str, str] = field(default_factory=dict)
    host_ports: Sequence[int] = ()
    disk_bytes: int = 0
    images: Sequence[str] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one node was refused; `rule` is one of RULES."""

    node: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The chosen node, its score and the host ports; or an empty `node` and a refusal for each node."""

    node: str
    score: int
    refusals: tuple[Refusal, ...] = ()
    host_ports: tuple[int, ...] = ()

    @property
    def placed(self) -> bool:
        return bool(self.node)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the scheduler thinks of one node: why it is refused, or its score and the points that make it up."""

    node: str
    refusal: Refusal | None
    score: int = 0
    points: Mapping[str, int] = field(default_factory=dict)


RULES = ("not_ready", "cordoned", "selector", "cpu", "memory", "disk", "ports", "held")
SCORES = (
    "cpu_room",
    "memory_room",
    "cpu_fill",
    "memory_fill",
    "balance",
    "image",
    "spread_node",
    "spread_domain",
)


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """How nodes are chosen, as data. `to_json()` is what the setting `scheduler_policy` of the control plane takes.

    Attributes:
        scores: weights from 0 to 1000 by name, see SCORES. A node's score is their weighted mean, from 0 to 100.
        rules: the order in which hard rules are asked, and so which reason a refusal gives. They hold in any order;
            those not named follow.
        domain_label: the node label whose values are failure domains, for `spread_domain`.
        candidates: how many fitting nodes are compared, the most promising first; 0 compares all.
    """

    scores: Mapping[str, int]
    name: str = "custom"
    rules: Sequence[str] = ()
    domain_label: str = "zone"
    candidates: int = 16

    @classmethod
    def from_text(cls, text: str) -> Self:
        """A built-in policy by its name, or JSON.

        Raises:
            InvalidRequestError: it is neither, or wrong; the message says what is known.
        """
        return cls(**json.loads(core().check_policy(text)))

    @classmethod
    def built_in(cls) -> list[Self]:
        """The policies that have names; the first is the default."""
        return [cls(**json.loads(text)) for text in core().built_in_policies()]

    def to_json(self) -> str:
        """As JSON, checked.

        Raises:
            InvalidRequestError: a name or a number is wrong; the message says what is known.
        """
        data = {
            "name": self.name,
            "scores": dict(self.scores),
            "rules": list(self.rules),
            "domain_label": self.domain_label,
            "candidates": self.candidates,
        }
        return str(core().check_policy(json.dumps(data)))


def _node_row(node: NodeView) -> dict[str, object]:
    def left(free: int | None, all_of_it: int) -> int:
        return all_of_it if free is None else free

    return {
        "id": node.id,
        "ready": node.ready,
        "cordoned": node.cordoned,
        "labels": dict(node.labels),
        "allocatable_cpu_milli": node.allocatable_cpu_milli,
        "allocatable_memory_bytes": node.allocatable_memory_bytes,
        "allocatable_disk_bytes": node.allocatable_disk_bytes,
        "free_cpu_milli": left(node.free_cpu_milli, node.allocatable_cpu_milli),
        "free_memory_bytes": left(node.free_memory_bytes, node.allocatable_memory_bytes),
        "free_disk_bytes": left(node.free_disk_bytes, node.allocatable_disk_bytes),
        "images": list(node.images),
        "groups": dict(node.groups),
        "taken_ports": sorted(node.taken_ports),
    }


def _request_row(request: PlacementRequest) -> dict[str, object]:
    return {
        "cpu_milli": request.cpu_milli,
        "memory_bytes": request.memory_bytes,
        "disk_bytes": request.disk_bytes,
        "selector": dict(request.selector),
        "host_ports": list(request.host_ports),
        "images": list(request.images),
        "group": request.group,
    }


def _nodes_of(nodes: Iterable[NodeView | NodeInfo | Mapping[str, Any]] | Mapping[str, Any]) -> list[NodeView]:
    items = nodes.get("items", []) if isinstance(nodes, Mapping) else nodes
    return [node if isinstance(node, NodeView) else NodeView.from_api(node) for node in items]


class Scheduler:
    """Nodes, what is reserved on them, and a policy: the control plane's own scheduler, without a control plane.

    Deterministic: the same calls give the same answers on every machine. Not for use from several threads at a time.

    Args:
        nodes: NodeView objects, `Client.list_nodes()`, or the answer of GET /api/v1/nodes as parsed JSON.
        policy: a SchedulingPolicy, the name of a built-in one, or JSON.
        ports: the first and the last host port to give out.
        seed: decides the order in which host ports are given out.

    Raises:
        InvalidRequestError: the policy or the range of ports is wrong.
    """

    def __init__(
        self,
        nodes: Iterable[NodeView | NodeInfo | Mapping[str, Any]] | Mapping[str, Any],
        *,
        policy: SchedulingPolicy | str = "spread",
        ports: tuple[int, int] = (10000, 32767),
        seed: int = 0,
    ) -> None:
        text = policy.to_json() if isinstance(policy, SchedulingPolicy) else policy
        self.policy = SchedulingPolicy.from_text(text)
        self._native = core().Scheduler([_node_row(node) for node in _nodes_of(nodes)], text, *ports, seed)

    def place(self, request: PlacementRequest, *, refusals_max: int = 1000) -> Decision:
        """Decide where a sandbox goes, and reserve its room and its host ports there."""
        node, score, ports, refusals = self._native.place(_request_row(request), refusals_max)
        return Decision(node, score, tuple(Refusal(*row) for row in refusals), tuple(ports))

    def release(self, request: PlacementRequest, decision: Decision) -> None:
        """Give back what `place(request)` reserved when it returned `decision`. Once; there is no quarantine here."""
        if decision.placed:
            self._native.release(decision.node, _request_row(request), list(decision.host_ports))

    def explain(self, request: PlacementRequest) -> list[Assessment]:
        """What each node, by id, would be for this request: refused and why, or its score. Reserves nothing."""
        return [
            Assessment(node, Refusal(*refusal) if refusal else None, score, points)
            for node, score, points, refusal in self._native.assess(_request_row(request))
        ]

    def what_if(self, requests: Iterable[PlacementRequest], *, refusals_max: int = 1000) -> list[Decision]:
        """Where these would go, one after another, as things stand. Nothing is reserved here."""
        trial = self.copy()
        return [trial.place(request, refusals_max=refusals_max) for request in requests]

    def copy(self) -> Scheduler:
        """Another scheduler in the same state; what happens to one does not touch the other."""
        twin = object.__new__(Scheduler)
        twin.policy = self.policy
        twin._native = self._native.copy()
        return twin

    @property
    def nodes(self) -> list[NodeView]:
        """The nodes, by id, with what is free now. Taken host ports are not listed."""
        return [NodeView(**row) for row in self._native.nodes()]


def place(
    nodes: Sequence[NodeView],
    request: PlacementRequest,
    *,
    policy: SchedulingPolicy | str = "spread",
    refusals_max: int = 1000,
) -> Decision:
    """Decide where a sandbox would go, comparing all nodes. Pure: the same arguments give the same answer.

    Example:
        place([NodeView("a", 4000, 8 << 30)], PlacementRequest(cpu_milli=200)).node == "a"
    """
    chosen = policy if isinstance(policy, SchedulingPolicy) else SchedulingPolicy.from_text(policy)
    every = SchedulingPolicy(chosen.scores, chosen.name, chosen.rules, chosen.domain_label, candidates=0)
    return Scheduler(nodes, policy=every).place(request, refusals_max=refusals_max)


__all__ = [
    "RULES",
    "SCORES",
    "Assessment",
    "Decision",
    "NodeView",
    "PlacementRequest",
    "Refusal",
    "Scheduler",
    "SchedulingPolicy",
    "place",
]
