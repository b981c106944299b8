"""Print "EXPECTED PASSED FAILED SKIPPED" of a JUnit file, for ./check.

A test that was expected and did not run counts as failed, and so does a missing or torn file: a run that died half way
must never look like a good one.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(expected: int, junit: Path) -> tuple[int, int, int, int]:
    """Return expected, passed, failed and skipped; every expected test that left no result is a failed one."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(junit).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    missing = max(0, expected - passed - failed - skipped)
    if expected == 0 and not cases:
        missing = 1  # a level without a test is a broken level
    return expected, passed, failed + missing, skipped


if __name__ == "__main__":
    print(*count(int(sys.argv[1]), Path(sys.argv[2])))
