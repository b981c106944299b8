"""Requests made up from GET /openapi.json: no server error, and no answer that the document does not know."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from api.plane import TOKEN, Plane

HERE = Path(__file__).resolve().parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = os.environ.get("SANDBOXD_OPENAPI_EXAMPLES", "10")  # of each operation in each phase; hundreds take minutes


def run(plane: Plane, cwd: Path, description: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Schemathesis on what the description names; its own words are on standard output."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
    command += ["run", description, "--url", plane.url, "-H", f"Authorization: Bearer {TOKEN}", "--checks", CHECKS]
    command += ["--exclude-path-regex", "^/v1/"]  # Opensbx calls failures of others server errors
    return subprocess.run(
        [*command, "--request-timeout", "20", "--continue-on-failure", *words],
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "TEST_SPARE_NODE_PORT": str(plane.spare_port)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(3600)
def test_no_answer_is_a_server_error_or_undocumented(plane: Plane, tmp_path: Path) -> None:
    done = run(plane, tmp_path, f"{plane.url}/openapi.json", "--max-examples", EXAMPLES)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    tested, made = re.search(r"Tested: (\d+)", done.stdout), re.search(r"(\d+) generated", done.stdout)
    assert tested and int(tested[1]) >= 26, "every operation but the endless stream"
    assert made and int(made[1]) > 500
    print(made[0])
    assert plane.client.get("/readyz").status_code == 200, "and it goes on"


def test_an_undocumented_answer_is_found(plane: Plane, tmp_path: Path) -> None:
    document = plane.client.get("/openapi.json").json()
    del document["paths"]["/api/v1/externals/{id}"]["get"]["responses"]["404"]
    (tmp_path / "planted.json").write_text(json.dumps(document))
    done = run(plane, tmp_path, "planted.json", "--include-operation-id", "getExternal", "--phases", "coverage")
    assert done.returncode == 1 and "Undocumented status code" in done.stdout, done.stdout + done.stderr
