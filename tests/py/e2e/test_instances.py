"""Several instances on one machine; down and up again; nothing left at the end; the client side of the package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from support import images
from support.instance import Instance, wait_page
from support.leak_checker import remains, settle

Make = Callable[..., Instance]


def test_two_instances_side_by_side(make_instance: Make) -> None:
    first, second = make_instance(runtime="runc").up(), make_instance(runtime="runc").up()
    for instance in (first, second):
        instance.create("same-id", image=images.WEB, ports=(8000,))
    for instance in (first, second):
        instance.wait_phase("same-id", "Running")
        port = instance.host_port("same-id")
        assert wait_page(f"http://127.0.0.1:{port}/") == images.PAGE
    first.delete("same-id")
    first.wait_gone("same-id")
    assert settle(first) == []
    assert wait_page(f"http://127.0.0.1:{second.host_port('same-id')}/") == images.PAGE
    assert settle(second) == []
    first.down("--rm")
    assert remains(first) == []
    second.wait_phase("same-id", "Running")


def test_down_and_up_find_sandboxes_again_with_their_old_pids(make_instance: Make) -> None:
    instance = make_instance().up()
    instance.create("c", image=images.WEB, ports=(8000,), runtime="runc")
    instance.create("g", image=images.WEB, ports=(8000,), runtime="runsc")
    for id in ("c", "g"):
        instance.wait_phase(id, "Running")
    before, port = instance.task_pids(), instance.host_port("c")
    instance.down()
    assert instance.pid("orch") is None and instance.pid("node") is None
    instance.up(images_too=False)
    for id in ("c", "g"):
        instance.wait_phase(id, "Running")
    assert instance.task_pids() == before
    assert instance.host_port("c") == port
    assert wait_page(f"http://127.0.0.1:{port}/") == images.PAGE
    assert settle(instance) == []


def test_down_rm_with_running_sandboxes_leaves_nothing(make_instance: Make) -> None:
    instance = make_instance().up()
    for number, handler in enumerate(("runc", "runsc", "runc")):
        instance.create(f"s{number}", image=images.WEB, ports=(8000,), runtime=handler)
    for number in range(3):
        instance.wait_phase(f"s{number}", "Running")
    instance.down("--rm")
    assert remains(instance) == []


def test_down_of_nothing_is_no_error(make_instance: Make) -> None:
    instance = make_instance(runtime="runc").up(images_too=False)
    instance.down("--rm")
    instance.down("--rm")
    instance.down()


def test_the_sdk_finds_the_instance_and_waits_on_the_stream(make_instance: Make) -> None:
    instance = make_instance(runtime="runc").up()
    script = """
import asyncio, httpx, sandboxd
with sandboxd.Sandbox.create("sandboxd.test/web:1", ports=[8000], memory="64Mi") as sandbox:
    sandbox.wait_running(60)
    print(httpx.get(sandbox.url(8000), trust_env=False).text.strip())
async def main():
    async with await sandboxd.AsyncSandbox.create("sandboxd.test/web:1", ports=[8000], memory="64Mi") as sandbox:
        await sandbox.wait_running(60)
        async with httpx.AsyncClient(trust_env=False) as client:
            print((await client.get(sandbox.url(8000))).text.strip())
asyncio.run(main())
try:
    sandboxd.Sandbox.create("sandboxd.test/absent:1").wait_running(60)
except sandboxd.SandboxFailedError as error:
    print("failed:", "absent" in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=instance.env(), timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    page = images.PAGE.strip()
    assert done.stdout.splitlines() == [page, page, "failed: True"]


def test_doctor_judges_this_machine(make_instance: Make) -> None:
    done = make_instance().command("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("containerd", "runsc", "nft"):
        assert word in done.stdout


def test_effective_configuration_masks_secrets(make_instance: Make) -> None:
    done = make_instance().command("config", SANDBOXD_TOKEN="do-not-show")
    assert done.returncode == 0, done.stderr
    assert "do-not-show" not in done.stdout and json.dumps("listen").strip('"') in done.stdout
