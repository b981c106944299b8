"""Lists that exist in two languages must be the same list."""

from __future__ import annotations

import re
from pathlib import Path

from lint.cpp_text import blank


def cpp_error_codes(header: Path) -> list[str]:
    """The enumerators of ErrorCode, in order."""
    code = blank(header.read_text())
    body = re.search(r"enum class ErrorCode\s*\{(.*?)\}", code, re.S)
    return re.findall(r"\b([a-z_]+)\b", body.group(1)) if body else []


def cpp_error_texts(source: Path) -> list[str]:
    """The words that to_string(ErrorCode) gives."""
    return re.findall(r'case ErrorCode::\w+: return "(\w+)";', source.read_text())
