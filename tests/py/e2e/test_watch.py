"""The control plane's event stream: order, resuming, too old a revision, clients that go away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.instance import Instance

Event = tuple[str, int, dict[str, Any]]


@contextmanager
def watching(platform: Instance, after: int | None = None, query: str = "") -> Iterator[Iterator[Event]]:
    """Open the stream; events are (type, revision, data)."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with platform.client.stream("GET", f"/api/v1/watch{query}", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()

        def events() -> Iterator[Event]:
            kind, id, data = "", "", ""
            for line in lines:
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("id:"):
                    id = line[3:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and data:
                    yield kind, int(id), json.loads(data)
                    kind, id, data = "", "", ""

        yield events()


def until_phase(events: Iterator[Event], id: str, phase: str) -> list[Event]:
    """All events up to the first that shows the sandbox in this phase."""
    seen = []
    for event in events:
        seen.append(event)
        sandbox = event[2].get("sandbox")
        if sandbox and sandbox["id"] == id and sandbox["status"]["phase"] == phase:
            return seen
    raise AssertionError(f"the stream ended before {id} was {phase}: {seen}")


def test_every_phase_arrives_in_order_and_can_be_replayed(platform: Instance, name: str) -> None:
    start = platform.get("/api/v1/sandboxes")["revision"]
    with watching(platform, start) as events:
        platform.create(name, args=["/bin/sleep", "600"], runtime="runc")
        seen = until_phase(events, name, "Running")
    revisions = [revision for _, revision, _ in seen]
    assert revisions == sorted(revisions) and revisions[0] > start
    phases = [data["sandbox"]["status"]["phase"] for _, _, data in seen if data.get("sandbox", {}).get("id") == name]
    order = ["Pending", "Scheduled", "Running"]
    assert [phase for phase in order if phase in phases] == list(dict.fromkeys(phases)), phases
    with watching(platform, start) as again:
        assert until_phase(again, name, "Running") == seen
    middle = revisions[len(revisions) // 2]
    with watching(platform, middle) as rest:
        assert until_phase(rest, name, "Running") == [event for event in seen if event[1] > middle]


def test_one_sandbox_only(platform: Instance, name: str) -> None:
    with watching(platform, None, f"?sandbox={name}") as events:
        platform.create(f"{name}-other", args=["/bin/sleep", "600"], runtime="runc")
        platform.create(name, args=["/bin/sleep", "600"], runtime="runc")
        seen = until_phase(events, name, "Running")
    assert {data["sandbox"]["id"] for _, _, data in seen} == {name}


def test_a_deletion_is_an_event(platform: Instance, name: str) -> None:
    platform.create(name, args=["/bin/sleep", "600"], runtime="runc")
    platform.wait_phase(name, "Running")
    with watching(platform, None, f"?sandbox={name}") as events:
        platform.delete(name)
        kinds = []
        for kind, _, _ in events:
            kinds.append(kind)
            if "delet" in kind or "removed" in kind or "gone" in kind:
                break
    assert kinds


def test_heartbeats_are_no_events(platform: Instance) -> None:
    before = platform.get("/api/v1/nodes")["revision"]
    heartbeat = platform.get("/api/v1/nodes")["items"][0]["last_heartbeat"]
    from support.waiting import wait_until

    wait_until(lambda: platform.get("/api/v1/nodes")["items"][0]["last_heartbeat"] != heartbeat, "a heartbeat", 30)
    assert platform.get("/api/v1/nodes")["revision"] == before


def test_an_unknown_revision_is_410_and_nonsense_400(platform: Instance) -> None:
    gone = platform.client.get("/api/v1/watch", headers={"Last-Event-ID": "99999999"})
    assert gone.status_code == 410 and gone.json()["error"]
    bad = platform.client.get("/api/v1/watch", headers={"Last-Event-ID": "soon"})
    assert bad.status_code == 400 and bad.json()["error"]


def test_a_revision_from_before_a_restart_is_410_or_resumes_without_a_gap(platform: Instance, name: str) -> None:
    """History is in memory: after a restart an old revision must be refused, never silently skipped."""
    start = platform.get("/api/v1/sandboxes")["revision"]
    platform.create(name, args=["/bin/sleep", "600"], runtime="runc")
    platform.wait_phase(name, "Running")
    platform.kill_and_wait_back("orch")
    assert platform.get("/api/v1/sandboxes")["revision"] > start
    answer = platform.client.get("/api/v1/watch", headers={"Last-Event-ID": str(start)})
    assert answer.status_code == 410, answer.status_code
