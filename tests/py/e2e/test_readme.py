"""The README's own code runs: every fence marked `run`, against a live instance, as its reader would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.instance import Instance

from sandboxd._image_builder import HELLO_IMAGE, build_image

ROOT = Path(__file__).resolve().parents[3]
FENCES = re.findall(r"^```(bash|python) run\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)


def test_the_readme_has_its_tours() -> None:
    assert [language for language, _ in FENCES] == ["bash", "python", "python", "bash"]


@pytest.mark.parametrize(("language", "code"), FENCES, ids=[language for language, _ in FENCES])
def test_the_tour_runs(platform: Instance, tmp_path: Path, language: str, code: str) -> None:
    if not platform.has_image(HELLO_IMAGE):
        build_image(tmp_path / "hello.tar")
        done = platform.command("image", "import", str(tmp_path / "hello.tar"), "--data-dir", str(platform.data_dir))
        assert done.returncode == 0, done.stderr
    command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
    env = platform.env(SANDBOXD_URL=platform.url, no_proxy="*")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "hold=True" in code:
        assert done.stdout.splitlines() == ["2 /tmp/notes/today.txt", "", "1", "2", "3", "0 ['today.txt']"]
        return
    if "/cmd?wait=true" in code:
        assert '"args":["Hello from inside a sandbox"]' in done.stdout and '"exit_code":0' in done.stdout
        return
    assert "Hello from inside a sandbox" in done.stdout
    assert "serving on port 8000" in done.stdout
