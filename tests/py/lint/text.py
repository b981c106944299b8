"""What must not be written in any file, and what must lie beside each module."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lint.cpp_text import Violation, line_of, relative

# Words are put together from halves so that this file does not find itself.
BANNED = {
    "unfinished": (r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b", "finish it or write an issue"),
    "machine path": (
        r"(?<![\w.-])/(?:wo" + r"rk|ro" + r"ot)/[\w.-]+|/tm" + r"p/w\b",
        "paths of one machine",
    ),
    "registry host": (
        r"\b(?:(?:files\.)?pyth" + r"onhosted\.org|py" + r"pi\.org|proxy\.gol" + r"ang\.org|deb\.deb" + r"ian\.org|"
        r"registry-1\.dock" + r"er\.io|gh" + r"cr\.io|qu" + r"ay\.io|g" + r"cr\.io|registry\.np" + r"mjs\.org)\b",
        "registries are reached through their ordinary clients",
    ),
}
TEXT_SUFFIXES = {
    ".cpp",
    ".hpp",
    ".py",
    ".pyi",
    ".md",
    ".sh",
    ".txt",
    ".toml",
    ".cmake",
    ".json",
    ".proto",
    ".yml",
    ".yaml",
    "",
}


def files(root: Path) -> list[Path]:
    """Tracked and new files of the repository; below a directory that is none, all files."""
    done = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and (root / ".git").exists():
        return sorted(root / name for name in set(done.stdout.splitlines()) if (root / name).is_file())
    skipped = {".git", ".venv", "build"}
    found = (path for path in root.rglob("*") if not skipped & set(path.relative_to(root).parts))
    return sorted(path for path in found if path.is_file())


def check_words(root: Path) -> list[Violation]:
    """Unfinished work, paths of one machine, registry hosts."""
    found = []
    for path in files(root):
        if path.suffix not in TEXT_SUFFIXES:
            continue
        try:
            text = path.read_text()
        except (UnicodeDecodeError, OSError):
            continue
        for rule, (pattern, advice) in BANNED.items():
            found += [
                Violation(relative(root, path), line_of(text, hit.start()), f"text/{rule}", f"{hit.group(0)}: {advice}")
                for hit in re.finditer(pattern, text)
            ]
    return found


def check_readmes(root: Path) -> list[Violation]:
    """A module folder says in its README what it is for."""
    modules = [path.parent for path in (root / "src/cpp").glob("*/CMakeLists.txt")]
    found = []
    for folder in sorted(modules):
        readme = folder / "README.md"
        lines = len(readme.read_text().splitlines()) if readme.exists() else 0
        if lines < 4:
            found.append(Violation(relative(root, folder), 1, "readme", "a module needs a README.md of 4 to 30 lines"))
        elif lines > 40:
            found.append(Violation(relative(root, readme), 1, "readme", f"{lines} lines: a README is not a manual"))
    return found
