"""Small OCI images made from busybox-static, without any tool: for `ctr images import`, skopeo and registries."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

BOX = "sandboxd.test/box:1"
WEB = "sandboxd.test/web:1"
PAGE = "served from inside\n"
_APPLETS = (
    "sh cat dd echo env false grep head hostname httpd id ip kill ls mkdir nc ping printf ps seq sleep stat test touch "
    "true wc wget yes"
)
WEB_ENTRYPOINT = ["/bin/sh", "-c", "echo web is up; exec httpd -f -p 8000 -h /www"]


def root_layer(more: dict[str, bytes] | None = None) -> bytes:
    """A tar of a root filesystem with busybox, and `more` executable files by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name: str, data: bytes | None = None, mode: int = 0o755, link: str = "") -> None:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.mtime = mode, 1
            if link:
                entry.type, entry.linkname = tarfile.SYMTYPE, link
            elif data is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data or b""))

        for folder in ("bin", "etc", "tmp", "www", "proc", "sys", "dev", "var"):
            add(folder, mode=0o1777 if folder == "tmp" else 0o755)
        busybox = next(path for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")) if path.exists())
        add("bin/busybox", busybox.read_bytes())
        for applet in _APPLETS.split():
            add(f"bin/{applet}", link="busybox")
        add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644)
        add("www/index.html", PAGE.encode(), 0o644)
        for path, data in (more or {}).items():
            add(path, data)
    return buffer.getvalue()


def layer_of(files: dict[str, bytes]) -> bytes:
    """A tar of nothing but these executable files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.mtime, entry.size = 0o755, 1, len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write_archive(
    path: Path,
    reference: str,
    entrypoint: list[str],
    more: dict[str, bytes] | None = None,
    content: bytes | None = None,
    volumes: tuple[str, ...] = (),
    **config_members: Any,
) -> Path:
    """Write an OCI image archive with one gzip layer; `reference` becomes the image's name on import.

    The layer is busybox with `more` executable files, by path, or the tar file in `content`; `config_members` are put
    into the image's configuration.
    """
    plain = content or root_layer(more)
    layer = gzip.compress(plain, 1 if content else 9, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": entrypoint,
                "Env": ["PATH=/bin", "BUILT=yes"],
                "WorkingDir": "/",
                "Volumes": {volume: {} for volume in volumes},
                **config_members,
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
    ).encode()
    manifest = _manifest(config, layer)
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": _index(reference, manifest)}
    files |= {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer, config, manifest)}
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def _manifest(config: bytes, layer: bytes) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": _digest(config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": _digest(layer),
                    "size": len(layer),
                }
            ],
        }
    ).encode()


def _index(reference: str, manifest: bytes) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": _digest(manifest),
                    "size": len(manifest),
                    "annotations": {
                        "io.containerd.image.name": reference,
                        "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1],
                    },
                    "platform": {"architecture": "amd64", "os": "linux"},
                }
            ],
        }
    ).encode()


def import_into(socket: Path, folder: Path) -> None:
    """Import both test images into a containerd."""
    for reference, entrypoint in ((BOX, ["/bin/sh"]), (WEB, WEB_ENTRYPOINT)):
        archive = write_archive(folder / f"{reference.split('/')[1].replace(':', '-')}.tar", reference, entrypoint)
        command = ["ctr", "-a", str(socket), "-n", "k8s.io", "images", "import", str(archive)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        archive.unlink()
