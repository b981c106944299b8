"""Files under 400 lines, functions under 70: what is longer has more than one purpose. Docstrings are not counted."""

from __future__ import annotations

import ast
from pathlib import Path

from lint.cpp_text import Violation, blank, blocks, cpp_files, line_of, relative

FILE_MAX = 400
TEST_FILE_MAX = 800
FUNCTION_MAX = 70


def _cpp_functions(code: str) -> list[tuple[int, int]]:
    """(line, length) of function bodies: blocks whose every parent is a namespace or a type."""
    found = []
    for block in blocks(code):
        parent, is_outer = block.parent, block.kind == "block"
        while parent is not None and is_outer:
            is_outer = parent.kind in ("namespace", "type")
            parent = parent.parent
        if is_outer and ")" in block.header:
            first = line_of(code, block.start)
            found.append((first, line_of(code, block.end) - first + 1))
    return found


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def check(root: Path) -> list[Violation]:
    """Files and functions that are too long."""
    found = []
    python = [
        path
        for folder in ("src/sandboxd", "tests/py", "bench", "examples", "docs")
        for path in (root / folder).rglob("*.py")
    ]
    scripts = [path for path in (root / "check", root / "quickstart") if path.exists()]
    for path in cpp_files(root, "src/cpp", "bindings", "tests/cpp", "bench") + sorted(python) + scripts:
        name, text = relative(root, path), path.read_text()
        limit = TEST_FILE_MAX if name.startswith("tests/cpp") else FILE_MAX
        lines = text.count("\n")
        if lines > limit:
            found.append(Violation(name, 1, "lengths", f"{lines} lines (at most {limit}): split it by purpose"))
        functions = []
        if path.suffix == ".py":
            functions = [
                (node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node))
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
        elif path.suffix in (".cpp", ".hpp") and not name.startswith("tests/"):
            functions = _cpp_functions(blank(text))
        found += [
            Violation(name, line, "lengths", f"a function of {length} lines (at most {FUNCTION_MAX})")
            for line, length in functions
            if length > FUNCTION_MAX
        ]
    return found
