"""Configuration: one table in C++, loading in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandboxd import ConfigError, InvalidRequestError, NodeConfig, OrchConfig, _config, _core


@pytest.mark.parametrize("role", _config.ROLES)
def test_every_field_has_a_sentence_a_kind_and_a_default_that_can_be_set(role: _config.Role) -> None:
    native = _config.native_class(role)()
    rows = _config.fields(role)
    assert len({row.name for row in rows}) == len(rows) > 10
    for row in rows:
        assert row.kind in ("string", "int", "float", "bool", "duration", "list"), row.name
        assert row.description.endswith(".") and row.description[0].isalnum(), row.name
        native.set(row.name, row.default_text)
        assert native.get(row.name) == row.default_text
    assert native.validate() == []


def test_secrets_are_marked_and_masked() -> None:
    for role in _config.ROLES:
        loaded = _config.load(role, environ={}, arguments={"token": "hidden"})
        assert {row.name for row in _config.fields(role) if "token" in row.name or row.name == "api_key"} == {
            row.name for row in _config.fields(role) if row.is_secret
        }
        assert "hidden" not in repr([item.shown for item in loaded.settings])
    assert "hidden" not in repr(OrchConfig(token="hidden"))


def test_setting_by_name_says_what_was_expected() -> None:
    native = _core.OrchConfig()
    with pytest.raises(InvalidRequestError, match=r"probe_timeout.*250ms") as caught:
        native.set("probe_timeout", "soon")
    assert caught.value.code == "invalid_argument"
    for use in (lambda: native.set("nix", "1"), lambda: native.get("nix")):
        with pytest.raises(InvalidRequestError, match="nix"):
            use()


def test_argument_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'probe_timeout = "1s"\nhost_port_min = 20000\n[orch]\nhost_port_max = 20100\n[node]\nruntime="runc"\n'
    )
    environ = {"SANDBOXD_HOST_PORT_MIN": "20001", "SANDBOXD_ORCH_PROBE_TIMEOUT": "2s", "SANDBOXD_LOG_LEVEL": " "}
    loaded = _config.load("orch", file=file, environ=environ, arguments={"probe_timeout": "4s", "listen": None})
    assert {name: (loaded.get(name), loaded.origin(name)) for name in ("probe_timeout", "host_port_min")} == {
        "probe_timeout": ("4s", "argument"),
        "host_port_min": ("20001", "environment SANDBOXD_HOST_PORT_MIN"),
    }
    assert loaded.get("host_port_max") == "20100" and "[orch]" in loaded.origin("host_port_max")
    assert loaded.origin("log_level") == "default"  # blank counts as absent
    assert _config.load("node", file=file, environ=environ).get("runtime") == "runc"


def test_the_role_in_an_environment_name_wins_over_the_general_one() -> None:
    environ = {"SANDBOXD_LISTEN": "127.0.0.1:1", "SANDBOXD_NODE_LISTEN": "127.0.0.1:2"}
    assert _config.load("orch", environ=environ).get("listen") == "127.0.0.1:1"
    assert _config.load("node", environ=environ).get("listen") == "127.0.0.1:2"


def test_an_original_file_and_environment_load_by_their_own_names(tmp_path: Path) -> None:
    file = tmp_path / "sbxorch_config.json"
    file.write_text(json.dumps({"http_addr": ":8082", "shared_secret": "s", "probe_timeout": "7s", "create_rps": 20.0}))
    loaded = _config.load("orch", file=file, environ={"ORCH_HOSTPORT_MIN": "12000"})
    assert (loaded.get("listen"), loaded.get("token"), loaded.get("probe_timeout")) == (":8082", "s", "7s")
    assert loaded.get("host_port_min") == "12000"
    node = tmp_path / "sbxlet_config.json"
    node.write_text(json.dumps({"forward_hook_chains": ["FORWARD"], "runtime_binary": "runc", "shared_secret": "s"}))
    loaded = _config.load("node", file=node, environ={})
    assert (loaded.get("forward_hook_chains"), loaded.get("runtime")) == ("FORWARD", "runc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lisen = 'x'", "did you mean listen"),
        ("[orch]\nruntime = 'runc'", "unknown setting runtime"),
        ("listen = ", "cannot parse"),
        ("[listen]\na = 1", "listen: expected text"),
        ("host_port_min = 'many'", "host_port_min.*whole number"),
        ("host_port_min = 9\nhost_port_max = 8", "is not a range"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        _config.load("orch", file=file, environ={})


def test_a_file_that_is_not_there_is_an_error_because_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        _config.load("orch", file=tmp_path / "none.toml", environ={})


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        _config.load("orch", environ={"SANDBOXD_LOG_LEVEL": "loud"}, arguments={"probe_timeout": "x", "data_dir": ""})
    for part in ("loud", "probe_timeout", "data_dir"):
        assert part in str(caught.value)


def test_flags_come_from_the_table() -> None:
    words = ["--probe-timeout", "5s", "--listen=127.0.0.1:1", "--host-port-min", "11000"]
    assert _config.parse_flags("orch", words) == {
        "probe_timeout": "5s",
        "listen": "127.0.0.1:1",
        "host_port_min": "11000",
    }
    with pytest.raises(ConfigError, match="did you mean --listen"):
        _config.parse_flags("orch", ["--lisen", "x"])
    with pytest.raises(ConfigError, match="needs a value"):
        _config.parse_flags("orch", ["--listen"])


@pytest.mark.parametrize("listen", ["0.0.0.0:8082", ":8082", "[::]:1", "10.0.0.1:1"])
def test_serving_other_machines_without_a_token_is_refused(listen: str) -> None:
    for kind in (OrchConfig, NodeConfig):
        with pytest.raises(ConfigError, match="SANDBOXD_TOKEN"):
            kind(listen=listen)
        kind(listen=listen, token="t")


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1"])
def test_loopback_needs_no_token(listen: str) -> None:
    assert _config.is_loopback(listen)


def test_the_containerd_configuration_has_our_paths() -> None:
    text = _core.make_containerd_config(root_dir="/a/root", state_dir="/b/state", socket_path="/b/c.sock")
    for part in ('"/a/root"', '"/b/state"', '"/b/c.sock"', "version = 2"):
        assert part in text


def test_a_scheduling_policy_is_a_name_json_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"scores": {"image": 1}}\n')

    def load(text: str) -> str:
        return _config.load("orch", environ={}, arguments={"scheduler_policy": text}).get("scheduler_policy")

    assert load("pack") == "pack"
    assert load('{"candidates": 0}') == '{"candidates": 0}'
    assert json.loads(load(f"@{file}")) == {"scores": {"image": 1}}
    with pytest.raises(ConfigError, match=r"scheduler_policy.*spread, pack, original"):
        load("fastest")
    with pytest.raises(ConfigError, match=r"nowhere\.json.*argument"):
        load("@nowhere.json")
