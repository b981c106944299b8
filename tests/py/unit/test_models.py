"""Values of the API."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandboxd._models import NodeInfo, Port, Probe, SandboxInfo, parse_log_lines, parse_time

RUNNING = {
    "id": "web",
    "spec": {"egress": False, "containers": []},
    "status": {
        "phase": "Running",
        "node_name": "n1",
        "ip": "10.89.0.2",
        "assigned_ports": [{"host_port": 10001, "container_port": 80, "protocol": "tcp"}],
        "expire_at": "2026-01-02T03:04:05.5Z",
        "external": "(none)",
        "from_the_future": 1,
    },
    "created_at": "2026-01-02T03:04:05.123456789Z",
    "updated_at": "2026-01-02T03:04:05Z",
}


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05.1Z", 100000),
        ("2026-01-02T03:04:05.123456789Z", 123456),
        ("2026-01-02T05:04:05.000001+02:00", 1),
    ],
)
def test_times_keep_microseconds_and_become_utc(text: str, micros: int) -> None:
    assert parse_time(text) == datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", None, 5, "2026-01-02"])
def test_what_is_no_time_is_none(text: object) -> None:
    assert parse_time(text) is None


def test_sandbox_is_read_and_unknown_fields_are_kept_in_raw() -> None:
    info = SandboxInfo.from_json(RUNNING)
    assert (info.id, info.phase, info.node, info.ip) == ("web", "Running", "n1", "10.89.0.2")
    assert info.ports == (Port(80, 10001),)
    assert info.expires_at is not None and info.expires_at.microsecond == 500000
    assert info.raw["status"]["from_the_future"] == 1
    assert info.is_running and not info.has_ended


def test_a_sandbox_of_wrong_types_is_empty_instead_of_an_error() -> None:
    info = SandboxInfo.from_json({"id": 5, "status": [], "created_at": {}})
    assert (info.id, info.phase, info.ports, info.created_at) == ("", "", (), None)


@pytest.mark.parametrize("phase", ["Failed", "Stopped", "Deleting"])
def test_phases_from_which_it_never_runs_have_ended(phase: str) -> None:
    assert SandboxInfo("a", phase).has_ended


@pytest.mark.parametrize("phase", ["Pending", "Scheduled", "Paused"])
def test_phases_from_which_it_may_run_have_not_ended(phase: str) -> None:
    assert not SandboxInfo("a", phase).has_ended


def test_node_is_read() -> None:
    node = NodeInfo.from_json(
        {
            "id": "n1",
            "metadata": {"labels": {"disk": "ssd"}},
            "ip": "10.0.0.1",
            "port": 8080,
            "unschedulable": True,
            "state": "Ready",
            "resources": {"allocatable_cpu_milli": 1800, "external": "(none)"},
        }
    )
    assert (node.labels, node.unschedulable, node.is_ready) == ({"disk": "ssd"}, True, True)
    assert node.resources.allocatable_cpu_milli == 1800


def test_models_are_immutable() -> None:
    with pytest.raises(AttributeError):
        SandboxInfo("a", "Running").id = "b"  # type: ignore[misc]


def test_cri_lines_become_text_and_partial_pieces_of_one_stream_are_joined() -> None:
    lines = parse_log_lines(
        [
            "2026-01-02T03:04:05.000000001Z stdout F hello  world",
            "2026-01-02T03:04:06.000000001Z stdout P one ",
            "2026-01-02T03:04:06.000000002Z stderr F oops",
            "2026-01-02T03:04:06.000000003Z stdout F two",
            "2026-01-02T03:04:07.000000003Z stdout F ",
            "2026-01-02T03:04:07.000000003Z stderr P cut",
        ]
    )
    assert [(line.stream, line.text) for line in lines] == [
        ("stdout", "hello  world"),
        ("stderr", "oops"),
        ("stdout", "one two"),
        ("stdout", ""),
        ("stderr", "cut"),
    ]
    assert str(lines[0]) == "hello  world" and lines[0].at is not None


def test_lines_of_several_containers_keep_the_name_in_front() -> None:
    (line,) = parse_log_lines(["[app] 2026-01-02T03:04:05.000000001Z stderr F boom"])
    assert (line.text, line.stream) == ("[app] boom", "stderr")


def test_a_line_that_is_not_cri_is_kept_as_it_is() -> None:
    assert parse_log_lines(["no format"])[0].text == "no format"


def test_probe_is_written_with_every_number_because_the_server_refuses_zero() -> None:
    assert Probe.http(80, "/up", period=2).to_json() == {
        "protocol": "http",
        "port": 80,
        "path": "/up",
        "initial_delay_seconds": 1,
        "period_seconds": 2,
        "timeout_seconds": 1,
        "success_threshold": 1,
        "failure_threshold": 3,
    }
    assert "path" not in Probe.tcp(80).to_json()
