"""A control plane as a process: its log, reload, readiness, metrics, pages, limits."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

SPEC = {"containers": [{"name": "a", "image": "x", "resource": {"cpu": "1m", "memory": "1Mi"}}]}


class Daemon:
    """`sandboxd orch` on a port of its own. `output` is what it has written so far to standard output."""

    def __init__(self, root: Path, *words: str, token: str = "") -> None:
        self.out, self.err = root / "out", root / "err"
        self.token = token
        read_end, write_end = os.pipe()
        arguments = [sys.executable, "-m", "sandboxd", "orch", "--data-dir", str(root), "--run-dir", str(root)]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SANDBOXD_", "ORCH_", "SBX_"))}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [*arguments, *words, "--ready-fd", str(write_end)],
                stdout=out,
                stderr=err,
                pass_fds=[write_end],
                env=kept,
            )
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            answer = json.loads(ready.readline() or "{}")
        self.port = int(answer.get("port", 0))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines() + self.err.read_text().splitlines()]

    def said(self, message: str) -> dict[str, Any] | None:
        return next((line for line in self.lines() if line["msg"] == message), None)

    def wait_said(self, message: str) -> dict[str, Any]:
        found = wait_until(lambda: self.said(message), f"log line {message!r}")
        assert found is not None
        return found

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            text = body if isinstance(body, str | bytes | None) else json.dumps(body)
            connection.request(method, path, text, {**sent, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()


Start = Callable[..., Daemon]


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(*words: str, **options: str) -> Daemon:
            daemon = Daemon(root, *words, **options)
            stack.callback(daemon.process.wait, 60)
            stack.callback(daemon.process.kill)
            return daemon

        yield begin


def listening(*words: str) -> tuple[str, ...]:
    return ("--listen", "127.0.0.1:0", *words)


def test_readyz_metrics_and_pages(start: Start) -> None:
    daemon = start(*listening("--token", "t0ken"), token="t0ken")
    assert daemon.ask("GET", "/readyz")[:2] == (200, '{"ok":true}')
    assert daemon.ask("POST", "/api/v1/sandboxes", {"id": "a", "spec": SPEC})[0] == 201
    status, text, headers = daemon.ask("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'sandboxd_http_requests_total{method="POST",route="/api/v1/sandboxes",status="201"} 1\n' in text
    assert 'sandboxd_sandboxes{phase="pending"} 1\n' in text
    daemon.token = ""
    assert daemon.ask("GET", "/metrics")[0] == 401
    for path in ("/healthz", "/readyz", "/openapi.json", "/swagger/", "/swagger/index.html", "/swagger/doc.json"):
        assert daemon.ask("GET", path)[0] == 200, path
    status, _, headers = daemon.ask("GET", "/swagger")
    assert (status, headers["Location"]) == (301, "/swagger/")
    assert "default-src 'none'" in daemon.ask("GET", "/swagger/page.js")[2]["Content-Security-Policy"]


def test_the_create_limit_is_the_originals_and_off_by_default(start: Start, root: Path) -> None:
    file = root / "sbxorch_config.json"
    values = {"http_addr": "127.0.0.1:0", "shared_secret": "s", "create_rps": 0.001, "create_burst": 2}
    file.write_text(json.dumps(values))
    daemon = start("-c", str(file), token="s")
    assert daemon.ask("POST", "/api/v1/sandboxes", {"id": "a", "spec": SPEC})[0] == 201
    assert daemon.ask("POST", "/api/v1/sandboxes", "nonsense")[0] == 400  # a wrong request spends a token too
    status, body, _ = daemon.ask("POST", "/api/v1/sandboxes", {"id": "b", "spec": SPEC})
    assert (status, body) == (429, '{"error":"rate limit exceeded for sandbox create"}')
    daemon.token = "wrong"
    assert daemon.ask("POST", "/api/v1/sandboxes", {"id": "b", "spec": SPEC})[0] == 401
    # Off: a reload without the limit.
    file.write_text(json.dumps({**values, "create_rps": 1000000, "create_burst": 1000000}))
    daemon.token = "s"
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_said("configuration reloaded")
    for n in range(50):
        assert daemon.ask("POST", "/api/v1/sandboxes", {"id": f"c{n}", "spec": SPEC})[0] == 201


def test_a_reload_takes_what_may_change_says_what_may_not_and_a_bad_file_changes_nothing(
    start: Start, root: Path
) -> None:
    file = root / "sandboxd.toml"
    file.write_text('[orch]\nlisten = "127.0.0.1:0"\ntoken = "one"\n')
    daemon = start("--config", str(file), token="one")
    file.write_text(
        '[orch]\nlisten = "127.0.0.1:0"\ntoken = "two"\nmore_tokens = ["one"]\n'
        'log_level = "debug"\nhost_port_min = 11000\n'
        'sandbox_op_timeout = "7s"\nprobe_timeout = "2s"\nheartbeat_interval = "5s"\n'
    )
    daemon.process.send_signal(signal.SIGHUP)
    changed = daemon.wait_said("configuration reloaded")["changed"]
    timing = {"sandbox_op_timeout", "probe_timeout", "heartbeat_interval"}
    assert set(changed.split(",")) == {"token", "more_tokens", "log_level"} | timing
    assert daemon.wait_said("settings that change with a restart only")["settings"] == "host_port_min"
    for token in ("one", "two"):
        daemon.token = token
        assert daemon.ask("GET", "/api/v1/sandboxes")[0] == 200
    file.write_text("[orch]\nlog_level = 'loud'\ntoken = 'three'\n")
    daemon.process.send_signal(signal.SIGHUP)
    refusal = daemon.wait_said("reload refused: everything stays as it was")
    assert "loud" in refusal["error"] and refusal["level"] == "error"
    assert daemon.ask("GET", "/api/v1/sandboxes")[0] == 200
    assert daemon.process.poll() is None
    everything = daemon.out.read_text() + daemon.err.read_text()
    assert not re.search(r'"(one|two|three)"', everything.replace(str(root), "")), "a secret is in the log"


def test_the_log_has_the_originals_form_and_files(start: Start, root: Path) -> None:
    logs = root / "deep" / "logs"
    daemon = start(*listening("--log-dir", str(logs), "--app-env", "dev", "--token", "hidden"), token="hidden")
    daemon.ask("GET", "/api/v1/sandboxes?limit=1&token=hidden", **{"User-Agent": "probe/1", "X-Request-Id": "r1"})
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(60) == 0
    lines = daemon.lines()
    for line in lines:
        assert list(line)[:4] == ["ts", "level", "msg", "app"] and line["app"] == "orchestrator:dev"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)", line["ts"])
    access = next(line["http"] for line in lines if line["msg"] == "http request")
    assert list(access)[:5] == ["method", "path", "status", "latency", "ip"]
    assert (access["method"], access["path"], access["status"], access["ip"]) == (
        "GET",
        "/api/v1/sandboxes",
        200,
        "127.0.0.1",
    )
    assert access["query"] == "limit=1&token=***" and access["user_agent"] == "probe/1"
    assert isinstance(access["latency"], int)
    files = sorted(logs.iterdir())
    assert all(re.fullmatch(r"orchestrator-\d{8}-\d\d\.log", file.name) for file in files)
    assert "".join(file.read_text() for file in files) == daemon.out.read_text()
    assert "hidden" not in daemon.out.read_text()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("{", "orchestrator config error"),
        (
            {"http_addr": "127.0.0.1:0"},
            "orchestrator refuses to start: shared_secret is not configured (set shared_secret in config or "
            "SBX_SHARED_SECRET)",
        ),
        (
            {"shared_secret": "s", "http_addr": "127.0.0.1:0", "log_dir": "/proc/none"},
            "orchestrator logging init error",
        ),
        ({"shared_secret": "s", "http_addr": "127.0.0.1:0", "sqlite_path": "{root}"}, "orchestrator init error"),
        ({"shared_secret": "s", "http_addr": "192.0.2.1:1"}, "orchestrator server error"),
    ],
)
def test_with_an_original_file_a_failed_start_is_one_line_on_standard_error(
    start: Start, root: Path, values: object, message: str
) -> None:
    file = root / "sbxorch_config.json"
    file.write_text(values if isinstance(values, str) else json.dumps(values).replace("{root}", str(root)))
    daemon = start("-config", str(file))
    assert daemon.process.wait(60) == 1
    (line,) = daemon.err.read_text().splitlines()
    parsed = json.loads(line)
    assert (parsed["level"], parsed["msg"], parsed["app"]) == ("error", message, "orchestrator")


def test_ten_thousand_idle_connections_do_not_disturb(start: Start) -> None:
    daemon = start(*listening())
    before = resident_kib(daemon.process.pid)
    with ExitStack() as stack:
        for _ in range(10_000):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), timeout=30))
        wait_until(lambda: connections(daemon) >= 10_000, "all of them are accepted", 60.0)
        assert daemon.ask("GET", "/readyz")[0] == 200
        assert daemon.ask("POST", "/api/v1/sandboxes", {"id": "a", "spec": SPEC})[0] == 201
        each = (resident_kib(daemon.process.pid) - before) / 10_000
        print(f"memory per idle connection: {each:.1f} KiB")
        assert each < 16
    wait_until(lambda: connections(daemon) < 100, "all of them are forgotten", 60.0)


def connections(daemon: Daemon) -> int:
    found = re.search(r"^sandboxd_http_connections (\d+)$", daemon.ask("GET", "/metrics")[1], re.M)
    assert found is not None
    return int(found.group(1))


def resident_kib(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found.group(1))


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "empty"),
    (b"{", 400, "unexpected end"),
    (b"[" * 100_000, 400, "deeper than 32"),
    (b'{"id":"\xff\xfe"}', 400, "malformed JSON at byte"),
    (b'{"id":"a","spec":{"ttl_seconds":1.5}}', 400, "ttl_seconds"),
    (b'{"id":"a","spec":{"ttl_seconds":1e3}}', 400, "ttl_seconds"),
    (b'{"id":"a","spec":{"ttl_seconds":99999999999999999999}}', 400, "ttl_seconds"),
    (b'{"id":"a","spec":{"ports":[{"container_port":4294967296}]}}', 400, "container_port"),
    (b'{"id":"a","spec":[]}', 400, "spec"),
    (b'{"id":"../x","spec":{}}', 400, "invalid path characters"),
    (b'{"id":"a\\u0000b","spec":{}}', 400, "unsupported characters"),
    (b" " * (5 << 20), 413, "too large"),
]


def test_bad_bodies_get_a_clear_answer_and_change_nothing(start: Start) -> None:
    daemon = start(*listening())
    for body, status, part in BAD_BODIES:
        got, text, _ = daemon.ask("POST", "/api/v1/sandboxes", body)
        assert (got, part in text) == (status, True), (body[:60], got, text)
    assert json.loads(daemon.ask("GET", "/api/v1/sandboxes")[1])["items"] == []


def test_of_two_equal_members_the_last_counts(start: Start) -> None:
    daemon = start(*listening())
    body = b'{"id":"first","spec":' + json.dumps(SPEC).encode() + b',"ID":"second"}'
    assert daemon.ask("POST", "/api/v1/sandboxes", body)[0] == 201
    assert json.loads(daemon.ask("GET", "/api/v1/sandboxes")[1])["items"][0]["id"] == "second"
