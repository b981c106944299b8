"""Instances for the end-to-end tests. Needs root and the real parts; what is missing fails, nothing is skipped."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.instance import Instance
from support.leak_checker import settle

HERE = Path(__file__).resolve().parent
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests, and give starting platforms more time than the default."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Fail early, with the reason, on a machine that cannot run these tests."""
    assert os.geteuid() == 0, "the end-to-end tests need root"
    tools = ("containerd", "ctr", "runc", "runsc", "containerd-shim-runsc-v1", "nft", "ip", "ss")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    assert not missing, f"missing on this machine: {', '.join(missing)} (run ./check, which installs them)"


def end(instance: Instance) -> None:
    """Destroy an instance and fail when `down --rm` had left something."""
    problems = instance.destroy()
    assert not problems, "left behind:\n" + "\n".join(problems)


def shared(runtime: str) -> Iterator[Instance]:
    """A running instance for several tests; at its end nothing but what the API lists may exist."""
    instance = Instance(runtime=runtime)
    try:
        instance.up()
        yield instance
        for item in instance.get("/api/v1/sandboxes")["items"]:
            instance.delete(item["id"])
            instance.wait_gone(item["id"])
        problems = settle(instance)
        assert not problems, "leaked:\n" + "\n".join(problems)
    finally:
        end(instance)


@pytest.fixture(scope="module")
def platform() -> Iterator[Instance]:
    """An instance shared by the tests of a module."""
    yield from shared("runsc")


@pytest.fixture(scope="module", params=["runsc", "runc"])
def each_platform(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """The same under both handlers, one after the other."""
    yield from shared(request.param)


@pytest.fixture
def make_instance() -> Iterator[Callable[..., Instance]]:
    """Make instances that the test itself starts and harms."""
    made: list[Instance] = []

    def make(**options: object) -> Instance:
        made.append(Instance(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    problems = [problem for instance in made for problem in instance.destroy()]
    assert not problems, "left behind:\n" + "\n".join(problems)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A sandbox id that no other test uses."""
    return f"{request.node.originalname.removeprefix('test_')[:40].replace('_', '-')}-{next(_numbers)}"
