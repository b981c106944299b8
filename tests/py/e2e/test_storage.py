"""What a sandbox may write is bounded everywhere it can write, under both handlers, and leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support import images
from support.instance import Instance
from support.leak_checker import disks, mounts, settle
from support.waiting import wait_until

HANDLERS = ["runsc", "runc"]
STORE = "sandboxd.test/store:1"
MIB = 1024 * 1024
FULL = "No space left on device"


@pytest.fixture(scope="module")
def store(platform: Instance) -> str:
    """An image that declares volumes: /www, which it has, and /data, which it has not."""
    archive = images.write_archive(platform.root / "store.tar", STORE, ["/bin/sh"], volumes=("/www", "/data/"))
    platform.ctr("images", "import", str(archive))
    return STORE


def container(name: str, script: str, **more: Any) -> dict[str, Any]:
    resource = {"cpu": "50m", "memory": "64Mi", "ephemeral_storage": more.pop("storage", "64Mi")}
    return {"name": name, "image": images.BOX, "args": ["/bin/sh", "-c", script], "resource": resource, **more}


def fill(folder: str) -> str:
    """Script that writes until it is refused, and prints the reason, the folder and the bytes."""
    write = f"dd if=/dev/zero of={folder}/fill bs=64k count=4000 2>/dev/null"
    return f"{write}; dd if=/dev/zero of={folder}/more bs=64k count=1 2>&1; echo {folder} $(wc -c <{folder}/fill)"


def filled(platform: Instance, name: str, count: int, box: str | None = None) -> dict[str, int]:
    """Bytes by folder once `count` folders are full; each must have ended in the documented error."""

    def look() -> list[str] | None:
        lines = [line for line in platform.log_lines(name, box) if re.fullmatch(r"/\S* \d+", line)]
        return lines if len(lines) >= count else None

    lines = wait_until(look, f"{count} full folders in {name}", 90)
    reasons = [line for line in platform.log_lines(name, box) if FULL in line]
    assert len(reasons) == count, platform.log_lines(name, box)
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def remove(platform: Instance, name: str) -> None:
    platform.delete(name)
    platform.wait_gone(name)
    problems = settle(platform)
    assert not problems, problems


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_place_ends_at_its_bound(platform: Instance, name: str, handler: str, store: str) -> None:
    """64Mi: 48 MiB root, 16 MiB /tmp, volumes of the image 64 MiB together; a shared volume has its own size."""
    places = ["", "/tmp", "/data", "/shared"]
    script = "; ".join(fill(place) for place in places) + "; ls /www; sleep 600"
    box = container("main", script, image=store, volume_mounts=[{"name": "shared", "mount_path": "/shared"}])
    # /tmp and shared volumes are memory.
    box["resource"]["memory"] = "256Mi"
    volumes = [{"name": "shared", "ephemeral_storage": "4Mi"}]
    platform.create(name, containers=[box], volumes=volumes, runtime=handler)
    platform.wait_phase(name, "Running")
    # The root's line begins with its bytes, since its folder has no name.
    script_lines = wait_until(
        lambda: found if "index.html" in (found := platform.log_lines(name)) else None, "every place full", 120
    )
    sizes = {"/": next(int(line) for line in script_lines if line.isdigit())}
    sizes |= {line.split()[0]: int(line.split()[1]) for line in script_lines if re.fullmatch(r"/\S+ \d+", line)}
    assert sum(FULL in line for line in script_lines) == len(places), script_lines
    bounds = {"/": 48 * MIB, "/tmp": 16 * MIB, "/data": 64 * MIB, "/shared": 4 * MIB}
    assert sizes.keys() == bounds.keys()
    for place, bound in bounds.items():
        assert 0.9 * bound <= sizes[place] <= bound, (place, sizes[place], bound)
    remove(platform, name)


@pytest.mark.parametrize("handler", HANDLERS)
def test_containers_of_a_pod_have_shares_of_their_own(platform: Instance, name: str, handler: str) -> None:
    boxes = [
        container("small", fill("/var") + "; sleep 600", storage="64Mi"),
        container("large", fill("/var") + "; sleep 600", storage="128Mi"),
    ]
    platform.create(name, containers=boxes, runtime=handler)
    platform.wait_phase(name, "Running", 90)
    small, large = (filled(platform, name, 1, box)["/var"] for box in ("small", "large"))
    assert 0.9 * 48 * MIB <= small <= 48 * MIB
    assert 0.9 * 102.4 * MIB <= large <= 102.4 * MIB
    remove(platform, name)


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_is_on_disk_is_not_the_sandboxs_memory(platform: Instance, name: str, handler: str) -> None:
    script = "dd if=/dev/zero of=/big bs=1M count=200 2>/dev/null && echo written; sleep 600"
    platform.create(name, containers=[container("main", script, storage="512Mi")], runtime=handler)
    platform.wait_phase(name, "Running")
    wait_until(lambda: platform.log_lines(name) == ["written"], "200 MiB in a sandbox of 64 MiB", 90)
    found = platform.sandbox(name)
    assert found is not None and found["status"]["phase"] == "Running"
    remove(platform, name)


@pytest.mark.parametrize("handler", HANDLERS)
def test_name_resolution_files_are_no_way_to_the_hosts_disk(platform: Instance, name: str, handler: str) -> None:
    script = "dd if=/dev/zero bs=64k count=100 2>&1 >>/etc/hosts; wc -c </etc/hosts; sleep 600"
    platform.create(name, shell=script, runtime=handler)
    platform.wait_phase(name, "Running")
    lines = wait_until(lambda: found if len(found := platform.log_lines(name)) >= 2 else None, "an answer", 40)
    assert any(FULL in line for line in lines), lines
    assert int(lines[-1]) <= 64 * 1024
    remove(platform, name)


def test_disks_outlive_the_node_agent_and_go_with_their_sandbox(platform: Instance, name: str, store: str) -> None:
    """kill -9: the running sandbox keeps its disks; what a crash or a reboot left of others is removed at the start."""
    script = "while sleep 0.2; do echo alive >>/alive && echo alive >>/data/alive || exit 7; done"
    platform.create(name, containers=[container("main", script, image=store)], runtime="runc")
    platform.wait_phase(name, "Running")
    own = disks(platform)["files"]
    assert {Path(disk).suffix for disk in own} == {".root", ".volumes"}
    (platform.data_dir / "disks/sbx-gone-0.root").write_text("of an earlier life")
    platform.kill_and_wait_back("node")
    wait_until(lambda: disks(platform)["files"] == own, "the stale disk removed", 30)
    assert disks(platform)["mounts"] == own
    platform.wait_phase(name, "Running")
    remove(platform, name)
    assert not any(disks(platform).values())
    assert not mounts(platform.run_dir / "runtime/disks")


def test_a_volume_over_a_file_of_the_image_fails_and_says_so(platform: Instance, name: str) -> None:
    reference = "sandboxd.test/wrong:1"
    archive = images.write_archive(platform.root / "wrong.tar", reference, ["/bin/sh"], volumes=("/etc/passwd",))
    platform.ctr("images", "import", str(archive))
    platform.create(name, containers=[container("main", "sleep 600", image=reference)], runtime="runc")
    found = wait_until(
        lambda: one if (one := platform.sandbox(name)) and one["status"]["phase"] == "Failed" else None, "Failed", 60
    )
    assert "volume /etc/passwd of the image" in found["status"]["last_error"]
    remove(platform, name)
