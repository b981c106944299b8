"""The coroutine subset of docs/adr/0001: shapes that compilers get wrong, or that outlive what they refer to."""

from __future__ import annotations

import re
from pathlib import Path

from lint.cpp_text import Block, Violation, blank, blocks, cpp_files, line_of, matching, relative

AWAIT = re.compile(r"\bco_await\b")
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
CONTROL = re.compile(r"\b(if|while|for|switch)\s*(?:constexpr\s*)?\(")
LAMBDA = re.compile(r"(?<![\w)\]])\s*\[(?!\[)")
TASK_FUNCTION = re.compile(r"\bTask\s*<[^;{}=]*?>\s+(?:\w+::)*\w+\s*\(")


def _split_top(text: str, separator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for offset, char in enumerate(text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(char, 0)
        if char == separator and depth == 0:
            parts.append(text[start:offset])
            start = offset + 1
    return [*parts, text[start:]]


def _conditions(code: str) -> list[tuple[int, str]]:
    """Awaits in the condition of if, while, switch and for; an init-statement may await."""
    found = []
    for control in CONTROL.finditer(code):
        opening = control.end() - 1
        inside = code[opening + 1 : matching(code, opening)]
        parts = _split_top(inside, ";")
        is_for = control.group(1) == "for"
        if is_for and len(parts) == 1:
            continue  # range-for: the range is an initialiser
        judged = parts[1:] if len(parts) > 1 else parts
        if any(AWAIT.search(part) for part in judged):
            found.append((control.start(), f"await in the condition of {control.group(1)}: name the result first"))
    return found


def _statements(code: str) -> list[tuple[int, str]]:
    """Awaits beside a conditional operator, and several awaits in one statement."""
    found, start, depth = [], 0, 0
    for offset, char in enumerate(code):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char not in ";{}" or (char == ";" and depth > 0):
            continue
        statement = code[start:offset]
        awaits = list(AWAIT.finditer(statement))
        if awaits and re.search(r"\?(?!\?)", statement):
            found.append((start + awaits[0].start(), "await beside a conditional operator: use if and a named result"))
        if len(awaits) > 1:
            found.append((start + awaits[1].start(), "two awaits in one statement: one await, one name"))
        start = offset + 1
    return found


def _enclosing(all_blocks: list[Block], offset: int) -> Block | None:
    inside = [block for block in all_blocks if block.start < offset < block.end]
    return inside[-1] if inside else None


def _braces(code: str, all_blocks: list[Block]) -> list[tuple[int, str]]:
    """Awaits inside braced lists and inside catch."""
    found = []
    for await_ in AWAIT.finditer(code):
        block = _enclosing(all_blocks, await_.start())
        if block is not None and block.kind == "initializer":
            found.append((await_.start(), "await inside a braced list: name the result first"))
        while block is not None:
            if re.search(r"\bcatch\s*\([^()]*\)\s*$", block.header):
                found.append((await_.start(), "await inside catch: leave the handler, then await"))
            if re.search(r"\]\s*(?:\([^{}]*\)[^{}]*)?$", block.header) and block.kind == "block":
                break  # a lambda is a function of its own
            block = block.parent
    return found


def _lambdas(code: str) -> list[tuple[int, str]]:
    """Coroutine lambdas that capture: the captures die with the lambda object, the frame lives on."""
    lambdas = []
    for start in LAMBDA.finditer(code):
        opening = start.end() - 1
        closing = matching(code, opening)
        rest = re.match(r"\s*(?:<[^<>]*>)?\s*(\(|\{|mutable|noexcept|->)", code[closing + 1 :]) if closing > 0 else None
        if rest is None:
            continue
        offset = closing + 1
        while offset < len(code) and code[offset] not in "{;":
            offset = matching(code, offset) + 1 if code[offset] == "(" else offset + 1
        if offset < len(code) and code[offset] == "{":
            lambdas.append((opening, code[opening + 1 : closing].strip(), offset, matching(code, offset)))
    found = []
    for opening, captures, body, end in lambdas:
        inner = list(code[body:end])
        for _, _, other, other_end in lambdas:
            if body < other and other_end < end:
                inner[other - body : other_end - body] = " " * (other_end - other)
        if captures and COROUTINE.search("".join(inner)):
            found.append((opening, f"coroutine lambda captures [{captures}]: pass it as a parameter"))
    return found


def _defaults(code: str) -> list[tuple[int, str]]:
    """Default arguments of functions that return a Task."""
    found = []
    for function in TASK_FUNCTION.finditer(code):
        opening = function.end() - 1
        parameters = code[opening + 1 : matching(code, opening)]
        if any(re.search(r"(?<![=!<>])=(?!=)", part) for part in _split_top(parameters, ",")):
            found.append((function.start(), "a coroutine with a default argument: write an overload"))
    return found


def check(root: Path, *folders: str) -> list[Violation]:
    """Every forbidden coroutine shape in these folders (src/cpp, bindings and tests/cpp unless told otherwise)."""
    found = []
    for path in cpp_files(root, *(folders or ("src/cpp", "bindings", "tests/cpp"))):
        code = re.sub(
            r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*",
            lambda hit: re.sub(r"[^\n]", " ", hit.group(0)),
            blank(path.read_text()),
            flags=re.M,
        )
        if not COROUTINE.search(code) and "Task<" not in code:
            continue
        all_blocks = blocks(code)
        hits = _conditions(code) + _statements(code) + _braces(code, all_blocks) + _lambdas(code) + _defaults(code)
        in_aio = relative(root, path).startswith("src/cpp/aio/")
        if not in_aio:
            hits += [
                (hit.start(), "detached loses exceptions: spawn into a TaskGroup")
                for hit in re.finditer(r"\basio::detached\b", code)
            ]
        found += [
            Violation(relative(root, path), line_of(code, offset), "coroutines", what) for offset, what in sorted(hits)
        ]
    return found
