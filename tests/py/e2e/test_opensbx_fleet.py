"""Opensbx over two nodes, one with runc and one with runsc: images, placement, commands, files, and a dead node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import images
from support.fleet import Fleet, fleet_of
from support.instance import Instance, wait_page
from support.leak_checker import settle
from support.opensbx import Box, Opensbx
from support.registry import push, registry
from support.waiting import wait_until


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Both nodes, which have nothing left at the end."""
    both = (Instance(runtime="runc"), Instance(runtime="runsc"))
    try:
        with fleet_of(*both) as made:
            yield made
        both[1].wait_back()
        leaks = [problem for instance in both for problem in settle(instance)]
        assert not leaks, "leaked:\n" + "\n".join(leaks)
    finally:
        problems = [problem for instance in both for problem in instance.destroy()]
        assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture(scope="module")
def api(fleet: Fleet) -> Opensbx:
    """The routes of the fleet's control plane."""
    return Opensbx(fleet.plane)


def tags(api: Opensbx) -> list[str]:
    """Of all images in the list, which has each once."""
    listed = api.call("GET", "/images", 200).json()["images"]
    assert len({image["id"] for image in listed}) == len(listed)
    return [tag for image in listed for tag in image["tags"]]


def on_both(fleet: Fleet, api: Opensbx) -> tuple[Box, Box]:
    """A sandbox on each node."""
    made: list[Box] = []
    for number in (0, 1):
        with fleet.only(number):
            made.append(api.create(images.WEB, ports=["8000"]))
    assert [fleet.node_of(box.id) for box in made] == [0, 1]
    return made[0], made[1]


def test_the_list_of_images_is_the_union(fleet: Fleet, api: Opensbx) -> None:
    fleet.import_on(1, "only.test/listed:1")
    assert tags(api).count("only.test/listed:1") == 1
    assert tags(api).count(images.BOX) == 1  # both have it
    assert api.call("GET", "/images/only.test/listed:1", 200).json()["tags"] == ["only.test/listed:1"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_sandbox_goes_where_its_image_is(fleet: Fleet, api: Opensbx, number: int) -> None:
    reference = f"only.test/image:{number}"
    fleet.import_on(number, reference)
    made = [api.create(reference) for _ in range(4)]  # also when the other node has more room by then
    assert [fleet.node_of(box.id) for box in made] == [number] * 4
    assert made[3].run("true")["exit_code"] == 0
    for box in made:
        box.delete()


def test_a_pull_is_for_all_nodes_or_for_one(fleet: Fleet, api: Opensbx, tmp_path: Path) -> None:
    with registry(tmp_path / "store") as address:
        everywhere, somewhere = f"{address}/team/all:1", f"{address}/team/one:1"
        for reference in (everywhere, somewhere):
            archive = images.write_archive(tmp_path / "box.tar", reference, ["/bin/true", reference])
            push(address, archive, reference.removeprefix(f"{address}/"))
        api.call("POST", "/images/pull", 200, {"image": everywhere})
        api.call("POST", "/images/pull", 200, {"image": somewhere}, node=fleet.names[1])
    assert [node.has_image(everywhere) for node in fleet.nodes] == [True, True]
    assert [node.has_image(somewhere) for node in fleet.nodes] == [False, True]
    api.error("POST", "/images/pull", 404, "NOT_FOUND", "node not found", {"image": somewhere}, node="nobody")
    for reference in (everywhere, somewhere):
        api.call("DELETE", f"/images/{reference}", 204, force="true")
        assert [node.has_image(reference) for node in fleet.nodes] == [False, False]
        api.error("GET", f"/images/{reference}", 404, "NOT_FOUND", "image not found")


def test_an_image_in_use_anywhere_stays_everywhere(fleet: Fleet, api: Opensbx) -> None:
    boxes = on_both(fleet, api)
    boxes[0].delete()
    refused = api.call("DELETE", f"/images/{images.WEB}", 409).json()
    assert refused["code"] == "CONFLICT" and boxes[1].id in refused["message"]
    assert [node.has_image(images.WEB) for node in fleet.nodes] == [True, True]
    boxes[1].delete()


def test_commands_files_and_ports_of_both_nodes(fleet: Fleet, api: Opensbx) -> None:
    boxes = on_both(fleet, api)
    listed = api.call("GET", "/sandboxes", 200).json()["sandboxes"]
    assert {box.id for box in boxes} <= {one["id"] for one in listed}
    for number, box in enumerate(boxes):
        done = box.run("sh", "-c", f"echo out {number}; echo err >&2; exit {number}")
        assert done["exit_code"] == number
        assert box.logs(done) == {"stdout": f"out {number}\n", "stderr": "err\n", "exit_code": number}
        box.call("PUT", "/files", 200, {"content": f"node {number}"}, path="/www/index.html")
        assert box.call("GET", "/files", 200, path="/www/index.html").json()["content"] == f"node {number}"
        box.start("httpd", "-f", "-p", "8000", "-h", "/www")
        port = box.call("GET", "/network", 200).json()["ports_map"]["8000/tcp"]
        assert wait_page(f"http://127.0.0.1:{port}/") == f"node {number}"
        assert box.call("GET", "/stats", 200).json()["pids"] > 0
        for verb, status in (("pause", "paused"), ("resume", "resumed"), ("stop", "stopped")):
            assert box.call("POST", f"/{verb}", 200).json() == {"status": status}
        assert box.call("POST", "/start", 200).json()["status"] == "started"
        assert box.run("cat", "/www/index.html")["exit_code"] == 0
        box.delete()


def test_a_dead_node_takes_nothing_from_the_other(fleet: Fleet, api: Opensbx) -> None:
    here, there = on_both(fleet, api)
    sleeping = there.start("sleep", "600")
    with fleet.without_second():
        # What is asked of it is refused at once or soon, as unavailable; the other serves.
        refused = there.call("POST", "/cmd", 503, {"command": "true"})
        assert refused.json()["code"] == "UNAVAILABLE" and refused.headers["retry-after"]
        there.call("GET", "/files", 503, path="/etc/passwd")
        assert here.run("true")["exit_code"] == 0
        assert api.call("GET", "/health", 200).json() == {"status": "healthy"}
        assert images.BOX in tags(api)
        assert {here.id, there.id} <= {one["id"] for one in api.call("GET", "/sandboxes", 200).json()["sandboxes"]}
        wait_until(lambda: fleet.state(1) != "Ready", "the control plane to see it", 60)
        made = api.create(images.BOX)
        assert fleet.node_of(made.id) == 0
        made.delete()
    assert there.run("true")["exit_code"] == 0
    assert "exit_code" not in there.call("GET", f"/cmd/{sleeping['id']}", 200).json()["command"]
    there.call("POST", f"/cmd/{sleeping['id']}/kill", 200, {"signal": 9})
    ended = there.call("GET", f"/cmd/{sleeping['id']}", 200, wait="true").text.splitlines()[-1]
    assert json.loads(ended)["command"]["exit_code"] == 137
    for box in (here, there):
        box.delete()
