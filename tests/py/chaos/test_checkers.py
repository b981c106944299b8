"""The checkers can fail: each kind of leak and each broken promise, planted on purpose, is found."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import images, leftovers
from support.instance import Instance
from support.leak_checker import check, run, settle
from support.ledger import Ledger


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A platform with one sandbox."""
    made = Instance(runtime="runc")
    try:
        made.up()
        made.create("one", image=images.WEB, ports=(8000,))
        made.wait_phase("one", "Running")
        assert settle(made) == []
        yield made
    finally:
        problems = made.destroy()
        assert not problems, problems


def slot(instance: Instance) -> Callable[[], None]:
    name = f"sbx{instance.name}-leaked"
    subprocess.run(["ip", "netns", "add", name], check=True)

    def undo() -> None:
        run("ip", "netns", "delete", name)

    return undo


def container(instance: Instance) -> Callable[[], None]:
    instance.ctr("containers", "create", images.BOX, "leaked-container")

    def undo() -> None:
        instance.ctr("containers", "rm", "leaked-container")

    return undo


def snapshot(instance: Instance) -> Callable[[], None]:
    instance.ctr("snapshots", "prepare", "leaked-snapshot")

    def undo() -> None:
        instance.ctr("snapshots", "rm", "leaked-snapshot")

    return undo


def mount(instance: Instance) -> Callable[[], None]:
    folder = instance.run_dir / "leaked" / "rootfs"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)

    def undo() -> None:
        run("umount", str(folder))
        folder.rmdir()
        folder.parent.rmdir()

    return undo


def listener(instance: Instance) -> Callable[[], None]:
    held = socket.socket()
    held.bind(("127.0.0.1", int(instance.environment["SANDBOXD_HOST_PORT_MAX"])))
    held.listen()
    return held.close


def sandbox_behind_the_control_plane(instance: Instance) -> Callable[[], None]:
    body = {
        "id": "stranger",
        "egress": False,
        "containers": [
            {
                "name": "main",
                "image": images.BOX,
                "args": ["/bin/sleep", "600"],
                "resource": {"cpu": "10m", "memory": "64Mi"},
            }
        ],
    }
    assert instance.node_client.post("/v1/sandboxes", json=body).status_code == 202

    def undo() -> None:
        instance.node_client.delete("/v1/sandboxes/stranger")

    return undo


def bridge_port(instance: Instance) -> Callable[[], None]:
    for command in (
        "ip link add sbxt-a type veth peer name sbxt-b",
        f"ip link set sbxt-a master sbx-br{instance.name}",
    ):
        subprocess.run(command.split(), check=True)

    def undo() -> None:
        run("ip", "link", "delete", "sbxt-a")

    return undo


def cgroup(instance: Instance) -> Callable[[], None]:
    parents = [
        *Path("/sys/fs/cgroup").glob(f"sandboxd-{instance.name}"),
        *Path("/sys/fs/cgroup").glob(f"*/sandboxd-{instance.name}"),
    ]
    folder = parents[0] / "leaked"
    folder.mkdir()
    return folder.rmdir


PLANTS = [slot, container, snapshot, mount, listener, sandbox_behind_the_control_plane, bridge_port, cgroup]


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.__name__ for plant in PLANTS])
def test_planted_leak_is_found(instance: Instance, plant: Callable[[Instance], Callable[[], None]]) -> None:
    undo = plant(instance)
    try:
        assert check(instance), "the checker saw nothing"
    finally:
        undo()
    assert settle(instance) == []


def test_one_slot_more_than_the_pool_holds_is_counted(instance: Instance) -> None:
    pool = int(instance.environment["SANDBOXD_SLOT_POOL_SIZE"])
    undo = slot(instance)
    try:
        counted = [problem for problem in check(instance) if "belong to no sandbox" in problem]
        assert counted and f"namespaces: {pool + 1} belong" in counted[0], counted
    finally:
        undo()
    assert settle(instance) == []


def test_planted_nft_element_is_found(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the port map is called: one more element in it is a leak. (The node would take it away at once.)"""
    from support import leak_checker
    from support.leak_checker import nft_elements, published_in_nft

    ((port, address, inner),) = published_in_nft(instance)
    table = f"sandboxd_{instance.name}"
    names = [name for name, elements in nft_elements(instance).items() if str(port) in str(elements)]
    listing = run("nft", "list", "map", "inet", table, names[0])
    element = next(line for line in listing.splitlines() if f"{port}" in line and address in line)
    text = element.split("=", 1)[-1].strip().strip("{} ,").replace(str(port), str(port + 1), 1)
    found = leak_checker.wanted(instance)
    with instance.held("node"), monkeypatch.context() as patched:
        patched.setattr(leak_checker, "wanted", lambda _: found)
        subprocess.run(["nft", "add", "element", "inet", table, names[0], "{", text, "}"], check=True)
        assert any("nft ports: leaked" in problem for problem in check(instance))
    assert settle(instance) == []
    assert inner == 8000


def test_missing_things_are_found_too(instance: Instance) -> None:
    """A sandbox whose port went away behind our back is not "no leak"."""
    address = instance.wait_phase("one", "Running")["status"]["ip"]
    from support.leak_checker import wanted

    want, problems = wanted(instance)
    assert not problems and address in want.addresses
    assert len(want.ports) == 1 and len(want.containers) == 1


@pytest.mark.parametrize(
    ("create", "delete", "listed", "is_broken"),
    [
        ("acked", "", {}, True),
        ("acked", "", {"a": "Running"}, False),
        ("acked", "acked", {"a": "Running"}, True),
        ("acked", "acked", {}, False),
        ("acked", "unknown", {}, False),
        ("acked", "unknown", {"a": "Running"}, False),
        ("unknown", "", {}, False),
        ("unknown", "", {"a": "Running"}, False),
        ("refused", "", {"a": "Running"}, True),
        ("", "", {"b": "Running"}, True),
    ],
)
def test_ledger_finds_broken_promises(create: str, delete: str, listed: dict[str, str], is_broken: bool) -> None:
    ledger = Ledger()
    if create:
        ledger.created("a", create)
    if delete:
        ledger.deleted("a", delete)
    assert bool(ledger.compare(listed)) is is_broken


def test_leftovers_of_a_check_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(leftovers.MARK, raising=False)  # cleaning up by the mark would end this run's own instances
    before = leftovers.look()
    subprocess.run(["ip", "netns", "add", "sbxt-left-behind"], check=True)
    try:
        assert "sbxt-left-behind" in leftovers.new_since(before).get("netns", [])
    finally:
        leftovers.clean(before)
    assert not leftovers.new_since(before).get("netns")
