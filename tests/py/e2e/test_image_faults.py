"""Images and registries that are wrong: the error names image and cause, nothing is left, and a later create works."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import end
from support import fake_registry, images
from support.fake_registry import FakeRegistry, Repository, make_repository
from support.instance import Instance, free_port
from support.leak_checker import settle
from support.waiting import wait_until

PULL_SECONDS = 12


@pytest.fixture(scope="module")
def platform() -> Iterator[Instance]:
    """One that has credentials of registries and little patience with them."""
    instance = Instance(runtime="runc")
    instance.environment |= {
        "SANDBOXD_REGISTRY_AUTH_FILE": str(auth_file(instance)),
        "SANDBOXD_IMAGE_PULL_TIMEOUT": f"{PULL_SECONDS}s",
    }
    try:
        instance.up()
        yield instance
        for item in instance.get("/api/v1/sandboxes")["items"]:
            instance.delete(item["id"])
            instance.wait_gone(item["id"])
        problems = settle(instance)
        assert not problems, "leaked:\n" + "\n".join(problems)
    finally:
        end(instance)


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with fake_registry.serving() as served:
        yield served


def auth_file(instance: Instance) -> Path:
    return instance.root / "registry-auth.json"


def write_auth(instance: Instance, host: str, login: str, mode: int = 0o600) -> None:
    """Replace the file as an operator would."""
    path = auth_file(instance)
    path.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(login.encode()).decode()}}}))
    path.chmod(mode)


def failure(platform: Instance, name: str, image: str, **spec: Any) -> str:
    """Why a sandbox of this image fails."""
    platform.create(name, image=image, **spec)
    found = platform.wait_phase(name, "Failed", 90)
    platform.delete(name)
    return str(found["status"]["last_error"])


def run(platform: Instance, name: str, image: str) -> None:
    """A sandbox of this image comes to run."""
    platform.create(name, image=image)
    platform.wait_phase(name, "Running", 90)
    platform.delete(name)


def expect_no_remains(platform: Instance) -> None:
    """No half-received blob, and no lease that would keep what belongs to no image."""
    wait_until(lambda: len(platform.ctr("content", "active").splitlines()) <= 1, "no blob half received", 15)
    wait_until(lambda: len(platform.ctr("leases", "ls", "-q").split()) == 0, "no lease left", 15)


def test_credentials_are_read_at_every_pull(platform: Instance, registry: FakeRegistry, name: str) -> None:
    image = registry.add("secret/web", make_repository(user="ann:pa:ss-w0rd"))
    text = failure(platform, f"{name}-none", image)
    assert image in text
    assert f"the registry {registry.host} wants credentials" in text
    assert str(auth_file(platform)) in text  # which is not there
    write_auth(platform, registry.host, "ann:pa:ss-w0rd", 0o644)
    assert "chmod 600" in failure(platform, f"{name}-open", image)
    write_auth(platform, "other.example", "ann:pa:ss-w0rd")
    assert f"{auth_file(platform)} has none for it" in failure(platform, f"{name}-other", image)
    write_auth(platform, registry.host, "ann:wr0ng-one")
    assert "refused the credentials" in failure(platform, f"{name}-wrong", image)
    write_auth(platform, registry.host, "ann:pa:ss-w0rd")
    run(platform, f"{name}-right", image)
    logs = platform.log_tail(100_000)
    for secret in ("ss-w0rd", "wr0ng-one", base64.b64encode(b"ann:pa:ss-w0rd").decode()):
        assert secret not in logs


def test_credentials_of_a_real_registry(platform: Instance, tmp_path: Path, name: str) -> None:
    port = free_port()
    # "ann:secret"; bcrypt is the only form that the registry takes.
    (tmp_path / "htpasswd").write_text("ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/store}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    image = f"127.0.0.1:{port}/team/box:1"
    archive = images.write_archive(tmp_path / "box.tar", image, ["/bin/sh", "-c", "sleep 1000"])
    command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", "--dest-creds", "ann:secret"]
    command += [f"oci-archive:{archive}", f"docker://{image}"]
    try:
        wait_until(lambda: subprocess.run(command, check=False, timeout=60).returncode == 0, "pushed", 30, every=0.5)
        write_auth(platform, "other.example", "ann:secret")
        text = failure(platform, f"{name}-none", image)
        assert image in text
        assert f"the registry 127.0.0.1:{port} wants credentials" in text
        write_auth(platform, f"http://127.0.0.1:{port}/v2/", "ann:secret")
        run(platform, f"{name}-right", image)
    finally:
        process.terminate()
        process.wait()


def _other_layer(repository: Repository) -> Repository:
    """What arrives as its layer is something else, of the same length."""
    data = repository.blobs[repository.layer]
    repository.blobs[repository.layer] = data[:-1] + bytes([data[-1] ^ 1])
    return repository


def _no_config(repository: Repository) -> Repository:
    repository.blobs = {digest: data for digest, data in repository.blobs.items() if digest == repository.layer}
    return repository


WRONG = {
    "garbage": (lambda: Repository(b'{"schemaVersion":2,', {}), ""),
    "no-layers": (lambda: Repository(b'{"schemaVersion":2,"config":{},"layers":7}', {}), ""),
    "no-config-blob": (lambda: _no_config(make_repository()), "not found"),
    "other-layer": (lambda: _other_layer(make_repository(layer=images.root_layer() + b"\0" * 512)), ""),
    "wrong-diff-id": (
        lambda: make_repository({"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}),
        "",
    ),
    "wrong-architecture": (lambda: make_repository({"architecture": "s390x"}), ""),
    "server-error": (lambda: make_repository(status=500), "500"),
    "forbidden": (lambda: make_repository(status=403), "the registry"),
    "no-command": (lambda: make_repository({"config": {}}), "no command"),
    "unknown-user": (
        lambda: make_repository({"config": {"Entrypoint": ["/bin/sh"], "User": "nobody-here"}}),
        'user "nobody-here" is not in the image',
    ),
    "missing-program": (lambda: make_repository({"config": {"Entrypoint": ["/no/such"]}}), "/no/such"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_images(platform: Instance, registry: FakeRegistry, name: str, case: str) -> None:
    make, cause = WRONG[case]
    image = registry.add(f"wrong/{case}", make())
    text = failure(platform, f"{name}", image)
    print(text)
    assert image in text
    assert cause in text
    expect_no_remains(platform)


def test_registry_that_dies_in_mid_layer(platform: Instance, registry: FakeRegistry, name: str) -> None:
    plain = images.root_layer() + b"\0" * 1024  # a layer that no other test brought
    repository = make_repository(layer=plain, cut_layer_at=100_000)
    image = registry.add("dies/web", repository)
    text = failure(platform, f"{name}-cut", image)
    assert image in text
    repository.cut_layer_at = 0
    run(platform, f"{name}-whole", image)
    expect_no_remains(platform)


def test_slow_registry_and_what_is_seen_of_it(platform: Instance, registry: FakeRegistry, name: str) -> None:
    # Larger than what containerd writes at once, and no smaller when packed.
    plain = images.root_layer() + random.Random(7).randbytes(6 << 20)
    gate = threading.Event()
    repository = make_repository(layer=plain, gate=gate)
    image = registry.add("slow/web", repository)
    platform.create(f"{name}-late", image=image)

    def pull() -> dict[str, Any] | None:
        pulls = platform.node_get(f"/v1/sandboxes/{name}-late")["sandbox"].get("pulls", [])
        return pulls[0] if pulls and pulls[0]["bytesDone"] > 0 else None

    seen = wait_until(pull, "the pull's progress", PULL_SECONDS)
    size = len(repository.blobs[repository.layer])
    assert (seen["image"], seen["layersDone"], seen["layersTotal"]) == (image, 0, 1)
    assert 0 < seen["bytesDone"] < size == seen["bytesTotal"]
    assert seen["message"].startswith(f"pulling {image}: 0 of 1 layers, ")
    node = platform.get("/api/v1/nodes")["items"][0]["id"]  # and through the control plane
    assert platform.get(f"/api/v1/nodes/{node}/sandboxes/{name}-late")["sandbox"]["pulls"][0]["image"] == image
    found = platform.wait_phase(f"{name}-late", "Failed", 60)
    assert (
        f'pull image "{image}": not done within image_pull_timeout ({PULL_SECONDS}s)' in found["status"]["last_error"]
    )
    assert "pulls" not in platform.node_get(f"/v1/sandboxes/{name}-late")["sandbox"]
    platform.delete(f"{name}-late")
    gate.set()
    run(platform, f"{name}-again", image)
    expect_no_remains(platform)


def test_one_pull_serves_all_that_wait(platform: Instance, registry: FakeRegistry, name: str) -> None:
    gate = threading.Event()
    repository = make_repository(layer=images.root_layer() + b"\0" * 2048, gate=gate)
    image = registry.add("shared/web", repository)
    two = [{"name": part, "image": image, "resource": {"cpu": "10m", "memory": "64Mi"}} for part in ("a", "b")]
    platform.create(f"{name}-1", containers=two)
    platform.create(f"{name}-2", image=image)
    assert repository.layer_asked.wait(30)
    gate.set()
    for number in (1, 2):
        platform.wait_phase(f"{name}-{number}", "Running", 90)
    assert sum(repository.layer in path for path in repository.gets) == 1


def test_pinned_images_say_what_ran(platform: Instance, registry: FakeRegistry, name: str) -> None:
    repository = make_repository({"config": {"Entrypoint": ["/bin/sh", "-c", "sleep 2000"]}})
    tagged = registry.add("pinned/web", repository)
    host_and_path = tagged.removesuffix(":1")
    for number, image in enumerate((f"{host_and_path}@{repository.digest}", f"{tagged}@{repository.digest}", tagged)):
        platform.create(f"{name}-{number}", image=image)
        platform.wait_phase(f"{name}-{number}", "Running", 90)
        shown = platform.node_get(f"/v1/sandboxes/{name}-{number}")["sandbox"]["containers"]["main"]
        assert shown["imageDigest"] == repository.digest
    absent = f"{host_and_path}@sha256:{'1' * 64}"
    assert absent in failure(platform, f"{name}-absent", absent)


def bomb(size: int) -> tuple[bytes, str]:
    """A small layer that unpacks to a file of zeros; with its diff id."""
    header = tarfile.TarInfo("zeros")
    header.size = size
    plain, packed, chunk = hashlib.sha256(), io.BytesIO(), b"\0" * (1 << 20)
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as out:
        for piece in (header.tobuf(), *[chunk] * (size >> 20), b"\0" * 1024):
            plain.update(piece)
            out.write(piece)
    return packed.getvalue(), "sha256:" + plain.hexdigest()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Instance]:
    """A platform whose data lies on a disk of 400 MiB, half of which is not for images."""
    instance = Instance(runtime="runc")
    instance.environment["SANDBOXD_IMAGE_PULL_RESERVE_BYTES"] = str(200 << 20)
    instance.environment["SANDBOXD_IMAGE_PULL_TIMEOUT"] = "60s"
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", disk], check=True)
    instance.data_dir = disk / "data"
    try:
        yield instance.up()
    finally:
        try:
            end(instance)
        finally:
            subprocess.run(["umount", "-l", disk], check=True)


def test_images_that_the_disk_has_no_room_for(small_disk: Instance, registry: FakeRegistry, name: str) -> None:
    def free() -> int:
        words = subprocess.run(["df", "-B1", "--output=avail", small_disk.data_dir], capture_output=True, check=True)
        return int(words.stdout.split()[1])

    before = free()
    packed, diff_id = bomb(700 << 20)
    huge = make_repository({"rootfs": {"type": "layers", "diff_ids": [diff_id]}})
    huge.blobs[fake_registry.digest_of(packed)] = packed
    huge.manifest = huge.manifest.replace(huge.layer.encode(), fake_registry.digest_of(packed).encode()).replace(
        b'"size": %d}]' % len(huge.blobs[huge.layer]), b'"size": %d}]' % len(packed)
    )
    image = registry.add("huge/bomb", huge)
    assert image in failure(small_disk, f"{name}-bomb", image)
    wait_until(lambda: free() > before - (20 << 20), "the space of the failed pull", 30)
    # A disk that others fill while a pull is on.
    gate = threading.Event()
    slow = make_repository(layer=images.root_layer() + b"\0" * 2560, gate=gate)
    image = registry.add("huge/slow", slow)
    small_disk.create(f"{name}-slow", image=image)
    assert slow.layer_asked.wait(30)
    filler = small_disk.data_dir.parent / "filler"
    subprocess.run(["fallocate", "-l", "250M", filler], check=True)
    text = small_disk.wait_phase(f"{name}-slow", "Failed", 30)["status"]["last_error"]
    assert image in text
    assert "image_pull_reserve_bytes (200 MiB)" in text
    filler.unlink()
    gate.set()
    run(small_disk, f"{name}-again", image)
    small_disk.delete(f"{name}-slow")
