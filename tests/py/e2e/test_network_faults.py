"""CNI plugins that are missing or fail, in ADD and in DEL: errors name plugin and cause, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.instance import Instance
from support.leak_checker import settle
from support.waiting import wait_until

Make = Callable[..., Instance]
SLEEP = ["/bin/sleep", "6000"]
REAL = Path("/usr/lib/cni")
WRAPPER = """#!/bin/sh
if [ -e {flag}-$CNI_COMMAND ]; then
  echo '{{"cniVersion":"1.0.0","code":999,"msg":"the switch is off","details":"ask the test"}}'
  exit 1
fi
exec {real} "$@"
"""
REFUSAL = "CNI plugin bridge {verb} failed (exit code 1): the switch is off; ask the test"


class Plugins:
    """A plugin directory of its own, whose bridge plugin fails on demand."""

    def __init__(self, make_instance: Make) -> None:
        self.instance = make_instance(runtime="runc")
        self.folder = self.instance.root / "cni"
        self.folder.mkdir()
        (self.folder / "host-local").symlink_to(REAL / "host-local")
        self.bridge = self.folder / "bridge"
        self.put_back()
        # No slots ahead: each create meets the plugins.
        self.instance.environment |= {"SANDBOXD_CNI_BIN_DIR": str(self.folder), "SANDBOXD_SLOT_POOL_SIZE": "0"}

    def put_back(self) -> None:
        self.bridge.write_text(WRAPPER.format(flag=self.folder / "fail", real=REAL / "bridge"))
        self.bridge.chmod(0o755)

    def fail(self, verb: str, on: bool = True) -> None:
        flag = self.folder / f"fail-{verb}"
        if on:
            flag.touch()
        else:
            flag.unlink()

    def failure_of(self, id: str) -> str:
        """The error of a sandbox that must fail."""
        self.instance.create(id, args=SLEEP)
        return str(self.instance.wait_phase(id, "Failed")["status"]["last_error"])

    def works(self, id: str) -> None:
        """A sandbox comes up, and after its end the machine has what the API lists."""
        self.instance.create(id, args=SLEEP)
        self.instance.wait_phase(id, "Running")
        problems = settle(self.instance)
        assert not problems, problems


@pytest.fixture
def plugins(make_instance: Make) -> Plugins:
    return Plugins(make_instance)


def test_a_plugin_that_is_missing_at_the_start_is_named(plugins: Plugins) -> None:
    plugins.bridge.unlink()
    instance = plugins.instance
    done = instance.command(*instance.up_command()[3:])
    text = done.stdout + done.stderr + instance.log_tail()
    assert done.returncode != 0
    assert f"CNI plugin {plugins.bridge} is missing: apt-get install containernetworking-plugins" in text
    plugins.put_back()
    instance.up()
    plugins.works("one")


def test_a_plugin_that_vanishes_delays_a_create_until_it_is_back(plugins: Plugins) -> None:
    """As a container runtime that is away does: the create was accepted. The log names plugin and remedy."""
    instance = plugins.instance.up()
    plugins.bridge.unlink()
    instance.create("one", args=SLEEP)
    words = f"CNI plugin bridge is not in {plugins.folder}: apt-get install containernetworking-plugins"
    wait_until(lambda: words in instance.log_tail(400), "the missing plugin in the log", 30)
    plugins.put_back()
    instance.wait_phase("one", "Running")
    plugins.works("two")


def test_a_plugin_that_fails_in_add_fails_the_create_with_its_words(plugins: Plugins) -> None:
    plugins.instance.up()
    plugins.fail("ADD")
    assert REFUSAL.format(verb="ADD") in plugins.failure_of("one")
    problems = settle(plugins.instance)
    assert not problems, problems
    plugins.fail("ADD", on=False)
    plugins.works("two")


def test_a_plugin_that_fails_in_del_is_asked_again_until_it_works(plugins: Plugins) -> None:
    instance = plugins.instance.up()
    plugins.works("one")
    plugins.fail("DEL")
    instance.delete("one")
    words = REFUSAL.format(verb="DEL")
    wait_until(lambda: words in instance.log_tail(400), "the failure in the log", 30)
    plugins.fail("DEL", on=False)
    instance.wait_gone("one", 60)
    problems = settle(instance)
    assert not problems, problems
    plugins.works("two")
