"""A configuration of the original system: read as the original reads it, section by section of its description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandboxd import ConfigError, _config

SHIPPED = {
    "app_env": "dev",
    "http_addr": ":8082",
    "shared_secret": "MY_SHARED_SECRET",
    "log_dir": "/logs/sbxorch",
    "log_file_prefix": "orchestrator",
    "sqlite_path": "/var/lib/sandboxd/orchestrator.db",
    "heartbeat_interval": "10s",
    "probe_timeout": "3s",
    "sandbox_op_timeout": "60s",
    "heartbeat_parallel": False,
    "heartbeat_max_parallel": 4,
    "resource_sync_interval": "30s",
    "resource_persist_min_interval": "30s",
    "resource_persist_max_interval": "5m",
    "ready_success_threshold": 2,
    "notready_failure_threshold": 2,
    "shutdown_timeout": "5s",
    "scheduler_interval": "3s",
    "reconcile_interval": "5s",
    "status_sync_interval": "20s",
    "status_sync_timeout": "5s",
    "status_sync_batch_size": 50,
    "status_sync_max_parallel": 4,
    "host_port_min": 10000,
    "host_port_max": 32767,
    "create_rps": 20,
    "create_burst": 40,
}


def load(tmp_path: Path, values: object = None, **environ: str) -> _config.Loaded:
    """The control plane's configuration from a file of the original."""
    file = tmp_path / "sbxorch_config.json"
    if values is not None:
        file.write_text(values if isinstance(values, str) else json.dumps(values))
    return _config.load("orch", file=file, environ=environ)


def of(loaded: _config.Loaded, *names: str) -> tuple[str, ...]:
    return tuple(loaded.get(name) for name in names)


def test_the_shipped_file_loads_unchanged_and_what_has_no_meaning_is_told(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHIPPED)
    _config.check_exposure(loaded)
    assert of(loaded, "listen", "token", "app_env") == (":8082", "MY_SHARED_SECRET", "dev")
    assert of(loaded, "create_rps", "create_burst", "database") == ("20", "40", SHIPPED["sqlite_path"])
    assert of(loaded, "log_keep_files", "log_keep_bytes") == ("0", "0"), "it keeps every log file"
    assert loaded.notes == ()
    known = {row.original_key for row in _config.fields("orch")}
    assert set(loaded.foreign) == SHIPPED.keys() - known and "scheduler_interval" in loaded.foreign


def test_a_file_that_says_nothing_has_the_originals_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, {})
    assert of(loaded, "listen", "heartbeat_interval", "probe_timeout") == (":8082", "10s", "3s")
    assert of(loaded, "host_port_min", "host_port_max", "shutdown_timeout") == ("10000", "32767", "5s")
    assert of(loaded, "status_sync_interval", "status_sync_timeout", "status_sync_batch_size") == ("20s", "5s", "50")
    assert of(loaded, "create_rps") == ("0",), "no limit unless one is set"


def test_a_missing_file_is_one_that_says_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, None, SBX_SHARED_SECRET="s")
    assert of(loaded, "listen", "token") == (":8082", "s")
    assert "is not there" in loaded.notes[0]


