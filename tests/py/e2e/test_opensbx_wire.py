"""Opensbx: every route with its errors, status, headers and exact body shape, under runsc and runc."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support import images
from support.instance import Instance
from support.opensbx import TEXT, Box, Opensbx, open_streams
from support.registry import push, registry
from support.waiting import wait_until

REQUIRED = "Key: '{0}.{1}' Error:Field validation for '{1}' failed on the 'required' tag"


@pytest.fixture(scope="module")
def api(each_platform: Instance) -> Opensbx:
    """The routes of the shared platform."""
    return Opensbx(each_platform)


@pytest.fixture(scope="module")
def box(api: Opensbx) -> Iterator[Box]:
    """A running sandbox that tests leave as it was."""
    made = api.create(images.BOX, ports=["8000"], env=["GREETING=hi"])
    yield made
    made.delete()


def test_health(api: Opensbx) -> None:
    assert api.call("GET", "/health", 200).text == '{"status":"healthy"}'


def test_unknown_routes_and_methods_are_not_found(api: Opensbx) -> None:
    for method, path in (
        ("GET", "/nope"),
        ("PUT", "/sandboxes"),
        ("PATCH", "/sandboxes/x"),
        ("POST", "/health"),
        ("POST", "/images/x"),
        ("DELETE", "/images"),
        ("DELETE", "/images/"),
        ("GET", "/sandboxes/a%2Fb"),
    ):
        api.error(method, path, 404, "NOT_FOUND", "route not found")


def test_a_superfluous_slash_redirects(api: Opensbx) -> None:
    assert api.call("GET", "/sandboxes/", 301).headers["location"] == "/v1/sandboxes"
    assert api.call("POST", "/sandboxes/", 307).headers["location"] == "/v1/sandboxes"
    assert api.call("GET", "/images/", 301).headers["location"] == "/v1/images"


def test_a_create_is_refused_in_the_originals_words(api: Opensbx) -> None:
    cases = {
        "": "EOF",
        "{": "unexpected EOF",
        "x": "invalid character 'x' looking for beginning of value",
        "{}": REQUIRED.format("CreateSandboxRequest", "Image"),
        '{"image":5}': "json: cannot unmarshal number into Go struct field CreateSandboxRequest.image of type string",
        '{"image":"a","timeout":-1}': "timeout must be >= 0",
        '{"image":"a","resources":{"memory":-1}}': "resources.memory must be >= 0",
        '{"image":"a","resources":{"memory":9000}}': "resources.memory must be <= 8192 (8GB)",
        '{"image":"a","resources":{"cpus":-0.5}}': "resources.cpus must be >= 0",
        '{"image":"a","resources":{"cpus":5.0}}': "resources.cpus must be <= 4.0",
        '{"image":"no.such/image:1"}': "image not found locally, use POST /v1/images/pull to download it first",
    }
    for body, message in cases.items():
        api.error("POST", "/sandboxes", 400, "BAD_REQUEST", message, body)


def test_an_empty_list_says_so(make_instance: object) -> None:
    instance = make_instance()  # type: ignore[operator]
    instance.up()
    api = Opensbx(instance)
    assert api.call("GET", "/sandboxes", 200).text == '{"message":"no sandboxes found","sandboxes":[]}'


def test_the_list_and_the_detail_have_the_originals_members(api: Opensbx, box: Box) -> None:
    listed = api.call("GET", "/sandboxes", 200)
    assert listed.headers["content-type"] == TEXT["content-type"] and '": ' not in listed.text
    one = next(item for item in listed.json()["sandboxes"] if item["id"] == box.id)
    assert list(one) == ["id", "name", "image", "status", "state", "ports", "expires_at", "url"]
    assert one["state"] == "running" and one["status"].startswith(("Up ", "Less than"))
    detail = box.call("GET", "", 200).json()
    assert list(detail) == [
        *("id", "name", "image", "status", "running", "ports", "resources", "started_at", "finished_at"),
        *("expires_at", "url"),
    ]
    assert detail["finished_at"] == "0001-01-01T00:00:00Z" and detail["status"] == "running"
    assert detail["url"].startswith(f"http://{box.made['name']}.localhost")


def test_renew_is_refused_in_the_originals_words(box: Box) -> None:
    for body in ("{}", '{"timeout":0}'):
        box.error(
            "POST", "/renew-expiration", 400, "BAD_REQUEST", REQUIRED.format("RenewExpirationRequest", "Timeout"), body
        )
    box.error("POST", "/renew-expiration", 400, "BAD_REQUEST", "timeout must be > 0", {"timeout": -1})


def test_no_time_to_live_is_too_long(box: Box) -> None:
    longest = 2**63 - 1
    assert box.call("POST", "/renew-expiration", 200, {"timeout": longest}).json()["timeout"] == longest
    assert int(box.call("GET", "", 200).json()["expires_at"][:4]) - time.gmtime().tm_year in (99, 100)
    box.call("POST", "/renew-expiration", 200, {"timeout": 900})


def test_stats(box: Box) -> None:
    stats = box.call("GET", "/stats", 200).json()
    assert list(stats) == ["cpu_percent", "memory", "pids"] and list(stats["memory"]) == ["usage", "limit", "percent"]
    assert stats["memory"]["limit"] == 1024 << 20 and stats["memory"]["usage"] > 0 and stats["pids"] > 0


def test_a_command_sees_its_environment_and_directory(box: Box) -> None:
    done = box.run("sh", "-c", "echo $GREETING $MORE; pwd; echo err >&2; exit 3", env={"MORE": "there"}, cwd="/tmp")
    assert done["exit_code"] == 3 and done["cwd"] == "/tmp" and done["finished_at"] >= done["started_at"]
    assert box.logs(done) == {"stdout": "hi there\n/tmp\n", "stderr": "err\n", "exit_code": 3}


def test_waiting_is_two_lines_the_first_at_once(api: Opensbx, box: Box) -> None:
    body = json.dumps({"command": "sleep", "args": ["1"]})
    begun = time.monotonic()
    with api.http.stream("POST", f"/v1/sandboxes/{box.id}/cmd", params={"wait": "true"}, content=body) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.iter_lines()
        first = json.loads(next(lines))["command"]
        assert "exit_code" not in first and time.monotonic() - begun < 0.9
        last = json.loads(next(lines))["command"]
        assert last["id"] == first["id"] and last["exit_code"] == 0
        assert next(lines, None) is None
    again = box.call("GET", f"/cmd/{first['id']}", 200, wait="true").text.splitlines()
    assert len(again) == 2 and again[0] == again[1]


def test_no_arguments_and_an_empty_list_of_them_differ(box: Box) -> None:
    absent = box.call("POST", "/cmd", 200, {"command": "true"})
    assert '"args":null,"cwd":""' in absent.text
    assert '"args":[]' in box.call("POST", "/cmd", 200, {"command": "true", "args": []}).text


def test_what_cannot_be_run_ends_with_127_or_126_and_says_why(box: Box) -> None:
    missing = box.run("no-such-program")
    assert missing["exit_code"] == 127 and "no-such-program" in box.logs(missing)["stderr"]
    assert box.run("/etc/passwd")["exit_code"] == 126


def test_command_routes_refuse_in_the_originals_words(box: Box) -> None:
    box.error("POST", "/cmd", 400, "BAD_REQUEST", REQUIRED.format("ExecCommandRequest", "Command"), "{}")
    for method, route in (("GET", ""), ("GET", "/logs"), ("POST", "/kill")):
        box.error(method, f"/cmd/cmd_unknown{route}", 404, "NOT_FOUND", "command not found", {"signal": 9})
    command = box.start("sleep", "100")
    path = f"/cmd/{command['id']}/kill"
    box.error("POST", path, 400, "BAD_REQUEST", REQUIRED.format("KillCommandRequest", "Signal"), "{}")
    box.error("POST", path, 400, "BAD_REQUEST", "signal must be between 1 and 64", {"signal": 99})
    killed = box.call("POST", path, 200, {"signal": 9}).json()["command"]
    assert killed["exit_code"] == 137
    box.error("POST", path, 409, "CONFLICT", "command has already finished", {"signal": 9})


def test_a_kill_hits_the_command_alone_with_its_children(box: Box) -> None:
    script = "sleep 500 & echo $!; wait"
    one, other = box.start("sh", "-c", script), box.start("sh", "-c", script)
    while not (child := box.logs(one)["stdout"].strip()):
        time.sleep(0.01)
    box.call("POST", f"/cmd/{one['id']}/kill", 200, {"signal": 9})
    box.call("GET", f"/cmd/{one['id']}", 200, wait="true")
    assert box.run("sh", "-c", f"kill -0 {child}")["exit_code"] != 0
    assert "exit_code" not in box.call("GET", f"/cmd/{other['id']}", 200).json()["command"]
    box.call("POST", f"/cmd/{other['id']}/kill", 200, {"signal": 9})


def test_a_log_stream_is_live_and_ends_with_the_command(api: Opensbx, box: Box) -> None:
    script = "echo one; while ! test -e /tmp/go; do sleep 0.05; done; echo two >&2; printf three"
    command = box.start("sh", "-c", script)
    path = f"/v1/sandboxes/{box.id}/cmd/{command['id']}/logs"
    got: list[dict[str, str]] = []
    with api.http.stream("GET", path, params={"stream": "true"}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        for line in answer.iter_lines():
            got.append(json.loads(line))
            if len(got) == 1:  # told while it runs: what lets it go on comes only now
                box.call("PUT", "/files", 200, {"content": "go"}, path="/tmp/go")
    assert got[0] == {"type": "stdout", "data": "one\n"}
    assert sorted(one["data"] for one in got[1:]) == ["three\n", "two\n"]


def test_a_quiet_streams_header_comes_at_once_and_a_client_that_leaves_is_noticed(api: Opensbx, box: Box) -> None:
    command = box.start("sleep", "100")
    path = f"/v1/sandboxes/{box.id}/cmd/{command['id']}/logs"
    before = open_streams(api.instance)
    with api.http.stream("GET", path, params={"stream": "true"}, timeout=5) as answer:
        assert answer.status_code == 200 and open_streams(api.instance) == before + 1
    wait_until(lambda: open_streams(api.instance) == before, "the stream of a client that left to end", 20)
    box.call("POST", f"/cmd/{command['id']}/kill", 200, {"signal": 9})


def test_a_very_long_line_is_not_lost(box: Box) -> None:
    done = box.run("sh", "-c", "head -c 200000 /dev/zero | busybox tr '\\0' x; echo; echo end")
    text = box.call("GET", f"/cmd/{done['id']}/logs", 200, stream="true").text
    data = [json.loads(line)["data"] for line in text.splitlines()]
    assert [len(one) for one in data] == [200001, 4] and data[1] == "end\n"


def test_files_refuse_what_cannot_be(box: Box) -> None:
    for method in ("GET", "PUT", "DELETE"):
        box.error(method, "/files", 400, "BAD_REQUEST", "path query param is required", {"content": "x"})
    box.error("PUT", "/files", 400, "BAD_REQUEST", REQUIRED.format("FileWriteRequest", "Content"), "{}", path="/tmp/a")
    box.error("GET", "/files", 404, "NOT_FOUND", "file not found", path="/no/such")
    box.error("GET", "/files/list", 404, "NOT_FOUND", "file not found", path="/no/such")
    assert box.call("GET", "/files", 400, path="/tmp").json()["code"] == "BAD_REQUEST"
    box.call("DELETE", "/files", 204, path="/no/such")


@pytest.mark.parametrize("name", ["plain", "with blank", "quo'te\"s", "new\nline", "$(touch pwned)", "umläut", "-rf"])
def test_any_name_of_a_file_will_do(box: Box, name: str) -> None:
    path = f"/tmp/new dir/{name}"
    assert box.call("PUT", "/files", 200, {"content": "<&>\n"}, path=path).json() == {"path": path, "status": "written"}
    assert box.call("GET", "/files", 200, path=path).json() == {"path": path, "content": "<&>\n"}
    assert name in box.call("GET", "/files/list", 200, path="/tmp/new dir").json()["output"]
    box.call("DELETE", "/files", 204, path="/tmp/new dir")
    assert box.run("test", "-e", "/tmp/new dir")["exit_code"] == 1


def test_an_empty_file_can_be_written(box: Box) -> None:
    box.call("PUT", "/files", 200, {"content": ""}, path="/tmp/empty")
    assert box.call("GET", "/files", 200, path="/tmp/empty").text == '{"path":"/tmp/empty","content":""}'


def test_a_listing_looks_like_that_of_ls(box: Box) -> None:
    box.call("PUT", "/files", 200, {"content": "12345"}, path="/var/listed/file")
    lines = box.call("GET", "/files/list", 200, path="/var/listed").json()["output"].splitlines()
    assert lines[0].startswith("total ") and len(lines) == 4
    assert lines[1].startswith("drwxr-xr-x") and lines[1].endswith(" .") and lines[2].endswith(" ..")
    assert lines[3].startswith("-rw-r--r-- ") and lines[3].endswith(" file") and " 5 " in lines[3]
    assert box.call("GET", "/files/list", 200).json()["path"] == "/"


def test_images_are_listed_and_inspected(api: Opensbx) -> None:
    listed = api.call("GET", "/images", 200).json()["images"]
    one = next(image for image in listed if images.BOX in image["tags"])
    assert list(one) == ["id", "tags", "size"] and one["id"].startswith("sha256:") and one["size"] > 0
    for reference in (one["id"], images.BOX, images.BOX.replace("/", "%2F")):
        detail = api.call("GET", f"/images/{reference}", 200).json()
        assert list(detail) == ["id", "tags", "size", "created", "architecture", "os"] and detail["id"] == one["id"]
    api.error("GET", "/images/no-such:1", 404, "NOT_FOUND", "image not found")
    api.error("DELETE", "/images/no-such:1", 404, "NOT_FOUND", "image not found")
    api.error("POST", "/images/pull", 400, "BAD_REQUEST", REQUIRED.format("ImagePullRequest", "Image"), "{}")


def test_a_pull_echoes_the_image(api: Opensbx, tmp_path: Path) -> None:
    with registry(tmp_path / "store") as address:
        reference = f"{address}/team/box:7"
        archive = images.write_archive(tmp_path / "box.tar", reference, ["/bin/true"])
        push(address, archive, "team/box:7")
        pulled = api.call("POST", "/images/pull", 200, {"image": reference})
        assert pulled.text == json.dumps({"status": "pulled", "image": reference}, separators=(",", ":"))
    assert api.call("GET", f"/images/{reference}", 200).json()["tags"] == [reference]
    assert api.call("DELETE", f"/images/{reference}", 204).text == ""
    refused = api.call("POST", "/images/pull", 500, {"image": reference}).json()
    assert refused["code"] == "INTERNAL_ERROR" and refused["message"].startswith(f"pull {reference}: ")


def test_a_create_that_cannot_start_leaves_nothing_behind(api: Opensbx) -> None:
    before = {one["id"] for one in api.call("GET", "/sandboxes", 200).json()["sandboxes"]}
    refused = api.call("POST", "/sandboxes", 500, {"image": images.BOX, "resources": {"memory": 1}})
    assert refused.json()["code"] == "INTERNAL_ERROR"
    assert {one["id"] for one in api.call("GET", "/sandboxes", 200).json()["sandboxes"]} == before


def test_names_are_unique_among_creates_at_once(api: Opensbx) -> None:
    made: list[Box] = []
    threads = [threading.Thread(target=lambda: made.append(api.create(images.BOX))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({box.made["name"] for box in made}) == 4
    for box in made:
        box.delete()


def test_with_a_key_everything_but_health_wants_it(make_instance: object) -> None:
    instance = make_instance(environment={"API_KEY": "hush"})  # type: ignore[operator]
    for client in (instance.client, instance.node_client):
        client.headers["Authorization"] = "Bearer hush"
    instance.up()
    with httpx.Client(base_url=instance.url, trust_env=False, timeout=60) as stranger:
        assert stranger.get("/v1/health").status_code == 200
        assert stranger.get("/v1/nope").status_code == 404
        for header in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "bearer hush"},
            {"Authorization": "hush"},
        ):
            answer = stranger.get("/v1/sandboxes", headers=header)
            assert answer.status_code == 401
            assert answer.text == '{"code":"UNAUTHORIZED","message":"invalid or missing api key"}'
        assert stranger.get("/v1/sandboxes", headers={"Authorization": "Bearer hush"}).status_code == 200
