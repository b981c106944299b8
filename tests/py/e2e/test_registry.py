"""Images that are not on the machine come from a registry: a real one, on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import images
from support.instance import Instance, free_port
from support.waiting import wait_until


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A docker-registry on 127.0.0.1 with one image pushed by skopeo; the image's reference."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/store}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    reference = f"127.0.0.1:{port}/team/web:7"
    archive = images.write_archive(folder / "web.tar", reference, images.WEB_ENTRYPOINT)
    command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{archive}", f"docker://{reference}"]

    def pushed() -> bool:
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

    try:
        wait_until(pushed, "the image pushed", 30, every=0.5)
        yield reference
    finally:
        process.terminate()
        process.wait()


def test_image_is_pulled_once_and_runs(platform: Instance, registry: str) -> None:
    assert not platform.has_image(registry)
    for number in range(3):  # at once: one pull is shared
        platform.create(f"pulled{number}", image=registry, ports=(8000,), runtime="runc")
    for number in range(3):
        platform.wait_phase(f"pulled{number}", "Running", 90)
    assert platform.has_image(registry)
    wait_until(lambda: platform.log_lines("pulled0") == ["web is up"], "its first line", 15)


def test_tag_that_the_registry_does_not_have(platform: Instance, registry: str) -> None:
    absent = registry.replace(":7", ":8")
    platform.create("absent-tag", image=absent)
    found = platform.wait_phase("absent-tag", "Failed")
    assert absent in found["status"]["last_error"]


def test_registry_that_hangs_up(platform: Instance, tmp_path: Path) -> None:
    absent = f"127.0.0.1:{free_port()}/nobody/there:1"
    platform.create("no-registry", image=absent)
    found = platform.wait_phase("no-registry", "Failed", 90)
    assert absent in found["status"]["last_error"]