@pytest.mark.parametrize("secret", [None, "", "  "])
def test_without_a_secret_it_refuses_to_start(tmp_path: Path, secret: str | None) -> None:
    loaded = load(tmp_path, {"http_addr": "127.0.0.1:0", "shared_secret": secret})
    with pytest.raises(ConfigError) as caught:
        _config.check_exposure(loaded)
    assert str(caught.value) == (
        "orchestrator refuses to start: shared_secret is not configured (set shared_secret in config or "
        "SBX_SHARED_SECRET)"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("{", 'parse config file "'),
        ("[]", "an object is expected"),
        ({"host_port_min": "10000"}, "host_port_min: int is expected"),
        ({"host_port_min": 1.5}, "host_port_min: int is expected"),
        ({"host_port_min": True}, "host_port_min: int is expected"),
        ({"probe_timeout": 3}, "probe_timeout: duration is expected"),
        ({"http_addr": 8082}, "http_addr: string is expected"),
        ({"heartbeat_parallel": 1}, "heartbeat_parallel: bool is expected"),
        ({"scheduler_interval": 3}, "scheduler_interval: duration is expected"),
        ({"create_rps": "20"}, "create_rps: float is expected"),
    ],
)
def test_broken_json_and_wrong_types_are_errors(tmp_path: Path, values: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, values)
    assert message in str(caught.value) and "sbxorch_config.json" in str(caught.value)


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dir.json").mkdir()
    with pytest.raises(ConfigError, match="read config file"):
        _config.load("orch", file=tmp_path / "dir.json", environ={})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"probe_timeout": "soon"}, {"probe_timeout": "3s"}),  # ignored
        ({"probe_timeout": "-1s", "sandbox_op_timeout": "0s"}, {"probe_timeout": "3s", "sandbox_op_timeout": "60s"}),
        ({"ready_success_threshold": 0, "notready_failure_threshold": -3}, {"ready_success_threshold": "1"}),
        ({"heartbeat_interval": "0s", "status_sync_batch_size": 0}, {"status_sync_batch_size": "50"}),
        ({"heartbeat_interval": "-1s", "status_sync_interval": "0s"}, {"status_sync_interval": "20s"}),
        ({"status_sync_timeout": "0s", "shutdown_timeout": "0s"}, {"status_sync_timeout": "5s"}),
        ({"host_port_min": 0, "host_port_max": 1}, {"host_port_min": "10000", "host_port_max": "32767"}),
        ({"host_port_min": 20000, "host_port_max": 15000}, {"host_port_min": "20000", "host_port_max": "32767"}),
        ({"create_rps": 0, "create_burst": 0}, {"create_rps": "20", "create_burst": "40"}),
        ({"create_rps": -1.5}, {"create_rps": "20", "create_burst": "40"}),
        ({"create_burst": 7}, {"create_rps": "20", "create_burst": "7"}),
        ({"http_addr": "", "log_file_prefix": " "}, {"listen": ":8082", "log_file_prefix": "orchestrator"}),
        ({"HTTP_Addr": "127.0.0.1:1", "probe_timeout": None}, {"listen": "127.0.0.1:1", "probe_timeout": "3s"}),
    ],
)
def test_values_are_ignored_or_corrected_as_the_original_does(
    tmp_path: Path, values: dict[str, Any], expected: dict[str, str]
) -> None:
    loaded = load(tmp_path, values)
    assert {name: loaded.get(name) for name in expected} == expected


def test_what_was_ignored_is_told(tmp_path: Path) -> None:
    notes = load(tmp_path, {"probe_timeout": "soon", "colour": "red"}).notes
    assert any("probe_timeout" in note and "soon" in note for note in notes)
    assert any("colour" in note and "nobody knows" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("ORCH_SANDBOX_OP_TIMEOUT", "45s", "sandbox_op_timeout", "45s"),
        ("ORCH_SANDBOX_OP_TIMEOUT", "0s", "sandbox_op_timeout", "7s"),  # ignored: the file's stays
        ("ORCH_SANDBOX_OP_TIMEOUT", "soon", "sandbox_op_timeout", "7s"),
        ("ORCH_HTTP_ADDR", " 127.0.0.1:9 ", "listen", "127.0.0.1:9"),
        ("ORCH_HTTP_ADDR", "  ", "listen", "127.0.0.1:8"),
        ("ORCH_STATUS_SYNC_INTERVAL", "45s", "status_sync_interval", "45s"),
        ("ORCH_STATUS_SYNC_TIMEOUT", "9s", "status_sync_timeout", "9s"),
        ("ORCH_STATUS_SYNC_BATCH_SIZE", "7", "status_sync_batch_size", "7"),
        ("ORCH_HOSTPORT_MIN", "many", "host_port_min", "12000"),
        ("ORCH_HOSTPORT_MIN", "0", "host_port_min", "10000"),
        ("ORCH_CREATE_RPS", "2.5", "create_rps", "2.5"),
        ("ORCH_CREATE_RPS", "NaN", "create_rps", "0"),
        ("ORCH_CREATE_RPS", "+Inf", "create_rps", "0"),
        ("ORCH_CREATE_BURST", "3", "create_rps", "20"),
    ],
)
def test_the_originals_environment_wins_over_the_file_and_bad_values_are_ignored(
    tmp_path: Path, name: str, text: str, field: str, value: str
) -> None:
    file = {"http_addr": "127.0.0.1:8", "sandbox_op_timeout": "7s", "host_port_min": 12000}
    assert load(tmp_path, file, **{name: text}).get(field) == value


