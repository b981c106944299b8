"""Local image, packages, doctor."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from sandboxd import _doctor, _instance
from sandboxd._exceptions import NotFoundError, ServerError
from sandboxd._image_builder import HELLO_IMAGE, build_image, find_busybox

SETUP = Path(_doctor.__file__).with_name("setup")


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, bytes]:
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nhttpd\\nls\\n'\n")
    busybox.chmod(0o755)
    digest = build_image(tmp_path / "image.tar", busybox=busybox)
    again = build_image(tmp_path / "again.tar", busybox=busybox)
    assert digest == again and (tmp_path / "image.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    with tarfile.open(tmp_path / "image.tar") as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in members.items() if file is not None}


def blob(archive: dict[str, bytes], descriptor: dict[str, object]) -> bytes:
    data = archive["blobs/" + str(descriptor["digest"]).replace(":", "/")]
    assert hashlib.sha256(data).hexdigest() == str(descriptor["digest"]).removeprefix("sha256:")
    assert len(data) == descriptor["size"]
    return data


def test_the_image_is_a_complete_oci_layout_with_its_name(archive: dict[str, bytes]) -> None:
    (described,) = json.loads(archive["index.json"])["manifests"]
    assert described["annotations"]["io.containerd.image.name"] == HELLO_IMAGE
    manifest = json.loads(blob(archive, described))
    config = json.loads(blob(archive, manifest["config"]))
    (layer,) = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]  # the layer is not compressed
    assert config["config"]["Cmd"][:2] == ["/bin/sh", "-c"]
    with tarfile.open(fileobj=io.BytesIO(blob(archive, layer))) as tar:
        assert tar.getmember("bin/busybox").mode == 0o755
        assert tar.getmember("bin/httpd").linkname == "busybox"
        assert tar.getmember("tmp").mode == 0o1777
        page = tar.extractfile("www/index.html")
        assert page is not None and b"Hello" in page.read()


def test_a_busybox_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    busybox.chmod(0o755)
    with pytest.raises(ServerError, match="broken"):
        build_image(tmp_path / "x.tar", busybox=busybox)


def test_a_dynamic_busybox_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(b"\x7fELF" + b"\0" * 500 + b"/lib64/ld-linux-x86-64.so.2\0" + b"\0" * 5000)
    with pytest.raises(NotFoundError, match="busybox-static"):
        find_busybox([str(tmp_path / "busybox"), str(tmp_path / "none")])


def packages(purpose: str) -> list[str]:
    rows = [line.split() for line in (SETUP / "packages.txt").read_text().splitlines() if not line.startswith("#")]
    return [row[0] for row in rows if row[1] == purpose]


def test_packages_have_a_known_purpose_and_are_named_once() -> None:
    everything = packages("runtime") + packages("build")
    lines = [line for line in (SETUP / "packages.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(everything) == len(set(everything)) == len(lines)


def test_what_doctor_tells_to_install_is_what_quickstart_installs() -> None:
    told = set(re.findall(r"apt-get install ([a-z0-9-]+)", Path(_doctor.__file__).read_text()))
    assert told and told <= set(packages("runtime"))


def test_doctor_names_a_remedy_for_everything_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_doctor, "SEARCH_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    instance = _instance.find_instance(str(tmp_path / "d"), environ={})
    checks = _doctor.run_checks(instance, ["127.0.0.1:0"])
    missing = {check.name for check in checks if not check.ok}
    assert {"containerd", "runsc", "containerd-shim-runsc-v1", "ctr", "nftables", "mkfs.ext4"} <= missing
    assert [check.name for check in checks if not check.ok and not check.mend] == []
    assert all(check.ok for check in checks if check.name.startswith("port"))


def test_doctor_sees_that_a_port_is_taken() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (check,) = _doctor.check_ports(_instance.find_instance("/nonexistent/data", environ={}), [f"127.0.0.1:{port}"])
    assert not check.ok and str(port) in check.mend


@pytest.mark.parametrize(("runtime", "is_required"), [("runc", True), ("runsc", False)])
def test_doctor_needs_what_bounds_disks_where_the_runtime_does_not(runtime: str, is_required: bool) -> None:
    checks = list(_doctor.check_disks(runtime))
    assert [check.name for check in checks] == ["mkfs.ext4", "loop devices"]
    assert all(check.required is is_required for check in checks)
