"""`sandboxd orch` and `sandboxd node`: one daemon in the foreground."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import _config
from .._children import report_ready
from .._exceptions import ConfigError, SandboxdError
from .._native import core, helper_dir
from .._process import die_with
from . import _output

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file, or the original system's JSON file.")
]
SupervisorOption = Annotated[int | None, typer.Option("--supervisor", hidden=True)]
ReadyOption = Annotated[int | None, typer.Option("--ready-fd", hidden=True)]


class _StopRequested(BaseException):
    """Raised by the signal handler in the main thread."""


def orch(
    context: typer.Context,
    config: ConfigOption = None,
    supervisor: SupervisorOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Run a control plane. Every field of its configuration is a flag: `sandboxd config orch` lists them."""
    _run("orch", context.args, config, supervisor, ready_fd)


def node(
    context: typer.Context,
    config: ConfigOption = None,
    supervisor: SupervisorOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Run a node agent; needs root and containerd. Every field of its configuration is a flag: see `config node`."""
    _run("node", context.args, config, supervisor, ready_fd)


def _run(role: _config.Role, words: list[str], file: Path | None, supervisor: int | None, ready_fd: int | None) -> None:
    if supervisor is not None:
        die_with(supervisor)
    try:
        flags = _config.parse_flags(role, words)
    except ConfigError as error:
        _output.fail(str(error))
        raise typer.Exit(_output.USAGE) from error
    try:
        loaded = _config.load(role, file=file, arguments=flags)
        _config.check_exposure(loaded)
        _serve(loaded, ready_fd)
    except SandboxdError as error:
        report_ready(
            ready_fd,
            {"error": str(error), "code": getattr(error, "code", "invalid_argument")},
        )
        raise


def _serve(loaded: _config.Loaded, ready_fd: int | None) -> None:
    role, native = loaded.role, loaded.native
    for directory in (native.get("data_dir"), native.get("run_dir")):
        try:
            Path(directory).mkdir(parents=True, exist_ok=True, mode=0o711)
        except OSError as error:
            raise ConfigError(f"cannot make {directory}: {error}") from error
    if role == "node" and not native.get("helper_dir"):
        native.set("helper_dir", str(helper_dir()))
    _start_logging(loaded)
    daemon = core().Orchestrator(native) if role == "orch" else core().NodeDaemon(native)
    # A second signal while stopping is ignored: stop() is bounded by shutdown_timeout.
    with contextlib.suppress(_StopRequested):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _request_stop)
        daemon.start()
        report_ready(ready_fd, {"port": daemon.port})
        daemon.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    daemon.stop()


def _request_stop(*_: object) -> None:
    raise _StopRequested


def _start_logging(loaded: _config.Loaded) -> None:
    directory = loaded.get("log_dir")
    name = "orchestrator" if loaded.role == "orch" else "sandboxd"
    environment = loaded.get("app_env")
    core().configure_logging(
        level=loaded.get("log_level"),
        app=f"{name}:{environment}" if environment else name,
        file=str(Path(directory, loaded.get("log_file_prefix") + ".log")) if directory else "",
    )
    if directory:
        Path(directory).mkdir(parents=True, exist_ok=True)
    shown = {item.field.name: item.shown for item in loaded.settings}
    sys.stdout.write(json.dumps({"level": "info", "msg": "effective configuration", "config": shown}) + "\n")
    sys.stdout.flush()