def test_our_names_win_over_the_originals_and_are_strict(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"probe_timeout": "7s"}, ORCH_NODE_PROBE_TIMEOUT="8s", SANDBOXD_PROBE_TIMEOUT="9s")
    assert loaded.get("probe_timeout") == "9s"
    with pytest.raises(ConfigError, match="probe_timeout"):
        load(tmp_path, {}, SANDBOXD_PROBE_TIMEOUT="soon")
    with pytest.raises(ConfigError, match="create_burst"):
        load(tmp_path, {}, SANDBOXD_CREATE_BURST="0")


def test_environment_names_without_meaning_are_told(tmp_path: Path) -> None:
    assert load(tmp_path, {}, ORCH_SCHEDULER_INTERVAL="1s").foreign == ("ORCH_SCHEDULER_INTERVAL",)


def test_a_nodes_file_takes_sizes_as_quantities(tmp_path: Path) -> None:
    file = tmp_path / "sbxlet_config.json"
    file.write_text(
        json.dumps(
            {"shared_secret": "s", "default_ephemeral_storage": "256Mi", "state_base_dir": "/x", "lock_dir": "/y"}
        )
    )
    loaded = _config.load("node", file=file, environ={})
    assert loaded.get("default_ephemeral_storage") == str(256 << 20)
    assert set(loaded.foreign) == {"state_base_dir", "lock_dir"}


def load_node(tmp_path: Path, values: dict[str, Any], **environ: str) -> _config.Loaded:
    file = tmp_path / "sbxlet_config.json"
    file.write_text(json.dumps({"shared_secret": "s", **values}))
    return _config.load("node", file=file, environ=environ)


