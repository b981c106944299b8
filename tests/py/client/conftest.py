"""One fake control plane a test, and no settings from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from client.fake_server import FakeControlPlane, running


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith("SANDBOXD_") and "CHECK" not in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("SANDBOXD_RUN_DIR", str(tmp_path_factory.mktemp("run")))


@pytest.fixture
def plane() -> Iterator[FakeControlPlane]:
    with running() as fake:
        yield fake
