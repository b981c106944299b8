"""Requests made up from the Opensbx part of GET /openapi.json, on a real sandbox: no answer that it does not know."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import images
from support.instance import Instance
from support.opensbx import Box, Opensbx

HERE = Path(__file__).resolve().parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = os.environ.get("SANDBOXD_OPENAPI_EXAMPLES", "5")  # of each operation in each phase; hundreds take minutes
OPERATIONS = 26


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A sandbox with a command that has ended, under the handler that is quicker to start."""
    instance = Instance(runtime="runc")
    try:
        instance.up()
        yield Opensbx(instance).create(images.BOX, ports=["8000"])
    finally:
        problems = instance.destroy()
        assert not problems, "left behind:\n" + "\n".join(problems)


def test_no_answer_is_undocumented(box: Box, tmp_path: Path) -> None:
    command = box.run("echo", "hello")["id"]
    url = box.api.instance.url
    words = ["--config-file", str(HERE / "opensbx_schemathesis.toml"), "run", f"{url}/openapi.json", "--url", url]
    words += ["--include-path-regex", "^/v1/", "--checks", CHECKS, "--max-examples", EXAMPLES]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words, "--request-timeout", "60", "--continue-on-failure"],
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parent),
            "TEST_PLANE": url,
            "TEST_SANDBOX": box.id,
            "TEST_COMMAND": command,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    tested, made = re.search(r"Tested: (\d+)", done.stdout), re.search(r"(\d+) generated", done.stdout)
    assert tested and int(tested[1]) == OPERATIONS, done.stdout[-2000:]
    assert made and int(made[1]) > 300
    print(made[0])
    assert box.api.call("GET", "/health", 200).json() == {"status": "healthy"}, "and it goes on"
