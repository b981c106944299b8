"""Time, chance and the environment come through ports, so that a seed replays a run exactly."""

from __future__ import annotations

import re
from pathlib import Path

from lint.cpp_text import Violation, blank, cpp_files, line_of, relative
from lint.layers import DECISIONS, part_of

DETERMINISTIC = {"model", "codec", *DECISIONS, "ports", "aio", "orch", "node", "sim", "world"}

BANNED = {
    "clock": (r"\w*_clock\s*::\s*now\s*\(|\bstd::time\s*\(|\bgettimeofday\b|\bclock_gettime\b", "ask ports::Clock"),
    "chance": (r"\brandom_device\b|(?<![\w.>:])(?:std::)?s?rand\s*\(|\bgetrandom\b|\barc4random\b", "take a Random"),
    "environment": (r"\b(?:secure_)?getenv\b|\benviron\b", "make it a configuration field"),
    "sleep": (
        r"\bthis_thread::sleep_(?:for|until)\b|\busleep\s*\(|(?<!\w)::sleep\s*\(|\bnanosleep\b",
        "await ports::Clock::sleep_until",
    ),
    "distribution": (
        r"\bstd::(?:uniform|normal|exponential|bernoulli)\w*_distribution\b|\bstd::shuffle\b",
        "libraries differ in them: use Random's own helpers",
    ),
}
UNORDERED = re.compile(r"\bunordered_(?:multi)?(?:map|set)\s*<")

# (file, rule): why it is right there. An entry that is no longer needed fails the test.
ALLOWED: dict[tuple[str, str], str] = {
    ("aio/system_clock.cpp", "clock"): "this is the real clock behind the port",
}


def unordered_names(code: str) -> set[str]:
    """Variables and members declared as hash containers."""
    names = set()
    for found in UNORDERED.finditer(code):
        depth, offset = 1, found.end()
        while offset < len(code) and depth:
            depth += {"<": 1, ">": -1}.get(code[offset], 0)
            offset += 1
        if declared := re.match(r"[\s&*]*(\w+)\s*[;={,)(]", code[offset:]):
            names.add(declared.group(1))
    return names


def check(root: Path, allowed: dict[tuple[str, str], str] | None = None) -> list[Violation]:
    """Every use of time, chance, environment or hash order where runs must be reproducible."""
    allowed = ALLOWED if allowed is None else allowed
    found, used = [], set()
    base = root / "src/cpp"
    for path in cpp_files(root, "src/cpp"):
        name = relative(base, path)
        if part_of(name) not in DETERMINISTIC:
            continue
        code = blank(path.read_text())
        hits = [
            (rule, hit.start(), advice)
            for rule, (pattern, advice) in BANNED.items()
            for hit in re.finditer(pattern, code)
        ]
        header = path.with_suffix(".hpp")
        names = unordered_names(code) | (unordered_names(blank(header.read_text())) if header.exists() else set())
        for one in sorted(names):
            walks = rf"for\s*\([^;()]*:\s*(?:this->)?{one}\s*\)|\b{one}\s*\.\s*c?begin\s*\("
            hits += [
                ("hash order", hit.start(), f"{one} has no order: use a map or sort first")
                for hit in re.finditer(walks, code)
            ]
        for rule, offset, advice in sorted(hits, key=lambda hit: hit[1]):
            if (name, rule) in allowed:
                used.add((name, rule))
            else:
                found.append(Violation(relative(root, path), line_of(code, offset), f"determinism/{rule}", advice))
    for name, rule in sorted(set(allowed) - used):
        found.append(
            Violation(f"src/cpp/{name}", 1, f"determinism/{rule}", "the allow-list entry is not needed any more")
        )
    return found
