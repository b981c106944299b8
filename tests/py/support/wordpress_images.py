"""Images `wordpress` and `mysql` (MariaDB) from Debian packages, in a registry's folder that is kept between runs.

They understand the environment and the commands of the official images, as far as the published WordPress example uses
them. The first build takes minutes; what it depends on (the files in support/wordpress) names the folder, so that a
change builds anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from support import images
from support.registry import push, registry

WORDPRESS = "wordpress:6.1-php8.2-apache"
MYSQL = "mysql:mariadb10.11"
RECIPE = Path(__file__).resolve().parent / "wordpress"
BUILD_SECONDS = 900
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IMAGES: dict[str, dict[str, Any]] = {
    WORDPRESS: {
        "Cmd": ["apache2-foreground"],
        "WorkingDir": "/var/www/html",
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGWINCH",
    },
    MYSQL: {"Cmd": ["mysqld"], "ExposedPorts": {"3306/tcp": {}}, "Volumes": {"/var/lib/mysql": {}}},
}


def store() -> Path:
    """The registry folder with both images; built when it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sandboxd/test-images")
    cache.mkdir(parents=True, exist_ok=True)
    recipe = b"\0".join(path.read_bytes() for path in sorted([*RECIPE.iterdir(), Path(__file__)]))
    folder = cache / f"wordpress-{hashlib.sha256(recipe).hexdigest()[:16]}"
    with (cache / "wordpress.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for old in cache.glob("wordpress-*"):
                shutil.rmtree(old)
            _build(cache, folder)
    return folder


def _build(cache: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as work:
        command = ["bash", str(RECIPE / "build-roots.sh"), work]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
        assert done.returncode == 0, f"building the images failed:\n{(done.stdout + done.stderr)[-4000:]}"
        made = Path(work, "store")
        made.mkdir()
        with registry(made) as address:
            for name, config in _IMAGES.items():
                root = Path(work, name.split(":")[0])
                content = subprocess.run(
                    ["tar", "--numeric-owner", "--one-file-system", "-C", str(root), "-c", "."],
                    capture_output=True,
                    check=True,
                ).stdout
                archive = Path(work, "image.tar")
                images.write_archive(archive, name, ["docker-entrypoint.sh"], content=content, Env=[_PATH], **config)
                push(address, archive, name)
        made.rename(folder)
