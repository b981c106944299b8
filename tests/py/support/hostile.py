"""An image whose program does harm: see hostile.c."""

from __future__ import annotations

from support import images, static_program
from support.instance import Instance

IMAGE = "sandboxd.test/hostile:1"


def import_into(instance: Instance) -> None:
    """Build the program, and import an image that has it as /hostile."""
    program, archive = static_program.build("hostile.c", instance.root / "hostile"), instance.root / "hostile.tar"
    images.write_archive(archive, IMAGE, ["/hostile"], {"hostile": program})
    instance.ctr("images", "import", str(archive))
    archive.unlink()


__all__ = ["IMAGE", "import_into"]
