"""`sandboxd ps | run | logs | rm`: thin commands over the SDK."""

from __future__ import annotations

import enum
import re
import shlex
import signal
import sys
import threading
import time
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

import typer

from .._client import Client
from .._exceptions import NotFoundError, SandboxFailedError, WaitTimeoutError
from .._models import LogLine, SandboxInfo
from .._spec import RestartPolicy, lifetime_seconds
from ..sandbox import Sandbox
from . import _output, _pulls

UrlOption = Annotated[str | None, typer.Option("--url", help="Address of the control plane.")]
RunDirOption = Annotated[str | None, typer.Option("--run-dir", help="Run directory of the installation meant.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="Only with this label: KEY=VALUE or KEY; may be repeated.")
]


class Restart(enum.Enum):
    """Restart policies, as the command line spells them."""

    never = "never"
    on_failure = "on-failure"
    always = "always"

    @property
    def policy(self) -> RestartPolicy:
        return cast(RestartPolicy, self.name)


def parse_labels(texts: list[str] | None) -> dict[str, str | None]:
    """KEY=VALUE and KEY, as the client takes them."""
    out: dict[str, str | None] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not key.strip():
            raise typer.BadParameter(f"{text!r}: write KEY=VALUE or KEY", param_hint="--label")
        out[key] = value if equals else None
    return out


def _ports_text(info: SandboxInfo) -> str:
    return ", ".join(f"{port.host_port}->{port.container_port}" for port in info.ports)


def _reason(info: SandboxInfo) -> str:
    """Why it is not running: what it waits for, or what went wrong; of a running one, how often it was restarted."""
    if info.is_running and info.restarts:
        return f"{info.restarts} restart{'s' if info.restarts > 1 else ''}"
    return info.reasons[0] if info.phase == "Pending" and info.reasons else info.last_error


def ps(
    phase: Annotated[list[str] | None, typer.Option("--phase", help="Only in this phase; may be repeated.")] = None,
    label: LabelOption = None,
    node: Annotated[str | None, typer.Option("--node", help="Only on this node.")] = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """List sandboxes."""
    labels = parse_labels(label)
    with Client(url, run_dir=run_dir) as client:
        sandboxes = client.list_sandboxes(phase=phase or (), labels=labels, node=node)
    if json:
        _output.print_json({"items": [sandbox.raw for sandbox in sandboxes]})
        return
    rows = [
        [item.id, item.phase, item.node, _ports_text(item), _output.age(item.created_at), _reason(item)]
        for item in sandboxes
    ]
    is_filtered = bool(phase or labels or node)
    empty = "no such sandboxes" if is_filtered else "no sandboxes; start one with `sandboxd run IMAGE`"
    _output.print_table(["ID", "PHASE", "NODE", "PORTS", "AGE", "REASON"], rows, empty)


def usage(
    id: Annotated[str, typer.Argument(help="Id of the sandbox.")],
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a sandbox uses now."""
    with Client(url, run_dir=run_dir) as client:
        found = client.sandbox_usage(id)
    if json:
        _output.print_json(found.raw)
        return
    whole = f"{found.memory_bytes >> 20} of {found.memory_limit_bytes >> 20} MiB ({found.memory_percent}%)"
    rows = [["(all)", f"{found.cpu_percent}%", whole, str(found.pids)]]
    rows += [[item.name, "", f"{item.memory_bytes >> 20} MiB", str(item.pids)] for item in found.containers]
    _output.print_table(["CONTAINER", "CPU", "MEMORY", "PROCESSES"], rows, "it has no containers")


def run(
    context: typer.Context,
    image: Annotated[str, typer.Argument(help="Image reference.")],
    command: Annotated[list[str] | None, typer.Argument(help="Command in place of the image's.")] = None,
    port: Annotated[list[int] | None, typer.Option("--port", "-p", help="Port in the sandbox to publish.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="KEY=VALUE.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", help="KEY=VALUE; may be repeated.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Its id; made up when absent.")] = None,
    cpu: Annotated[str, typer.Option(help="CPU, such as 200m or 1.")] = "200m",
    memory: Annotated[str, typer.Option(help="Memory, such as 256Mi.")] = "256Mi",
    lifetime: Annotated[float | None, typer.Option(help="Seconds until it is removed; rounded up.")] = None,
    stop_at_end: Annotated[bool, typer.Option("--stop-at-end", help="Then stop it instead of removing it.")] = False,
    hold: Annotated[bool, typer.Option("--hold", help="Run nothing of its own: for `sandboxd exec`.")] = False,
    egress: Annotated[bool, typer.Option("--egress", help="Let it reach the internet.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", help="The only destination it may reach: CIDR[:PORTS][/tcp|udp]; may be repeated."),
    ] = None,
    bandwidth: Annotated[
        int | None, typer.Option("--bandwidth", min=1, help="Bits per second in each direction.")
    ] = None,
    restart: Annotated[
        Restart, typer.Option("--restart", help="Whether a container that ended is started again.")
    ] = Restart.never,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it runs.")] = 120.0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait until it runs.")] = False,
    remove: Annotated[bool, typer.Option("--rm", help="Stay until Ctrl-C, then delete it.")] = False,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Create a sandbox, wait until it runs, print its id and addresses."""
    words = _container_words(context, image, command or [])
    if hold and words:
        raise typer.BadParameter("a sandbox that holds runs no command of its own", param_hint="--hold")
    _check_lifetime(lifetime)
    variables = dict(_parse_pair(item, "--env") for item in env or [])
    labels = dict(_parse_pair(item, "--label") for item in label or [])
    with Client(url, run_dir=run_dir) as client:
        sandbox = Sandbox.create(
            image,
            command=words or None,
            ports=port or (),
            env=variables,
            id=id,
            cpu=cpu,
            memory=memory,
            lifetime=lifetime,
            egress=egress,
            allow=allow or (),
            bandwidth=bandwidth,
            restart_policy=restart.policy,
            labels=labels,
            hold=hold,
            on_expiry="stop" if stop_at_end else "delete",
            client=client,
        )
        if not detach:
            try:
                with _pulls.shown(client, sandbox.id):
                    sandbox.wait_running(timeout)
            except (SandboxFailedError, WaitTimeoutError, KeyboardInterrupt):
                if remove:
                    sandbox.delete()
                raise
        _show(sandbox, json)
        if remove:
            _wait_for_interrupt()
            sandbox.delete()


def _show(sandbox: Sandbox, json: bool) -> None:
    if json:
        _output.print_json({"sandbox": sandbox.info.raw})
        return
    _output.out.print(sandbox.id)
    for number in sandbox.ports:
        _output.out.print(f"  port {number}: {sandbox.url(number)}")


def _container_words(context: typer.Context, image: str, words: list[str]) -> list[str]:
    """The container's command: what stands behind the image, or behind a `--` there."""
    if words[:1] == ["--"]:
        return words[1:]
    own = {name for parameter in context.command.params for name in parameter.opts} | set(context.help_option_names)
    word = words[0] if words else ""
    is_long = word.startswith("--")
    option = word.partition("=")[0] if is_long else word[:2]
    if option not in own:
        return words
    rest = shlex.join(words)
    raise typer.BadParameter(
        f"{option} stands behind the image, where the container's command begins. Options of `run` come first: "
        f"sandboxd run {option} ... {image}. If it is the command: sandboxd run {image} -- {rest}",
        param_hint="COMMAND",
    )


def _check_lifetime(lifetime: float | None) -> None:
    if lifetime is None:
        return
    try:
        lifetime_seconds(lifetime)
    except ValueError as error:
        raise typer.BadParameter(str(error).partition(";")[0], param_hint="--lifetime") from error


def _parse_pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r}: write KEY=VALUE", param_hint=option)
    return key, value


def _wait_for_interrupt() -> None:
    _output.say("running; Ctrl-C deletes it")
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    while not asked.wait(3600):
        pass


def logs(
    id: Annotated[str, typer.Argument(help="Id of the sandbox.")],
    container: Annotated[str | None, typer.Argument(help="Only this container.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Show times.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the sandbox ends.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=0, help="Only the last so many lines.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only lines from then on: 10m, 1h30m, or 2026-01-02T15:04:05Z.")
    ] = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Print what a sandbox wrote: its stdout on stdout, its stderr on stderr."""
    begin = _since(since)
    with Client(url, run_dir=run_dir) as client:
        if follow:
            with client.follow_logs(id, container, tail=tail, since=begin) as lines:
                for line in lines:
                    _print_line(line, timestamps, json)
            return
        found = client.sandbox_logs(id, container, tail=tail, since=begin)
    if json:
        _output.print_json([_line_json(line) for line in found])
        return
    for line in found:
        _print_line(line, timestamps, False)


def _since(text: str | None) -> datetime | timedelta | None:
    if text is None:
        return None
    pieces = re.findall(r"(\d+(?:\.\d+)?)(h|m|s|d)", text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        seconds = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        return timedelta(seconds=sum(float(number) * seconds[unit] for number, unit in pieces))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("say 10m, 1h30m or 2026-01-02T15:04:05Z", param_hint="--since") from None


def _line_json(line: LogLine) -> dict[str, Any]:
    return {"at": line.at, "stream": line.stream, "text": line.text}


def _print_line(line: LogLine, timestamps: bool, json: bool) -> None:
    if json:  # one object a line: a log that goes on has no closing bracket
        _output.print_json_line(_line_json(line))
        return
    stamp = f"{_output.time_text(line.at)} " if timestamps and line.at else ""
    print(stamp + line.text, file=sys.stderr if line.stream == "stderr" else sys.stdout, flush=True)


def rm(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of sandboxes.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Delete every sandbox.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until they are gone; 0 does not wait.")] = 60.0,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Delete sandboxes and wait until they are gone."""
    if bool(ids) == all:
        raise typer.BadParameter("name sandboxes, or give --all", param_hint="IDS")
    missing = []
    with Client(url, run_dir=run_dir) as client:
        handles = []
        for id in [item.id for item in client.list_sandboxes()] if all else ids or []:
            try:
                client.delete_sandbox(id)
                handles.append(Sandbox(client, SandboxInfo(id, "Deleting")))
            except NotFoundError:
                missing.append(id)
        late = _print_gone(handles, timeout)
    if late:
        _output.fail(f"not gone after {timeout:g} s, still being deleted: {', '.join(late)}")
    if missing and not all:
        _output.fail(f"no such sandbox: {', '.join(missing)}")
    if late or (missing and not all):
        raise typer.Exit(_output.FAILED)


def _print_gone(handles: list[Sandbox], timeout: float) -> list[str]:
    """Print each as it goes, all within one time limit; the ids of those that did not."""
    late = []
    deadline = time.monotonic() + timeout
    for handle in handles:
        try:
            if timeout > 0:
                handle.wait_deleted(max(0.0, deadline - time.monotonic()))
            _output.out.print(handle.id)
        except WaitTimeoutError:
            late.append(handle.id)
    return late
