"""An image whose program does harm: see hostile.c."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support import images
from support.instance import Instance

IMAGE = "sandboxd.test/hostile:1"


def import_into(instance: Instance) -> None:
    """Build the program, and import an image that has it as /hostile."""
    compiler = next((found for name in ("clang-19", "cc", "gcc") if (found := shutil.which(name))), None)
    assert compiler, "no C compiler on this machine (run ./check, which installs one)"
    program, archive = instance.root / "hostile", instance.root / "hostile.tar"
    source = Path(__file__).with_name("hostile.c")
    subprocess.run([compiler, "-static", "-o", str(program), str(source)], check=True, timeout=60)
    images.write_archive(archive, IMAGE, ["/hostile"], {"hostile": program.read_bytes()})
    instance.ctr("images", "import", str(archive))
    archive.unlink()


__all__ = ["IMAGE", "import_into"]
