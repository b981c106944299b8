"""The acceptance pages of docs/api: every test that they name must exist, and every row must name one."""

from __future__ import annotations

import re
from pathlib import Path

_CPP_TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", re.M)
_PY_TEST = re.compile(r"^(?:async )?def (test_\w+)", re.M)
_NAMED = re.compile(r"`([A-Z]\w+\.\w+|test_\w+\.py::test_\w+)`")


def known_tests(root: Path) -> set[str]:
    """Names as the pages write them: Suite.name, file.py::test_name."""
    found: set[str] = set()
    for path in (root / "tests/cpp").rglob("*.cpp"):
        found.update(".".join(names) for names in _CPP_TEST.findall(path.read_text()))
    for path in (root / "tests/py").rglob("test_*.py"):
        found.update(f"{path.name}::{name}" for name in _PY_TEST.findall(path.read_text()))
    return found


def check_page(text: str, known: set[str]) -> list[str]:
    """What is wrong with a page, a sentence each."""
    problems = [f"{name}: there is no such test" for name in _NAMED.findall(text) if name not in known]
    for line in text.splitlines():
        is_row = line.startswith("| ") and not line.startswith(("| Original", "| Route", "| Weakness"))
        if is_row and not _NAMED.search(line) and "the table below" not in line:
            problems.append(f"no test is named: {line}")
    return problems
