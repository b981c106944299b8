"""The examples that need no platform run, and show what they promise. The others are run where a platform is up."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def run(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an example with this Python, away from the sources."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], cwd=cwd, capture_output=True, text=True, timeout=100
    )


def test_a_cluster_is_simulated(tmp_path: Path) -> None:
    first, second = (run("03_simulate_a_cluster.py", "5", cwd=tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert "all invariants held" in first.stdout and first.stdout == second.stdout


def test_two_policies_are_compared_and_plotted(tmp_path: Path) -> None:
    done = run("04_compare_policies.py", "--nodes", "10", "--seconds", "40", "--plot", "out.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert {"spread", "pack"} <= set(rows)
    assert int(rows["spread"][1]) > 20 and rows["spread"] != rows["pack"]
    picture = (tmp_path / "out.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width >= 1000 and height >= 600 and len(picture) > 20_000


def test_a_policy_may_be_json_and_one_that_is_neither_is_explained(tmp_path: Path) -> None:
    mine = '{"name": "mine", "scores": {"cpu_fill": 1}}'
    done = run("04_compare_policies.py", "original", mine, "--nodes", "3", "--seconds", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout and (tmp_path / "policies.png").exists()
    wrong = run("04_compare_policies.py", "spread", "scatter", cwd=tmp_path)
    assert wrong.returncode != 0 and "scatter" in wrong.stderr
    assert run("04_compare_policies.py", "spread", cwd=tmp_path).returncode == 2


def test_without_matplotlib_there_is_the_table(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')\n")
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['x', '--nodes', '3', '--seconds', '5']"
    )
    code += f"; runpy.run_path({str(EXAMPLES / '04_compare_policies.py')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "pack" in done.stdout and "pip install 'sandboxd[plot]'" in done.stdout
    assert not (tmp_path / "policies.png").exists()
