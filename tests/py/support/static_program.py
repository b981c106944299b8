"""Programs that tests put into images: C, linked statically, so that an image needs nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SUPPORT = Path(__file__).parent


def build(source: str, program: Path) -> bytes:
    """Compile a source file of this folder with the compiler that the project is built with; the program's bytes."""
    compiler = next((found for name in ("clang-19", "cc") if (found := shutil.which(name))), None)
    assert compiler, "no C compiler on this machine (run ./check, which installs one)"
    command = [compiler, "-std=gnu11", "-static", "-o", str(program), str(SUPPORT / source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return program.read_bytes()


__all__ = ["build"]
