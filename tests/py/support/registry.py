"""A docker-registry on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from support.instance import free_port
from support.waiting import wait_until


@contextlib.contextmanager
def registry(store: Path, *, read_only: bool = False) -> Iterator[str]:
    """Serve the images in the folder `store` within the block; "127.0.0.1:PORT"."""
    address = f"127.0.0.1:{free_port()}"
    locked = "maintenance: {readonly: {enabled: true}}" if read_only else "delete: {enabled: true}"
    with tempfile.TemporaryDirectory(prefix="sbxt-registry-") as folder:
        config = Path(folder, "config.yml")
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n"
            f"storage: {{filesystem: {{rootdirectory: '{store}'}}, {locked}}}\n"
        )
        command = ["docker-registry", "serve", str(config)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: httpx.get(f"http://{address}/v2/", trust_env=False).is_success, "the registry", 30)
            yield address
        finally:
            process.terminate()
            process.wait()


def push(address: str, archive: Path, name: str) -> None:
    """Put an OCI archive into a registry as NAME ("repository:tag")."""
    target = f"docker://{address}/{name}"
    command = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{archive}", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"pushing {name} failed: {done.stderr}"
