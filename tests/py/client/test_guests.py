"""Commands and files of the SDK against a control plane that answers as it is told."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import pytest

from sandboxd import (
    AsyncClient,
    AsyncSandbox,
    Client,
    CommandFailedError,
    CommandResult,
    ConflictError,
    NotFoundError,
    Sandbox,
    SandboxInfo,
    TransportError,
    WaitTimeoutError,
)
from sandboxd._guest_protocol import RemotePath

URL = "http://control.test"
BASE = "/api/v1/sandboxes/box"
FORMS = ["blocking", "async"]
DONE = {"id": "c1", "argv": ["true"], "exit_code": 0, "signal": 0}
Handler = Callable[[httpx.Request], httpx.Response]


class Plane:
    """Answers by (method, path); keeps what was asked."""

    def __init__(self, **answers: Handler | httpx.Response) -> None:
        self.answers = {key.replace("_", " ", 1): value for key, value in answers.items()}
        self.asked: list[httpx.Request] = []

    def on(self, method: str, path: str, answer: Handler | httpx.Response) -> Plane:
        self.answers[f"{method} {BASE}{path}"] = answer
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        return answer(request) if callable(answer) else answer

    def sandbox(self) -> Sandbox:
        return Sandbox(Client(URL, transport=httpx.MockTransport(self)), SandboxInfo("box", "Running"))

    def body(self) -> Any:
        return json.loads(self.asked[-1].content)


def run(plane: Plane, form: str, *words: Any, **options: Any) -> CommandResult:
    """commands.run in either form."""
    if form == "blocking":
        return plane.sandbox().run(*words, **options)

    async def call(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return plane(request)

    async def scenario() -> CommandResult:
        async with AsyncClient(URL, transport=httpx.MockTransport(call)) as client:
            return await AsyncSandbox(client, SandboxInfo("box", "Running")).run(*words, **options)

    return asyncio.run(scenario())


@pytest.mark.parametrize("form", FORMS)
def test_run_sends_what_was_asked_and_reads_output_that_is_no_text(form: str) -> None:
    raw = base64.b64encode(b"\xff\x00x").decode()
    answer = {"command": DONE, "stdout": "hi\n", "stderr_base64": raw, "stdout_begin": 7}
    plane = Plane().on("POST", "/exec", httpx.Response(200, json=answer))
    done = run(plane, form, ["echo", "hi"], stdin="in", env={"A": "b c"}, cwd="/w", user="nobody", timeout=1.5)
    assert (done.stdout, done.output.stderr_raw, done.exit_code, done.ok) == ("hi\n", b"\xff\x00x", 0, True)
    assert done.output.is_cut and done.output.stdout_begin == 7
    assert plane.body() == {
        "argv": ["echo", "hi"],
        "env": {"A": "b c"},
        "cwd": "/w",
        "user": "nobody",
        "timeout_ms": 1500,
        "input_base64": base64.b64encode(b"in").decode(),
    }


def test_a_line_is_for_the_shell() -> None:
    plane = Plane().on("POST", "/exec", httpx.Response(200, json={"command": DONE}))
    plane.sandbox().run("echo $HOME | wc")
    assert plane.body() == {"argv": ["/bin/sh", "-c", "echo $HOME | wc"]}


@pytest.mark.parametrize("words", [[], "", "  ", [""]])
def test_an_empty_command_is_refused_here(words: Any) -> None:
    plane = Plane()
    with pytest.raises(ValueError, match="the command is empty"):
        plane.sandbox().run(words)
    assert not plane.asked


def test_a_time_limit_of_nothing_is_refused_here() -> None:
    with pytest.raises(ValueError, match="timeout 0 s"):
        Plane().sandbox().run(["true"], timeout=0)


@pytest.mark.parametrize("form", FORMS)
def test_check_raises_with_the_last_lines_of_stderr(form: str) -> None:
    answer = {"command": DONE | {"exit_code": 3, "argv": ["make", "all"]}, "stderr": "one\ntwo\n"}
    plane = Plane().on("POST", "/exec", httpx.Response(200, json=answer))
    assert run(plane, form, ["make", "all"]).exit_code == 3
    with pytest.raises(CommandFailedError, match="make all: ended with code 3\n  one\n  two") as caught:
        run(plane, form, ["make", "all"], check=True)
    assert caught.value.result.exit_code == 3


def test_a_sandbox_that_does_not_run_is_a_conflict() -> None:
    answer = httpx.Response(409, json={"error": "sandbox is paused"})
    with pytest.raises(ConflictError, match="sandbox is paused"):
        Plane().on("POST", "/exec", answer).sandbox().run(["true"])


def lines(*items: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def started(plane: Plane) -> Any:
    plane.on("POST", "/commands", httpx.Response(201, json={"command": {"id": "c1", "argv": ["x"]}}))
    return plane.sandbox().commands.start(["x"], stdin=True, terminal=(10, 20))


def test_output_comes_in_pieces_and_ends_with_the_command() -> None:
    said = lines(
        {"stream": "stdout", "position": 0, "data": "a"},
        {"stream": "stderr", "position": 5, "data_base64": base64.b64encode(b"\xfe").decode()},
        {"command": DONE | {"exit_code": 143, "signal": 15}},
    )
    plane = Plane()
    command = started(plane)
    assert plane.body() == {"argv": ["x"], "stdin": True, "terminal": {"rows": 10, "columns": 20}}
    plane.on("GET", "/commands/c1/output", httpx.Response(200, content=said))
    pieces = [(piece.stream, piece.position, piece.data) for piece in command.stream()]
    assert pieces == [("stdout", 0, b"a"), ("stderr", 5, b"\xfe")]
    assert (command.info.exit_code, command.info.signal, command.info.is_running) == (143, 15, False)


def frame(kind: int, payload: bytes, position: int = 0) -> bytes:
    return struct.pack(">B3xIQ", kind, len(payload), position) + payload


def framed(*frames: bytes) -> httpx.Response:
    """An answer whose pieces end anywhere but at frames."""
    body = b"".join(frames)
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    return httpx.Response(200, headers={"Content-Type": "application/vnd.sandboxd.output"}, content=pieces)


def test_output_is_asked_for_as_frames() -> None:
    plane = Plane()
    command = started(plane)
    end = json.dumps({"command": DONE}).encode()
    said = framed(frame(1, b"a\n\xff{"), frame(2, b"", 0), frame(2, b"e" * 100, 1 << 40), frame(3, end))
    plane.on("GET", "/commands/c1/output", said)
    pieces = [(piece.stream, piece.position, piece.data) for piece in command.stream()]
    assert pieces == [("stdout", 0, b"a\n\xff{"), ("stderr", 0, b""), ("stderr", 1 << 40, b"e" * 100)]
    assert command.info.exit_code == 0
    assert plane.asked[-1].headers["Accept"].startswith("application/vnd.sandboxd.output, ")


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([frame(1, b"a")], "ended before the command did"),
        ([frame(1, b"a"), frame(3, b"{")[:-1]], "ended before the command did"),
        ([frame(4, b"a")], "a frame of kind 4 with 1 bytes"),
        ([struct.pack(">B3xIQ", 1, 1 << 31, 0)], "a frame of kind 1 with 2147483648 bytes"),
    ],
)
def test_frames_that_are_none_or_break_off_are_told(frames: list[bytes], text: str) -> None:
    plane = Plane()
    command = started(plane)
    plane.on("GET", "/commands/c1/output", framed(*frames))
    with pytest.raises(TransportError, match=text):
        list(command.stream())


def test_an_error_in_a_frame_is_raised() -> None:
    plane = Plane()
    command = started(plane)
    said = frame(3, json.dumps({"error": "command not found", "code": "not_found"}).encode())
    plane.on("GET", "/commands/c1/output", framed(said))
    with pytest.raises(NotFoundError, match="command not found"):
        list(command.stream())


def test_a_stream_that_ends_before_the_command_is_told() -> None:
    plane = Plane()
    command = started(plane)
    plane.on("GET", "/commands/c1/output", httpx.Response(200, content=lines({"stream": "stdout", "data": "a"})))
    with pytest.raises(TransportError, match="ended before the command did"):
        list(command.stream())


def test_an_error_in_the_stream_is_raised() -> None:
    plane = Plane()
    command = started(plane)
    said = lines({"error": "command not found", "code": "not_found"})
    plane.on("GET", "/commands/c1/output", httpx.Response(200, content=said))
    with pytest.raises(NotFoundError, match="command not found"):
        list(command.stream())


def test_wait_asks_until_it_has_ended() -> None:
    answers = [{"id": "c1"}, {"id": "c1"}, DONE]
    plane = Plane()
    command = started(plane)
    plane.on("GET", "/commands/c1", lambda request: httpx.Response(200, json={"command": answers.pop(0)}))
    assert command.wait().exit_code == 0
    assert not answers


def test_wait_gives_up_and_leaves_the_command() -> None:
    plane = Plane()
    command = started(plane)
    plane.on("GET", "/commands/c1", httpx.Response(200, json={"command": {"id": "c1"}}))
    with pytest.raises(WaitTimeoutError, match=r"c1 still runs after 0\.5 s"):
        command.wait(0.5)
    assert plane.asked[-1].url.params["wait_ms"] == "500"


def test_stdin_goes_as_it_is() -> None:
    plane = Plane()
    command = started(plane)
    plane.on("POST", "/commands/c1/stdin", httpx.Response(204))
    command.write(b"\x00\xff")
    assert plane.asked[-1].content == b"\x00\xff" and "eof" not in plane.asked[-1].url.params
    command.close_stdin()
    assert plane.asked[-1].content == b"" and plane.asked[-1].url.params["eof"] == "true"


def test_files_keep_their_bytes_and_paths(tmp_path: Path) -> None:
    path = "/tmp/a b'\n\u00fc"
    data = bytes(range(256))
    plane = Plane().on("GET", "/files", httpx.Response(200, content=data))
    plane.on("PUT", "/files", httpx.Response(200, json={"file": {"path": path, "mode": 0o100640, "size": 256}}))
    files = plane.sandbox().files
    assert files.read(path, offset=3, length=5) == data
    assert dict(plane.asked[-1].url.params) == {"path": path, "offset": "3", "length": "5"}
    assert files.write(path, data, mode=0o640).is_file
    assert plane.asked[-1].content == data
    assert dict(plane.asked[-1].url.params) == {"path": path, "mode": "0640", "parents": "true"}
    local = tmp_path / "local"
    files.download(path, local)
    assert local.read_bytes() == data
    assert files.upload(local, path).size == 256
    assert plane.asked[-1].content == data and plane.asked[-1].headers["Content-Length"] == "256"


@pytest.mark.parametrize(
    "path", ["/tmp/\udcff\udc80 \u00fc", b"/tmp/\xff\x80 \xc3\xbc", PurePosixPath("/tmp/\udcff\udc80 \u00fc")]
)
def test_paths_that_are_no_utf_8_are_sent_as_their_bytes(path: RemotePath, tmp_path: Path) -> None:
    raw = b"%2Ftmp%2F%FF%80%20%C3%BC"
    info = {"path_base64": base64.b64encode(b"/tmp/\xff\x80 \xc3\xbc").decode(), "mode": 0o100644, "size": 1}
    one, done = httpx.Response(200, json={"file": info}), httpx.Response(204)
    plane = Plane().on("GET", "/files", httpx.Response(200, content=b"1")).on("PUT", "/files", one)
    plane.on("DELETE", "/files", done).on("GET", "/files/stat", one).on("POST", "/files/mkdir", one)
    plane.on("POST", "/files/rename", one).on("GET", "/files/list", httpx.Response(200, json={"items": [info]}))
    plane.on("GET", "/files/watch", httpx.Response(200, content=b""))
    files = plane.sandbox().files
    assert files.read(path) == b"1"
    files.write(path, b"1")
    files.download(path, tmp_path / "local")
    files.upload(tmp_path / "local", path)
    assert files.exists(path) and files.stat(path).path == "/tmp/\udcff\udc80 \u00fc"
    assert [file.path for file in files.list(path)] == ["/tmp/\udcff\udc80 \u00fc"]
    files.mkdir(path)
    with files.watch(path):
        pass
    files.remove(path)
    assert {request.url.raw_path.partition(b"?")[2].partition(b"&")[0] for request in plane.asked} == {b"path=" + raw}
    files.rename("/x", path)
    assert plane.asked[-1].url.raw_path.endswith(b"?path=%2Fx&to=" + raw)


def test_a_download_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_text("old")
    plane = Plane().on("GET", "/files", httpx.Response(404, json={"error": "file not found"}))
    with pytest.raises(NotFoundError, match="file not found"):
        plane.sandbox().files.download("/x", local)
    assert local.read_text() == "old" and list(tmp_path.iterdir()) == [local]


@pytest.mark.parametrize("path", ["", "a\0b", b"", b"a\0b"])
def test_what_is_no_path_is_refused_here(path: RemotePath) -> None:
    with pytest.raises(ValueError, match="is no path"):
        Plane().sandbox().files.read(path)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Plane().sandbox().files.read("\ud800")  # stands for no byte


def test_exists_tells_a_missing_file_from_a_missing_sandbox() -> None:
    plane = Plane().on("GET", "/files/stat", httpx.Response(404, json={"error": "file not found"}))
    assert plane.sandbox().files.exists("/x") is False
    plane.on("GET", "/files/stat", httpx.Response(404, json={"error": "sandbox not found"}))
    with pytest.raises(NotFoundError):
        plane.sandbox().files.exists("/x")


def test_hold_and_a_command_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        Sandbox.create("image", command=["x"], hold=True, client=Client(URL, transport=httpx.MockTransport(Plane())))
