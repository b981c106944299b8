"""Where the control plane is, and what keeps instances apart."""

from __future__ import annotations

import ipaddress
import json
import socket
from pathlib import Path

import pytest

from sandboxd._endpoint import DEFAULT_URL, find_endpoint
from sandboxd._exceptions import ConfigError
from sandboxd._instance import DEFAULT_DATA_DIR, Instance, derive, derive_free, exists, find_instance, parse_routes


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "endpoint.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "file-token"}))
    return tmp_path


def test_argument_wins_over_environment_over_file_over_default(run_dir: Path, tmp_path: Path) -> None:
    environ = {"SANDBOXD_RUN_DIR": str(run_dir)}
    assert find_endpoint(environ={"SANDBOXD_RUN_DIR": str(tmp_path / "none")}).url == DEFAULT_URL
    found = find_endpoint(environ=environ)
    assert (found.url, found.token) == ("http://127.0.0.1:9", "file-token")
    environ |= {"SANDBOXD_URL": "http://b:1/", "SANDBOXD_TOKEN": "env-token"}
    found = find_endpoint(environ=environ)
    assert (found.url, found.token) == ("http://b:1", "env-token")
    found = find_endpoint("http://c:1", "mine", environ=environ)
    assert (found.url, found.token) == ("http://c:1", "mine")


def test_the_files_token_is_never_sent_to_another_address(run_dir: Path) -> None:
    assert find_endpoint("http://elsewhere:1", environ={"SANDBOXD_RUN_DIR": str(run_dir)}).token == ""
    assert find_endpoint("http://127.0.0.1:9/", environ={"SANDBOXD_RUN_DIR": str(run_dir)}).token == "file-token"


def test_an_explicit_run_dir_wins_over_the_environment(run_dir: Path) -> None:
    found = find_endpoint(run_dir=run_dir, environ={"SANDBOXD_URL": "http://b:1", "SANDBOXD_TOKEN": "env-token"})
    assert (found.url, found.token) == ("http://127.0.0.1:9", "file-token")


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(find_endpoint("http://c:1", "secret", environ={}))


@pytest.mark.parametrize("url", ["127.0.0.1:8082", "ftp://x", "unix:///x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="http://host:port"):
        find_endpoint(url, environ={})


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"token": "x"}'])
def test_a_broken_endpoint_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint.json").write_text(text)
    assert find_endpoint(environ={"SANDBOXD_RUN_DIR": str(tmp_path)}).source == "default"


def test_the_default_instance_has_the_documented_values() -> None:
    found = derive(Path(DEFAULT_DATA_DIR))
    assert (found.name, found.subnet, found.run_dir) == ("0", "10.89.0.0/16", "/run/sandboxd")
    assert (found.host_port_min, found.host_port_max) == (10000, 32767)


def test_other_instances_get_values_of_their_own_that_do_not_change() -> None:
    found = [derive(Path(f"/data/{number}")) for number in range(50)]
    assert found == [derive(Path(f"/data/{number}")) for number in range(50)]
    assert len({item.name for item in found}) == 50
    assert len({item.subnet for item in found}) > 45
    for item in found:
        assert 1 <= len(item.name) <= 6 and item.name.isalnum()
        assert not item.subnet.startswith("10.89.") and item.subnet.endswith(".0/20")
        assert 10000 <= item.host_port_min < item.host_port_max <= 32767
        assert item.name in item.run_dir


def test_a_new_instance_avoids_ports_that_somebody_has(tmp_path: Path) -> None:
    data = tmp_path / "d"
    first = derive_free(data)
    with socket.create_server(("127.0.0.1", first.host_port_min)):
        second = derive_free(data)
        assert (second.host_port_min, second.name) != (first.host_port_min, first.name)
        assert second.name == first.name and second.subnet != first.subnet
    assert derive_free(data) == first


def test_attempts_give_other_ranges() -> None:
    found = [derive(Path("/data"), attempt) for attempt in range(40)]
    assert len({item.subnet for item in found}) == 40 and len({item.host_port_min for item in found}) == 40


def test_the_kernels_routes_are_read() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br0\t000FD00A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert parse_routes(table) == [ipaddress.IPv4Network("10.208.15.0/24")]


def made(data_dir: Path, run_dir: Path) -> Instance:
    instance = find_instance(str(data_dir), str(run_dir), environ={})
    instance.make_directories()
    return instance


def test_what_was_chosen_once_is_found_again_by_the_data_dir_alone(tmp_path: Path) -> None:
    data, run = tmp_path / "d", tmp_path / "r"
    assert not exists(data)
    first = made(data, run)
    assert exists(data)
    assert find_instance(str(data), environ={}) == first
    assert find_instance(environ={"SANDBOXD_DATA_DIR": str(data)}) == first
    (data / "instance.json").write_text(json.dumps({"name": "abc", "subnet": "10.99.0.0/24"}))
    again = find_instance(str(data), environ={})
    assert (again.name, again.subnet) == ("abc", "10.99.0.0/24")


def test_paths_are_the_same_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    left = find_instance(str(tmp_path / "real"), environ={})
    assert find_instance(str(tmp_path / "link"), environ={}) == left


def test_a_run_dir_that_is_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        made(tmp_path / "d", tmp_path / ("r" * 100))


def test_the_name_is_private_to_the_owner(tmp_path: Path) -> None:
    made(tmp_path / "d", tmp_path / "r")
    assert (tmp_path / "d" / "instance.json").stat().st_mode & 0o777 == 0o600
