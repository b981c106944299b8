"""Directories of a daemon, and no settings from outside."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxd import OrchConfig


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SANDBOXD_") and "CHECK" not in name:
            monkeypatch.delenv(name)


@pytest.fixture
def root() -> Iterator[Path]:
    """Short, because socket paths are limited."""
    path = Path(tempfile.mkdtemp(prefix="sbxb-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def orch_config(root: Path) -> OrchConfig:
    return OrchConfig(listen="127.0.0.1:0", data_dir=str(root), run_dir=str(root))
