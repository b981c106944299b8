"""The host goes down with everything on it and comes back; the disk under the node runs full."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from support import images, leftovers
from support.instance import Instance, make_spec, wait_page
from support.leak_checker import settle
from support.waiting import wait_until

Make = Callable[..., Instance]
SLEEP = ["/bin/sleep", "6000"]


def go_down(instance: Instance) -> None:
    """What a power cut takes: processes, mounts, namespaces, links, rules, cgroups, and the run directory."""
    instance.kill("up")  # first, so that it restarts nothing
    inits = set(instance.task_pids().values())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            is_ours = str(instance.root).encode() in (entry / "cmdline").read_bytes()
            if int(entry.name) in inits or is_ours:
                os.kill(int(entry.name), signal.SIGKILL)
    leftovers.clean_instance(instance.name, instance.root)
    subprocess.run(["rm", "-rf", instance.run_dir], check=True)


def test_after_a_reboot_what_ran_has_failed_and_what_is_to_run_always_does(make_instance: Make) -> None:
    instance = make_instance(runtime="runc").up()
    for id, runtime, policy in [
        ("plain", "runc", "never"),
        ("gvisor", "runsc", "never"),
        ("server", "runc", "always"),
        ("vserver", "runsc", "on_failure"),
    ]:
        more = {} if policy == "never" else {"restart_policy": policy}
        instance.create(id, image=images.WEB, ports=(8000,), runtime=runtime, cpu="200m", **more)
    for id in ("plain", "gvisor", "server", "vserver"):
        instance.wait_phase(id, "Running")
    go_down(instance)
    instance.up(images_too=False)
    for id in ("plain", "gvisor"):
        ended = instance.wait_phase(id, "Failed")
        assert "ended while nobody watched" in ended["status"]["last_error"], ended["status"]
    for id in ("server", "vserver"):

        def is_back(id: str = id) -> bool:
            status = (instance.sandbox(id) or {})["status"]
            return status["phase"] == "Running" and status["containers"][0].get("restarts", 0) >= 1

        wait_until(is_back, f"{id} back", 60)
        assert wait_page(f"http://127.0.0.1:{instance.host_port(id)}/") == images.PAGE
    assert settle(instance) == []
    instance.create("new", args=SLEEP)
    instance.wait_phase("new", "Running")
    for id in ("plain", "gvisor", "server", "vserver", "new"):
        instance.delete(id)
    for id in ("plain", "gvisor", "server", "vserver", "new"):
        instance.wait_gone(id)
    assert settle(instance) == []


def test_a_full_disk_under_the_node_refuses_creates_and_breaks_nothing_else(make_instance: Make) -> None:
    """Records, logs and containerd's own directory are on a small file system that fills up."""
    instance = make_instance(runtime="runc")
    small = instance.data_dir
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", small], check=True)
    try:
        instance.up()
        instance.create("old", image=images.WEB, ports=(8000,))
        instance.wait_phase("old", "Running")
        filler = small / "filler"
        subprocess.run(["sh", "-c", f"cat /dev/zero > {filler}"], check=False, capture_output=True)
        body = {"id": "new", "containers": make_spec(args=SLEEP)["containers"], "egress": False}
        answer = instance.node_client.post("/v1/sandboxes", json=body)
        assert answer.status_code >= 400 and "disk" in answer.text, answer.text
        assert instance.node_client.get("/v1/sandboxes/new").status_code == 404
        assert instance.node_client.get("/healthz").status_code == 200
        assert wait_page(f"http://127.0.0.1:{instance.host_port('old')}/") == images.PAGE
        assert instance.sandbox("old")["status"]["phase"] == "Running"  # type: ignore[index]
        filler.unlink()
        instance.create("later", args=SLEEP)
        instance.wait_phase("later", "Running")
        for id in ("old", "later"):
            instance.delete(id)
            instance.wait_gone(id)
        assert settle(instance) == []
    finally:
        instance.down("--rm")
        subprocess.run(["umount", "-l", small], check=False)
