"""./check's own bookkeeping: a run that died, or ran less than it should, must not look good."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.count_results import count
from support.tidy_changed import choose, sources_of_build, tidy

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


class Repository:
    """A git repository of the test's own, with C++ sources that a build knows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", self.root, *identity, *arguments], check=True, capture_output=True)

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + f"// {name}\n")
        return path

    def commit(self, *names: str) -> None:
        for name in names:
            self.write(name, f"// {len(names)} changed\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")

    def chosen(self) -> list[str]:
        sources = sorted(self.root.glob("src/**/*.cpp"))
        return [str(path.relative_to(self.root)) for path in choose(self.root, sources)]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path)
    repository.commit("src/a/old.cpp")
    repository.commit("src/a/new.cpp", "src/a/gone.cpp")
    return repository


def test_tidy_takes_the_last_commits_of_a_lone_branch_newest_first(repository: Repository) -> None:
    (repository.root / "src/a/gone.cpp").unlink()
    assert repository.chosen() == ["src/a/new.cpp", "src/a/old.cpp"]


def test_tidy_takes_what_a_branch_and_its_working_tree_changed(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("src/a/topic.cpp")
    repository.write("src/a/untracked.cpp")
    assert repository.chosen() == ["src/a/untracked.cpp", "src/a/topic.cpp"]


def test_tidy_checks_a_changed_header_through_a_source_that_sees_it(repository: Repository) -> None:
    repository.write("src/a/user.cpp", '#include "a/alone.hpp"\n')
    repository.commit("src/a/old.hpp", "src/a/user.hpp")
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit("src/a/old.hpp", "src/a/alone.hpp", "src/a/unused.hpp")
    assert sorted(repository.chosen()) == ["src/a/old.cpp", "src/a/user.cpp"]


def test_tidy_fails_on_a_planted_fault(tmp_path: Path) -> None:
    fault = "#include <utility>\nstruct S { S(S&&); S(); };\nS f() { S s; S t(std::move(s)); return s; }\n"
    tree = tmp_path / "build"
    tree.mkdir()
    entries = []
    for name, text in (("src/bad.cpp", fault), ("src/good.cpp", "int f() { return 1; }\n"), ("build/gen.cpp", "")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        entries.append({"directory": str(tree), "file": f"../{name}", "command": f"clang++-19 -std=c++20 -c ../{name}"})
    (tree / "compile_commands.json").write_text(json.dumps(entries))
    (tmp_path / ".clang-tidy").write_text((ROOT / ".clang-tidy").read_text())
    bad, good = sources_of_build(tmp_path, tree)
    status, _, text = tidy(tree, bad, float("inf"))
    assert status == 1 and "bugprone-use-after-move" in text
    assert tidy(tree, good, float("inf"))[0] == 0
    assert tidy(tree, bad, 0)[0] is None  # too late to begin
