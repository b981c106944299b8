"""./check's own bookkeeping: a run that died, or ran less than it should, must not look good."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.count_results import count

ROOT = Path(__file__).resolve().parents[3]
GOOD = '<testcase name="a"/>'
BAD = '<testcase name="b"><failure message="x"/></testcase>'
ERROR = '<testcase name="b"><error message="x"/></testcase>'
SKIPPED = '<testcase name="c"><skipped/></testcase>'
CTEST_BAD = '<testcase name="d" status="fail"/>'
NOT_RUN = '<testcase name="e" status="notrun"/>'


@pytest.mark.parametrize(
    ("expected", "cases", "outcome"),
    [
        (2, GOOD + GOOD, (2, 2, 0, 0)),
        (2, GOOD + BAD, (2, 1, 1, 0)),
        (2, GOOD + ERROR, (2, 1, 1, 0)),
        (2, GOOD + SKIPPED, (2, 1, 0, 1)),
        (2, GOOD + CTEST_BAD, (2, 1, 1, 0)),
        (2, GOOD + NOT_RUN, (2, 1, 0, 1)),
        (3, GOOD, (3, 1, 2, 0)),  # two never ran
        (0, "", (0, 0, 1, 0)),  # a level without a test
    ],
)
def test_counts(tmp_path: Path, expected: int, cases: str, outcome: tuple[int, int, int, int]) -> None:
    junit = tmp_path / "r.xml"
    junit.write_text(f'<testsuites><testsuite name="s">{cases}</testsuite></testsuites>')
    assert count(expected, junit) == outcome


def test_a_torn_or_missing_file_counts_everything_as_failed(tmp_path: Path) -> None:
    assert count(5, tmp_path / "absent.xml") == (5, 0, 5, 0)
    torn = tmp_path / "torn.xml"
    torn.write_text("<testsuites><testcase")
    assert count(5, torn) == (5, 0, 5, 0)


@pytest.mark.parametrize("script", ["check", "quickstart"])
def test_without_root_it_says_so_and_changes_nothing(script: str) -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", str(ROOT / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "root" in done.stderr


@pytest.mark.parametrize("script", ["check", "quickstart"])
def test_unknown_arguments_are_refused(script: str) -> None:
    done = subprocess.run(["bash", ROOT / script, "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "nonsense" in done.stderr


@pytest.mark.parametrize("script", ["check", "quickstart"])
def test_help(script: str) -> None:
    done = subprocess.run(["bash", ROOT / script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"./{script}" in done.stdout
