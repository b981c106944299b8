"""The command line as a program: exit codes, JSON, sentences. No control plane, no root needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandboxd._exceptions import ForbiddenError
from sandboxd.cli import platform


def sandboxd(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SANDBOXD_")}
    return subprocess.run(
        [sys.executable, "-m", "sandboxd", *words],
        capture_output=True,
        text=True,
        env={**kept, "SANDBOXD_URL": "http://127.0.0.1:1", **environ},
        check=False,
        timeout=60,
    )


def test_help_names_every_command() -> None:
    done = sandboxd("--help")
    assert done.returncode == 0
    for command in (
        "up",
        "down",
        "reload",
        "orch",
        "node",
        "doctor",
        "ps",
        "run",
        "logs",
        "rm",
        "nodes",
        "external",
        "image",
        "config",
        "version",
    ):
        assert command in done.stdout


@pytest.mark.parametrize("words", [("ps",), ("nodes",), ("external", "ls"), ("logs", "a"), ("rm", "a"), ("run", "img")])
def test_nobody_there_is_exit_code_3_with_one_sentence(words: tuple[str, ...]) -> None:
    done = sandboxd(*words)
    assert done.returncode == 3
    assert "sandboxd up" in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ("nix",),
        ("rm",),
        ("rm", "a", "--all"),
        ("run", "--env", "novalue", "img"),
        ("run", "--label", "novalue", "img"),
        ("run", "--lifetime", "0", "img"),
        ("run", "--lifetime=-1", "img"),
        ("run", "--lifetime", "nan", "img"),
        ("ps", "--nix"),
        ("ps", "--label", "=x"),
        ("external",),
        ("external", "set", "e"),
        ("down", "--purge"),
    ],
)
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...]) -> None:
    done = sandboxd(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--id", "x"), ("--id=x",), ("-p", "80"), ("-p80",), ("--rm",), ("--help",)])
def test_an_option_of_run_behind_the_image_is_shown_its_place(words: tuple[str, ...]) -> None:
    done = sandboxd("run", "img", *words, COLUMNS="1000")
    assert done.returncode == 2 and done.stdout == ""
    option = words[0].partition("=")[0] if words[0].startswith("--") else "-p"
    assert f"sandboxd run {option} ... img" in done.stderr
    assert f"sandboxd run img -- {' '.join(words)}" in done.stderr


def test_a_wrong_setting_is_exit_code_1_and_named() -> None:
    done = sandboxd("ps", SANDBOXD_URL="localhost:8082")
    assert done.returncode == 1 and "SANDBOXD_URL" in done.stderr and "http://host:port" in done.stderr


def test_importing_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = sandboxd("image", "import", str(tmp_path / "none.tar"))
    assert done.returncode == 1 and "no such file" in done.stderr


def test_importing_without_a_platform_says_how_to_start_it(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"")
    done = sandboxd("image", "import", str(tmp_path / "x.tar"), "--run-dir", str(tmp_path))
    assert done.returncode == 3 and "sandboxd up" in done.stderr


@pytest.mark.parametrize("command", [platform.up, platform.down])
def test_without_root_nothing_is_tried(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ForbiddenError, match="needs root"):
        command()


def test_reload_without_anything_running_says_so(tmp_path: Path) -> None:
    done = sandboxd("reload", "--data-dir", str(tmp_path / "d"))
    assert done.returncode == 1 and "no daemon runs" in done.stderr


def test_down_without_anything_running_is_no_error(tmp_path: Path) -> None:
    for words in (("down",), ("down", "--rm"), ("down", "--rm", "--purge")):
        done = sandboxd(*words, "--data-dir", str(tmp_path / "d"), "--run-dir", str(tmp_path / "r"))
        assert (done.returncode, done.stdout) == (0, "") and "nothing runs" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_version_is_printed() -> None:
    assert sandboxd("version").stdout.startswith("sandboxd 0.")
