"""Builds a small image without a registry or a builder: one static busybox, its applets as links, one page to serve.

The result is an OCI layout in a tar file, the same bytes for the same busybox, which `sandboxd image import` takes.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from ._exceptions import NotFoundError, ServerError

HELLO_IMAGE = "sandboxd.local/hello:latest"
HELLO_PORT = 8000
_PAGE = b"<!doctype html><title>sandboxd</title><h1>Hello from inside a sandbox</h1>\n"
_COMMAND = f"echo serving on port {HELLO_PORT}; exec httpd -f -v -p {HELLO_PORT} -h /www"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def find_busybox(candidates: Sequence[str] = ("/bin/busybox", "/usr/bin/busybox")) -> Path:
    """A statically linked busybox.

    Raises:
        NotFoundError: there is none.
    """
    for name in candidates:
        path = Path(name)
        # A dynamic executable names its loader near the beginning.
        if path.is_file() and b"/ld-" not in path.read_bytes()[:4096]:
            return path
    raise NotFoundError("no static busybox here: apt-get install busybox-static", code="not_found")


def _add(
    tar: tarfile.TarFile, name: str, data: bytes = b"", *, mode: int = 0o644, link: str = "", kind: bytes = b""
) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.size = mode, len(data)
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    elif kind:
        info.type = kind
    tar.addfile(info, io.BytesIO(data) if data else None)


def _make_layer(busybox: bytes, applets: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for directory in ("bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "usr/bin", "var", "www"):
            _add(tar, directory, mode=0o755, kind=tarfile.DIRTYPE)
        _add(tar, "tmp", mode=0o1777, kind=tarfile.DIRTYPE)
        _add(tar, "bin/busybox", busybox, mode=0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            _add(tar, f"bin/{applet}", mode=0o777, link="busybox")
        _add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        _add(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        _add(tar, "www/index.html", _PAGE)
    return buffer.getvalue()


def build_image(
    out: Path,
    *,
    reference: str = HELLO_IMAGE,
    command: Sequence[str] = ("/bin/sh", "-c", _COMMAND),
    busybox: Path | None = None,
) -> str:
    """Write the archive to `out`; returns the digest of its manifest.

    Raises:
        NotFoundError: there is no static busybox.
        ServerError: it does not run.
    """
    executable = busybox or find_busybox()
    done = subprocess.run([str(executable), "--list"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"{executable} --list failed: {done.stderr.strip()}", code="image_failed")
    blobs: dict[str, bytes] = {}

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layer = put(_make_layer(executable.read_bytes(), done.stdout.split()), "application/vnd.oci.image.layer.v1.tar")
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Cmd": list(command),
            "Env": ["PATH=/bin:/usr/bin"],
            "WorkingDir": "/",
            "ExposedPorts": {f"{HELLO_PORT}/tcp": {}},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [layer],
    }
    described = put(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    tag = reference.rpartition(":")[2]
    described["annotations"] = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag}
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        for digest in sorted(blobs):
            _add(tar, f"blobs/sha256/{digest}", blobs[digest])
    return str(described["digest"])


def main() -> None:
    """python -m sandboxd._image_builder FILE"""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m sandboxd._image_builder FILE")
    print(build_image(Path(sys.argv[1])))


if __name__ == "__main__":
    main()

__all__ = ["HELLO_IMAGE", "HELLO_PORT", "build_image", "find_busybox"]
