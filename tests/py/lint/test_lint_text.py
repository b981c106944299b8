"""Words that must not appear, files that must exist, lists that must agree; format and types."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lint import acceptance, names, text
from lint.cpp_text import cpp_files

from sandboxd._exceptions import ERROR_CODES

ROOT = Path(__file__).resolve().parents[3]


def test_no_unfinished_work_machine_paths_or_registry_hosts() -> None:
    found = text.check_words(ROOT)
    assert not found, "\n" + "\n".join(map(str, found))


@pytest.mark.parametrize(
    "line",
    [
        "// TO" + "DO later",
        "# FIX" + "ME",
        "path = '/wo" + "rk/main'",
        "see /tm" + "p/w/log",
        "https://py" + "pi.org/simple",
    ],
)
def test_banned_words_are_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.py").write_text(line + "\n")
    assert text.check_words(tmp_path)


def test_every_module_has_a_readme() -> None:
    found = text.check_readmes(ROOT)
    assert not found, "\n" + "\n".join(map(str, found))


def test_missing_readme_is_found(tmp_path: Path) -> None:
    (tmp_path / "src/cpp/base").mkdir(parents=True)
    (tmp_path / "src/cpp/base/CMakeLists.txt").write_text("")
    assert text.check_readmes(tmp_path)


def test_acceptance_pages_name_tests_that_exist() -> None:
    known = acceptance.known_tests(ROOT)
    pages = sorted((ROOT / "docs/api").glob("acceptance-*.md"))
    assert pages
    for page in pages:
        found = acceptance.check_page(page.read_text(), known)
        assert not found, f"{page.name}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "row", ["| `TestA` | `Suite.gone` | |", "| `TestA` | `test_a.py::test_gone` | |", "| `TestA` | | |"]
)
def test_missing_acceptance_tests_are_found(row: str) -> None:
    assert acceptance.check_page(row, {"Suite.there", "test_a.py::test_there"})


def test_error_codes_are_the_same_in_both_languages() -> None:
    codes = names.cpp_error_codes(ROOT / "src/cpp/base/error.hpp")
    assert len(codes) > 10
    assert names.cpp_error_texts(ROOT / "src/cpp/base/error.cpp") == codes
    assert sorted(ERROR_CODES) == sorted(codes)


def test_cpp_is_formatted() -> None:
    files = [str(path) for path in cpp_files(ROOT, "src/cpp", "bindings", "tests/cpp", "bench")]
    done = subprocess.run(
        ["clang-format-19", "--dry-run", "-Werror", *files], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, "run clang-format-19 -i on:\n" + "\n".join(
        sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    )


def test_unformatted_cpp_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".clang-format", tmp_path)
    (tmp_path / "a.cpp").write_text("int  f( ){return 1;}\n")
    assert subprocess.run(
        ["clang-format-19", "--dry-run", "-Werror", tmp_path / "a.cpp"], capture_output=True, check=False
    ).returncode


def run_python_tool(*arguments: str) -> None:
    """Run a tool of this Python's environment in the repository; fail with its output."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


PYTHON_FOLDERS = [
    name for name in ("src/sandboxd", "tests/py", "bench", "examples", "docs") if any((ROOT / name).rglob("*.py"))
]


def test_ruff_is_content() -> None:
    run_python_tool("ruff", "check", "--no-cache", *PYTHON_FOLDERS)


def test_python_is_formatted() -> None:
    run_python_tool("ruff", "format", "--no-cache", "--check", *PYTHON_FOLDERS)


def test_types_hold() -> None:
    run_python_tool("mypy", "--strict", "--cache-dir", str(ROOT / "build/mypy"))


def test_configuration_document_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs/generate_configuration.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_scripts_parse() -> None:
    for script in ("check", "quickstart", ".ci/run", "src/sandboxd/setup/gvisor.sh"):
        done = subprocess.run(["bash", "-n", ROOT / script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}: {done.stderr}"
