"""`sandboxd exec | cp | top`: what happens inside a sandbox."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .._client import Client
from .._commands import Command, Commands
from .._exceptions import ApiError, ConflictError, SandboxdError, TransportError
from .._files import Files
from .._guest_protocol import listening_ports, processes
from . import _output
from .sandboxes import JsonOption, RunDirOption, UrlOption

_STDIN_BYTES = 32 * 1024


def execute(
    id: Annotated[str, typer.Argument(help="Id of the sandbox.")],
    command: Annotated[list[str], typer.Argument(help="Program and arguments.")],
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Pass standard input on.")] = False,
    terminal: Annotated[bool, typer.Option("--tty", "-t", help="Give it a terminal.")] = False,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="KEY=VALUE; may be repeated.")] = None,
    cwd: Annotated[str | None, typer.Option("--workdir", "-w", help="Working directory.")] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="name, uid, name:group or uid:gid.")] = None,
    container: Annotated[str | None, typer.Option("--container", "-c", help="Not the main one.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which it is killed.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print its id and leave it running.")] = False,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Run a command in a sandbox: its output here as it comes, its exit code as ours. Ctrl-C ends it."""
    words = command[1:] if command[:1] == ["--"] else command
    if not words:
        raise typer.BadParameter("say what to run", param_hint="COMMAND")
    variables = dict(_pair(item) for item in env or [])
    size = shutil.get_terminal_size()
    with Client(url, run_dir=run_dir) as client:
        started = Commands(client, id).start(
            words,
            stdin=interactive or terminal,
            env=variables,
            cwd=cwd,
            user=user,
            container=container,
            timeout=timeout,
            terminal=(size.lines, size.columns) if terminal else None,
        )
        if detach:
            _output.out.print(started.id)
            return
        code = _attend(started, interactive or terminal, terminal)
    raise typer.Exit(code)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r}: write KEY=VALUE", param_hint="--env")
    return key, value


def _attend(command: Command, has_stdin: bool, is_terminal: bool) -> int:
    """Until it ends; its record goes with it."""
    with _raw_terminal(command) if is_terminal else contextlib.nullcontext():
        if has_stdin:
            threading.Thread(target=_pump_stdin, args=(command,), daemon=True).start()
        try:
            for piece in command.stream():
                os.write(2 if piece.stream == "stderr" else 1, piece.data)
        except (KeyboardInterrupt, BrokenPipeError):
            with contextlib.suppress(SandboxdError):
                command.kill(signal.SIGINT, wait=1.0)
            with contextlib.suppress(ConflictError):
                command.kill(signal.SIGKILL, wait=5.0)
            return 130
    info = command.info
    with contextlib.suppress(SandboxdError):
        command.forget()
    if info.timed_out:
        _output.fail("it was killed at its time limit")
    return 1 if info.exit_code is None else info.exit_code & 0xFF


def _pump_stdin(command: Command) -> None:
    with contextlib.suppress(ApiError, TransportError):  # it has ended, or wants no more
        while data := os.read(0, _STDIN_BYTES):
            command.write(data)
        command.close_stdin()


@contextlib.contextmanager
def _raw_terminal(command: Command) -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        with contextlib.suppress(SandboxdError):
            command.resize(size.lines, size.columns)

    before = termios.tcgetattr(0)
    old = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(0)
        yield
    finally:
        signal.signal(signal.SIGWINCH, old)
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def copy(
    source: Annotated[str, typer.Argument(help="FILE here, or ID:PATH.")],
    target: Annotated[str, typer.Argument(help="FILE here, or ID:PATH.")],
    user: Annotated[str | None, typer.Option("--user", "-u", help="Whose rights count inside.")] = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Copy a file into a sandbox or out of it. One of both is ID:PATH; `-` is standard input or output."""
    (from_id, from_path), (to_id, to_path) = _place(source), _place(target)
    if bool(from_id) == bool(to_id):
        raise typer.BadParameter("write ID:PATH for the one that is in a sandbox", param_hint="SOURCE TARGET")
    with Client(url, run_dir=run_dir) as client:
        if to_id:
            files = Files(client, to_id)
            if to_path.endswith("/") and from_path != "-":
                to_path += Path(from_path).name
            if from_path == "-":
                files.write(to_path, sys.stdin.buffer.read(), user=user)
            else:
                files.upload(_readable(from_path), to_path, user=user)
            return
        files = Files(client, from_id)
        if to_path == "-":
            sys.stdout.buffer.write(files.read(from_path, user=user))
            sys.stdout.flush()
            return
        local = Path(to_path)
        files.download(from_path, local / Path(from_path).name if local.is_dir() else local, user=user)


def _place(text: str) -> tuple[str, str]:
    """The sandbox, if it is in one, and the path."""
    id, colon, path = text.partition(":")
    return (id, path) if colon and "/" not in id else ("", text)


def _readable(path: str) -> Path:
    found = Path(path)
    if not found.is_file():
        raise typer.BadParameter(f"{path}: there is no such file", param_hint="SOURCE")
    return found


def top(
    id: Annotated[str, typer.Argument(help="Id of the sandbox.")],
    container: Annotated[str | None, typer.Option("--container", "-c", help="Not the main one.")] = None,
    ports: Annotated[bool, typer.Option("--ports", help="Which ports they listen on, instead.")] = False,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """List the processes inside a sandbox."""
    with Client(url, run_dir=run_dir) as client:
        if ports:
            found = client._send(listening_ports(id, container))
            rows = [[item.protocol, item.address, str(item.port), str(item.pid or "")] for item in found]
            names = ["PROTOCOL", "ADDRESS", "PORT", "PID"]
        else:
            running = client._send(processes(id, container))
            rows = [
                [
                    str(p.pid),
                    str(p.uid),
                    p.state,
                    f"{p.cpu_ns / 1e9:.2f}",
                    f"{p.resident_bytes / 2**20:.1f}",
                    " ".join(p.argv) or f"[{p.name}]",
                ]
                for p in running
            ]
            names = ["PID", "UID", "STATE", "CPU s", "MiB", "COMMAND"]
    if json:
        _output.print_json({"items": [dict(zip((n.lower() for n in names), row, strict=True)) for row in rows]})
        return
    _output.print_table(names, rows, "nothing")
