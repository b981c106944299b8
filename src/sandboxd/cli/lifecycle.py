"""`sandboxd pause | resume | stop | start | restart | renew`: the life of sandboxes that exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import typer

from .._client import Client
from .._exceptions import SandboxdError
from .._models import SandboxInfo
from ..sandbox import Sandbox
from . import _output
from .sandboxes import RunDirOption, UrlOption

IdsArgument = Annotated[list[str], typer.Argument(help="Ids of sandboxes.")]
TimeoutOption = Annotated[float, typer.Option(help="Seconds to wait until it is done; 0 does not wait.")]


def _each(
    ids: list[str],
    change: Callable[[Sandbox], SandboxInfo],
    phase: str,
    timeout: float,
    url: str | None,
    run_dir: str | None,
) -> None:
    """Change all, and print the id of each that got there. The first error does not stop the rest."""
    failed = False
    with Client(url, run_dir=run_dir) as client:
        for id in ids:
            try:
                sandbox = Sandbox(client, SandboxInfo(id, ""))
                change(sandbox)
                if timeout > 0 and phase:
                    sandbox.wait_phase(phase, timeout)
            except SandboxdError as error:
                failed = True
                _output.fail(f"{id}: {error}")
                continue
            _output.out.print(id)
    if failed:
        raise typer.Exit(_output.FAILED)


def pause(ids: IdsArgument, timeout: TimeoutOption = 60.0, url: UrlOption = None, run_dir: RunDirOption = None) -> None:
    """Freeze all processes of sandboxes."""
    _each(ids, Sandbox.pause, "Paused", timeout, url, run_dir)


def resume(
    ids: IdsArgument, timeout: TimeoutOption = 60.0, url: UrlOption = None, run_dir: RunDirOption = None
) -> None:
    """Let paused sandboxes go on."""
    _each(ids, Sandbox.resume, "Running", timeout, url, run_dir)


def stop(ids: IdsArgument, timeout: TimeoutOption = 60.0, url: UrlOption = None, run_dir: RunDirOption = None) -> None:
    """End the processes of sandboxes; their files stay."""
    _each(ids, Sandbox.stop, "Stopped", timeout, url, run_dir)


def start(ids: IdsArgument, timeout: TimeoutOption = 60.0, url: UrlOption = None, run_dir: RunDirOption = None) -> None:
    """Start stopped sandboxes again, with their files."""
    _each(ids, Sandbox.start, "Running", timeout, url, run_dir)


def restart(
    ids: IdsArgument, timeout: TimeoutOption = 60.0, url: UrlOption = None, run_dir: RunDirOption = None
) -> None:
    """Stop sandboxes if they run, and start them."""
    _each(ids, Sandbox.restart, "Running", timeout, url, run_dir)


def renew(
    id: Annotated[str, typer.Argument(help="Id of the sandbox.")],
    lifetime: Annotated[float, typer.Argument(help="Seconds from now.")],
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Let the lifetime of a sandbox end so many seconds from now."""
    if not lifetime > 0 or math.isinf(lifetime):
        raise typer.BadParameter("give a number of seconds above 0", param_hint="LIFETIME")
    _each([id], lambda sandbox: sandbox.renew(lifetime), "", 0, url, run_dir)
