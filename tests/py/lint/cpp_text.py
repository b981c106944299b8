"""Just enough understanding of C++ text for our lints: comments and literals blanked, braces paired."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

CPP_SUFFIXES = (".cpp", ".hpp")
_LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'""",
    re.S,
)


@dataclass(frozen=True)
class Violation:
    """One breach of a rule, printed as "path:line: rule: what"."""

    path: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.what}"


@dataclass
class Block:
    """A pair of braces: `header` is the code from the statement's start up to the opening brace."""

    start: int
    end: int
    header: str
    parent: Block | None
    children: list[Block] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """One of namespace, type, initializer, block (which includes function bodies and lambdas)."""
        header = self.header.rstrip()
        if re.search(r"\b(namespace|extern)\b[^;()]*$", header):
            return "namespace"
        if re.search(r"\b(class|struct|union|enum)\b[^;()=]*$", header) and not header.endswith(")"):
            return "type"
        if not header or header[-1] in ";{}:":
            return "block"
        if re.search(r"(\)|\b(else|try|do|const|noexcept|override|final|mutable))$", header):
            return "block"
        if re.search(r"\)\s*(?:mutable\s*|noexcept\s*|const\s*)*->\s*[\w:<>,\s*&()]+$", header):
            return "block"
        if re.search(r"\]\s*$", header) and not re.search(r"[\w)\]]\s*\[[^\]]*\]\s*$", header):
            return "block"
        return "initializer"


def blank(text: str) -> str:
    """Replace comments and literals by spaces; offsets and line numbers stay."""
    return _LITERALS.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


def line_of(text: str, offset: int) -> int:
    """One-based line number of an offset."""
    return text.count("\n", 0, offset) + 1


def blocks(code: str) -> list[Block]:
    """All brace pairs of blanked code, outer before inner."""
    found: list[Block] = []
    stack: list[Block] = []
    statement = 0  # where the current statement began
    depth = 0  # of parentheses: a semicolon in for (;;) ends nothing
    for offset, char in enumerate(code):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == ";" and depth <= 0:
            statement = offset + 1
        elif char == "{":
            header = re.sub(r"^\s*#.*$", "", code[statement:offset], flags=re.M)
            block = Block(offset, -1, header, stack[-1] if stack else None)
            if stack:
                stack[-1].children.append(block)
            found.append(block)
            stack.append(block)
            if block.kind != "initializer":
                statement = offset + 1
        elif char == "}" and stack:
            block = stack.pop()
            block.end = offset
            if block.kind != "initializer":
                statement = offset + 1
    return [block for block in found if block.end >= 0]


def matching(code: str, opening: int) -> int:
    """Offset of the bracket that closes the one at `opening`, or -1."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    depth = 0
    for offset in range(opening, len(code)):
        if code[offset] == code[opening]:
            depth += 1
        elif code[offset] == pairs[code[opening]]:
            depth -= 1
            if depth == 0:
                return offset
    return -1


def cpp_files(root: Path, *folders: str) -> list[Path]:
    """C++ files below `root`/folders, in a fixed order."""
    return sorted(
        path
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.suffix in CPP_SUFFIXES and path.is_file()
    )


def relative(root: Path, path: Path) -> str:
    """Path below the root with forward slashes."""
    return path.relative_to(root).as_posix()
