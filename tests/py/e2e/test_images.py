"""Images and usage through the control plane, with a real containerd, registries on loopback, and both runtimes."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import fake_registry, images
from support.fake_registry import FakeRegistry, make_repository
from support.instance import Instance, free_port
from support.waiting import wait_until

from sandboxd import AsyncClient, Client, ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from sandboxd import UnavailableError as Unreachable


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with fake_registry.serving() as served:
        yield served


@pytest.fixture
def client(platform: Instance) -> Iterator[Client]:
    with Client(platform.url) as made:
        yield made


def run_and_read(platform: Instance, name: str, image: str, **spec: object) -> list[str]:
    """What a sandbox of this image prints first."""
    platform.create(name, image=image, **spec)
    platform.wait_phase(name, "Running", 90)
    wait_until(lambda: platform.log_lines(name), f"a line of {name}", 15)
    return platform.log_lines(name)


def drop(platform: Instance, name: str) -> None:
    platform.delete(name)
    platform.wait_gone(name)


def test_pull_shows_progress_and_the_image_can_be_inspected(client: Client, registry: FakeRegistry) -> None:
    gate = threading.Event()
    # A layer of its own: one that is unpacked already is not fetched again.
    repository = make_repository(layer=images.root_layer({"slow": b"1"}), gate=gate)
    reference = registry.add("team/slow", repository)
    steps: list[tuple[int, int]] = []

    def see(step: object) -> None:
        steps.append((step.bytes_done, step.bytes_total))  # type: ignore[attr-defined]
        if steps[-1][1]:
            gate.set()  # the rest comes once the client has seen how much it will be

    pulled = client.images.pull(reference, on_progress=see)
    assert pulled.digest == repository.digest and pulled.names == (reference,) and pulled.nodes
    size = len(repository.blobs[repository.layer])
    assert any(total == size and done < size for done, total in steps), steps
    found = client.images.get(reference)
    assert (found.digest, found.size_bytes, found.architecture, found.os) == (repository.digest, size, "amd64", "linux")
    assert client.images.get(repository.digest[7:20]).digest == repository.digest
    assert repository.digest in [item.digest for item in client.images.list()]
    client.images.delete(reference)
    with pytest.raises(NotFoundError):
        client.images.get(reference)


def test_credentials_are_for_one_pull(platform: Instance, client: Client, registry: FakeRegistry) -> None:
    reference = registry.add("team/private", make_repository(user="ann:s3cret-words"))
    with pytest.raises(ForbiddenError):
        client.images.pull(reference)
    with pytest.raises(ForbiddenError):
        client.images.pull(reference, credentials=("ann", "wrong-words"))
    assert client.images.pull(reference, credentials=("ann", "s3cret-words")).names == (reference,)
    client.images.delete(reference)
    with pytest.raises(ForbiddenError):
        client.images.pull(reference)  # nothing was kept
    written = "".join(path.read_text(errors="replace") for path in platform.root.rglob("*.log"))
    assert "s3cret-words" not in written and "wrong-words" not in written


def test_what_goes_wrong_with_a_pull_has_its_own_error(client: Client, registry: FakeRegistry) -> None:
    with pytest.raises(NotFoundError):
        client.images.pull(f"{registry.host}/nobody/there:1")
    with pytest.raises(Unreachable):
        client.images.pull(f"127.0.0.1:{free_port()}/nobody/there:1")
    with pytest.raises(InvalidRequestError):
        client.images.pull("No Such Form")
    answer = client._http.post("/api/v1/images/pull", json={"image": f"{registry.host}/nobody/there:1"})
    assert answer.status_code == 404 and answer.headers["X-Sandboxd-Error"] == "not_found"


def test_an_image_in_use_stays(platform: Instance, client: Client, registry: FakeRegistry, name: str) -> None:
    reference = registry.add("team/used", make_repository())
    platform.create(name, image=reference, runtime="runc")
    platform.wait_phase(name, "Running", 90)
    assert client.images.get(reference).is_used
    for force in (False, True):
        with pytest.raises(ConflictError, match=name):
            client.images.delete(reference, force=force)
    drop(platform, name)
    client.images.delete(reference, force=True)


@pytest.mark.parametrize("packed", [False, True])
def test_an_oci_archive_is_imported_and_runs(
    platform: Instance, client: Client, tmp_path: Path, name: str, packed: bool
) -> None:
    reference = f"sandboxd.test/archive:{int(packed)}"
    file = images.write_archive(tmp_path / "a.tar", reference, ["/bin/sh", "-c", f"echo archive {packed}; sleep 100"])
    if packed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert client.images.import_archive(file).names == (reference,)
    other = client.images.import_archive(file, "sandboxd.test/other:1")
    assert set(other.names) == {reference, "sandboxd.test/other:1"}
    assert run_and_read(platform, name, reference, runtime="runc") == [f"archive {packed}"]
    drop(platform, name)
    client.images.delete(other.digest, force=True)


def test_docker_archives_old_and_new_are_imported(client: Client, platform: Instance, tmp_path: Path) -> None:
    oci = images.write_archive(tmp_path / "a.tar", "sandboxd.test/docker:1", ["/bin/sleep", "100"])
    target = f"docker-archive:{tmp_path}/d.tar:sandboxd.test/docker:2"
    done = subprocess.run(
        ["skopeo", "copy", "-q", f"oci-archive:{oci}", target], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = client.images.import_archive(tmp_path / "d.tar")
    assert found.names == ("sandboxd.test/docker:2",) and found.architecture == "amd64"
    client.images.delete("sandboxd.test/docker:2")


@pytest.mark.parametrize("runtime", ["runc", "runsc"])
def test_a_root_file_system_is_imported_and_runs(
    platform: Instance, client: Client, tmp_path: Path, name: str, runtime: str
) -> None:
    file = tmp_path / "rootfs.tar.gz"
    file.write_bytes(gzip.compress(images.root_layer({"marker": f"{runtime}\n".encode()})))
    reference = f"sandboxd.test/rootfs:{runtime}"
    made = client.images.import_archive(
        file,
        reference,
        rootfs=True,
        entrypoint=["/bin/sh", "-c"],
        command=["echo $GREETING; cat /marker; sleep 100"],
        env={"PATH": "/bin", "GREETING": "hello there"},
    )
    assert made.names == (reference,)
    platform.create(name, image=reference, runtime=runtime)
    platform.wait_phase(name, "Running", 90)
    wait_until(lambda: len(platform.log_lines(name)) >= 2, "both lines", 15)
    assert platform.log_lines(name) == ["hello there", runtime]
    drop(platform, name)
    client.images.delete(reference)


def test_an_archive_of_any_size_goes_through_without_being_in_memory(
    platform: Instance, client: Client, tmp_path: Path
) -> None:
    file, piece = tmp_path / "big.tar", os.urandom(1 << 20)
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("big")
        entry.size = 300 << 20
        tar.addfile(entry, repeated(piece, 300))

    def peaks() -> list[int]:
        found = []
        for role in ("orch", "node"):
            status = Path(f"/proc/{platform.pid(role)}/status").read_text()
            found.append(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
        return found

    before = peaks()
    made = client.images.import_archive(file, "sandboxd.test/big:1", rootfs=True)
    grown = [after - earlier for after, earlier in zip(peaks(), before, strict=True)]
    client.images.delete("sandboxd.test/big:1")
    assert made.size_bytes == file.stat().st_size
    assert max(grown) < 64 * 1024, f"KiB more of orch and node: {grown}"


def repeated(piece: bytes, count: int) -> io.BufferedReader:
    """A file that has `piece` so often."""

    class Repeated(io.RawIOBase):
        left = count * len(piece)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(buffer)  # type: ignore[arg-type]
            size = min(len(view), len(piece), self.left)
            view[:size] = piece[:size]
            self.left -= size
            return size

    return io.BufferedReader(Repeated())


def test_bad_archives_are_refused_and_leave_nothing(platform: Instance, client: Client, tmp_path: Path) -> None:
    before = platform.ctr("content", "ls", "-q").split()
    more = {"bad": b"1"}  # a layer that is there already is not read again
    good = images.write_archive(tmp_path / "good.tar", "sandboxd.test/bad:1", ["/bin/true"], more).read_bytes()
    at = good.index(b"\x1f\x8b") + 500  # in the layer
    cases = {
        "nothing": b"",
        "noise": b"\x00\x01noise" * 1000,
        "cut": good[: len(good) // 2],
        "damaged": good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :],
        "zstd": b"\x28\xb5\x2f\xfd" + b"x" * 100,
        "no image": images.root_layer(),
    }
    for what, data in cases.items():
        (tmp_path / "bad.tar").write_bytes(data)
        with pytest.raises(InvalidRequestError):
            client.images.import_archive(tmp_path / "bad.tar", "sandboxd.test/bad:1")
        print(what, "refused")
    with pytest.raises(InvalidRequestError):
        client.images.import_archive(tmp_path / "good.tar", rootfs=True)  # it needs a name
    with pytest.raises(NotFoundError):
        client.images.get("sandboxd.test/bad:1")
    wait_until(lambda: set(platform.ctr("content", "ls", "-q").split()) <= set(before), "the content collected", 30)


@pytest.mark.parametrize("runtime", ["runc", "runsc"])
def test_usage_of_a_busy_loop(platform: Instance, client: Client, name: str, runtime: str) -> None:
    platform.create(name, shell="while true; do true; done", runtime=runtime, cpu="500m")
    platform.wait_phase(name, "Running", 90)
    found = client.sandbox_usage(name)
    wait_until(lambda: client.sandbox_usage(name).cpu_nanos > found.cpu_nanos + 500_000_000, "half a second of CPU", 60)
    used = client.sandbox_usage(name)
    # Half a core is its limit; the machine may be busy with other things.
    assert 5 <= used.cpu_percent <= 90, used
    assert used.memory_limit_bytes > 0 and 0 < used.memory_bytes < used.memory_limit_bytes
    assert used.pids >= 1 and 0 < used.memory_percent < 100 and len(used.containers) == 1
    drop(platform, name)
    with pytest.raises(NotFoundError):
        client.sandbox_usage(name)


def test_the_sandbox_shows_its_pulls(platform: Instance, registry: FakeRegistry, name: str) -> None:
    gate = threading.Event()
    reference = registry.add("team/waited", make_repository(layer=images.root_layer({"waited": b"1"}), gate=gate))
    platform.create(name, image=reference, runtime="runc")
    pulls = wait_until(lambda: (platform.sandbox(name) or {}).get("pulls"), "its pulls", 30)
    assert pulls[0]["image"] == reference
    gate.set()
    platform.wait_phase(name, "Running", 60)
    assert "pulls" not in (platform.sandbox(name) or {})
    drop(platform, name)


def test_command_line(platform: Instance, registry: FakeRegistry, tmp_path: Path) -> None:
    reference = registry.add("team/cli", make_repository())
    pulled = platform.command("image", "pull", reference)
    assert pulled.returncode == 0 and pulled.stdout.split() == [reference], pulled.stderr
    listed = platform.command("image", "ls")
    assert reference in listed.stdout and "NAME" in listed.stdout
    assert reference in [
        n for i in json.loads(platform.command("image", "ls", "--json").stdout)["items"] for n in i["names"]
    ]
    assert json.loads(platform.command("image", "inspect", reference).stdout)["names"] == [reference]
    assert platform.command("image", "rm", reference).returncode == 0
    gone = platform.command("image", "rm", reference)
    assert gone.returncode == 1 and "not found" in gone.stderr
    file = images.write_archive(tmp_path / "a.tar", "sandboxd.test/cli:1", ["/bin/true"])
    assert platform.command("image", "import", str(file)).stdout.split() == ["sandboxd.test/cli:1"]
    assert platform.command("image", "rm", "sandboxd.test/cli:1").returncode == 0


def test_asyncio(platform: Instance, registry: FakeRegistry, tmp_path: Path) -> None:
    reference = registry.add("team/async", make_repository())
    file = images.write_archive(tmp_path / "a.tar", "sandboxd.test/async:1", ["/bin/true"])

    async def use() -> None:
        async with AsyncClient(platform.url) as client:
            pulled = await client.images.pull(reference)
            assert (await client.images.get(reference)).digest == pulled.digest
            assert (await client.images.import_archive(file)).names == ("sandboxd.test/async:1",)
            for name in (reference, "sandboxd.test/async:1"):
                await client.images.delete(name)
            assert reference not in [name for item in await client.images.list() for name in item.names]

    asyncio.run(use())