def test_a_nodes_file_restores_the_originals_reaping(tmp_path: Path) -> None:
    names = ("reap_exited", "reconcile_grace", "reconcile_hits")
    assert of(load_node(tmp_path, {}), *names) == ("true", "5s", "2")
    assert of(load_node(tmp_path, {"reconcile_grace": "1m", "reconcile_hits": 4}), *names) == ("true", "60s", "4")
    assert of(load_node(tmp_path, {"reconcile_hits": 0}), *names) == ("true", "5s", "2")
    assert of(load_node(tmp_path, {}, SANDBOXD_REAP_EXITED="false"), "reap_exited") == ("false",)
    assert _config.load("node", environ={}).get("reap_exited") == "false", "what ended is kept by our own default"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("80", "-1")),
        ({"rootfs_ratio_percent": 60, "tmpfs_ratio_percent": 40}, ("60", "40")),
        ({"rootfs_ratio_percent": 100, "tmpfs_ratio_percent": 0}, ("100", "0")),
        ({"rootfs_ratio_percent": 60}, ("80", "20")),
        ({"tmpfs_ratio_percent": 30}, ("80", "20")),
        ({"rootfs_ratio_percent": 0, "tmpfs_ratio_percent": 100}, ("80", "20")),
        ({"rootfs_ratio_percent": 110, "tmpfs_ratio_percent": -10}, ("80", "20")),
    ],
)
def test_shares_of_the_storage_that_do_not_add_up_are_80_and_20(
    tmp_path: Path, values: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert of(load_node(tmp_path, values), "rootfs_ratio_percent", "tmpfs_ratio_percent") == expected


def test_our_own_shares_must_add_up(tmp_path: Path) -> None:
    environ = {"SANDBOXD_ROOTFS_RATIO_PERCENT": "70"}
    assert _config.load("node", environ=environ).get("rootfs_ratio_percent") == "70"
    with pytest.raises(ConfigError, match="tmpfs_ratio_percent: must add up to 100"):
        _config.load("node", environ={**environ, "SANDBOXD_TMPFS_RATIO_PERCENT": "20"})


@pytest.mark.parametrize(("percent", "taken"), [(0, "90"), (101, "90"), (1, "1"), (100, "100")])
def test_an_impossible_share_of_the_machine_is_90(tmp_path: Path, percent: int, taken: str) -> None:
    assert load_node(tmp_path, {"max_alloc_percent": percent}).get("max_alloc_percent") == taken


def test_lists_are_split_trimmed_and_in_capitals(tmp_path: Path) -> None:
    file = tmp_path / "sbxlet_config.json"
    file.write_text(json.dumps({"shared_secret": "s", "forward_hook_chains": ["forward"]}))
    assert _config.load("node", file=file, environ={}).get("forward_hook_chains") == "FORWARD"
    environ = {"SANDBOX_FORWARD_HOOK_CHAINS": " forward, docker-user ,"}
    assert _config.load("node", file=file, environ=environ).get("forward_hook_chains") == "FORWARD,DOCKER-USER"
    assert (
        _config.load("node", file=file, environ={"SANDBOX_FORWARD_HOOK_CHAINS": " "}).get("forward_hook_chains")
        == "FORWARD"
    )


def load_node(tmp_path: Path, values: dict[str, object], **environ: str) -> _config.Loaded:
    file = tmp_path / "sbxlet_config.json"
    file.write_text(json.dumps({"shared_secret": "s"} | values))
    return _config.load("node", file=file, environ=environ)


def test_a_nodes_file_that_says_nothing_has_the_originals_defaults(tmp_path: Path) -> None:
    loaded = load_node(tmp_path, {})
    assert of(loaded, "listen", "containerd_address") == (":8080", "/run/containerd/containerd.sock")
    assert of(loaded, "max_alloc_percent", "rootfs_ratio_percent", "runtime") == ("90", "80", "runsc")
    assert of(loaded, "subnet_cidr", "reconcile_interval", "log_file_prefix") == ("10.89.0.0/16", "15s", "sandboxd")


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"max_alloc_percent": 200}, "max_alloc_percent", "90"),
        ({"max_alloc_percent": 0}, "max_alloc_percent", "90"),
        ({"max_alloc_percent": 55}, "max_alloc_percent", "55"),
        ({"default_ephemeral_storage": "-5"}, "default_ephemeral_storage", str(128 << 20)),
        ({"default_ephemeral_storage": "much"}, "default_ephemeral_storage", str(128 << 20)),
        ({"provision_timeout": "-1s"}, "provision_timeout", "240s"),
        ({"image_pull_timeout": "0s"}, "image_pull_timeout", "480s"),
        ({"runtime_binary": " "}, "runtime", "runsc"),
    ],
)
def test_a_nodes_values_are_ignored_or_corrected_as_the_original_does(
    tmp_path: Path, values: dict[str, object], name: str, expected: str
) -> None:
    assert of(load_node(tmp_path, values), name) == (expected,)


def test_a_nodes_environment_wins_over_its_file(tmp_path: Path) -> None:
    values: dict[str, object] = {"http_addr": ":1", "max_alloc_percent": 10, "containerd_address": "/a.sock"}
    loaded = load_node(tmp_path, values, SANDBOX_CONTAINERD_ADDRESS="/b.sock", SANDBOX_MAX_ALLOC_PERCENT="75")
    assert of(loaded, "listen", "containerd_address", "max_alloc_percent") == (":1", "/b.sock", "75")
