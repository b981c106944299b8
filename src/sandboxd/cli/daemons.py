"""`sandboxd orch` and `sandboxd node`: one daemon in the foreground."""

from __future__ import annotations

import contextlib
import resource
import signal
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .. import _config
from .._children import report_ready
from .._exceptions import ConfigError, SandboxdError, UnavailableError
from .._native import core, helper_dir
from .._process import die_with
from . import _output

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file, or the original system's JSON file.")
]
SupervisorOption = Annotated[int | None, typer.Option("--supervisor", hidden=True)]
ReadyOption = Annotated[int | None, typer.Option("--ready-fd", hidden=True)]


SETTINGS: dict[str, Any] = {
    "name": "sandboxd",
    "help": "Sandboxes on your own machines. Start with `sandboxd up`; `sandboxd doctor` says what is missing.",
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}
# They take a flag for every field of their configuration.
ANY_FLAG = {"allow_extra_args": True, "ignore_unknown_options": True}


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


# What an original configuration's first log line says when the daemon does not come up, by the step that failed.
_ORIGINAL_FAILURES: dict[_config.Role, dict[str, str]] = {
    "orch": {
        "config": "orchestrator config error",
        "log": "orchestrator logging init error",
        "init": "orchestrator init error",
        "listen": "orchestrator server error",
    },
    "node": {
        "config": "sbxlet config error",
        "log": "sandboxd logging init error",
        "init": "init sandbox service error",
        "listen": "http server failed",
    },
}


class _Start:
    """How far a start has come, for what is said when it fails."""

    step = "config"


def _run(role: _config.Role, words: list[str], file: Path | None, supervisor: int | None, ready_fd: int | None) -> None:
    # A reload asked for too early is no reason to end. (A handler, not SIG_IGN, which children would inherit.)
    signal.signal(signal.SIGHUP, lambda *_: None)
    if supervisor is not None:
        die_with(supervisor)
    try:
        flags = _config.parse_flags(role, words)
    except ConfigError as error:
        _output.fail(str(error))
        raise typer.Exit(_output.USAGE) from error
    start = _Start()
    try:
        loaded = _config.load(role, file=file, arguments=flags)
        _config.check_exposure(loaded)
        _serve(loaded, ready_fd, start, _Reload(role, file, flags))
    except SandboxdError as error:
        report_ready(
            ready_fd,
            {"error": str(error), "code": getattr(error, "code", "invalid_argument")},
        )
        if _config.is_original_file(file):
            _fail_as_original(role, start.step, error)
        raise
    finally:
        with contextlib.suppress(SandboxdError):
            core().flush_log()


def _fail_as_original(role: _config.Role, step: str, error: SandboxdError) -> NoReturn:
    """One JSON line on standard error and exit code 1."""
    text = str(error)
    is_refusal = " refuses to start: " in text
    if step == "init" and isinstance(error, UnavailableError) and "cannot listen" in text:
        step = "listen"
    core().configure_logging(app=_app_name(role, ""))
    message = text if is_refusal else _ORIGINAL_FAILURES[role][step]
    core().log_line("error", message, {} if is_refusal else {"error": text})
    raise typer.Exit(_output.FAILED) from error


class _Reload:
    """What SIGHUP does: reads file and environment again and gives the daemon what may change."""

    def __init__(self, role: _config.Role, file: Path | None, flags: dict[str, str]) -> None:
        self._role, self._file, self._flags = role, file, flags
        self.daemon: Any = None

    def __call__(self, *_: object) -> None:
        try:
            loaded = _config.load(self._role, file=self._file, arguments=self._flags)
            _config.check_exposure(loaded)
            _complete(loaded)
            self.daemon.reload(loaded.native)
        except SandboxdError as error:
            core().log_line("error", "reload refused: everything stays as it was", {"error": str(error)})
            return
        _log_notes(loaded)


def _complete(loaded: _config.Loaded) -> None:
    if loaded.role == "node" and not loaded.get("helper_dir"):
        loaded.native.set("helper_dir", str(helper_dir()))


def _serve(loaded: _config.Loaded, ready_fd: int | None, start: _Start, reload: _Reload) -> None:
    role, native = loaded.role, loaded.native
    directories = [Path(native.get("data_dir")), Path(native.get("run_dir"))]
    if role == "orch" and native.get("database"):
        directories.append(Path(native.get("database")).parent)
    for directory in directories:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        except OSError as error:
            raise ConfigError(f"cannot make {directory}: {error}") from error
    _complete(loaded)
    start.step = "log"
    _start_logging(loaded)
    start.step = "init"
    if role == "orch":
        _raise_file_limit()
    daemon = core().Orchestrator(native) if role == "orch" else core().NodeDaemon(native)
    reload.daemon = daemon
    # A second signal while stopping is ignored: stop() is bounded by shutdown_timeout.
    with contextlib.suppress(_StopRequested):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _request_stop)
        daemon.start()
        signal.signal(signal.SIGHUP, reload)
        report_ready(ready_fd, {"port": daemon.port})
        daemon.wait()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    daemon.stop()


def _request_stop(*_: object) -> None:
    raise _StopRequested


def _raise_file_limit() -> None:
    """Every connection is a file: open as many as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _app_name(role: _config.Role, environment: str) -> str:
    name = "orchestrator" if role == "orch" else "sandboxd"
    return f"{name}:{environment}" if environment else name


def _start_logging(loaded: _config.Loaded) -> None:
    core().configure_logging(
        level=loaded.get("log_level"),
        app=_app_name(loaded.role, loaded.get("app_env")),
    )
    core().start_log_writer(
        directory=loaded.get("log_dir"),
        prefix=loaded.get("log_file_prefix"),
        keep_files=int(loaded.get("log_keep_files")),
        keep_bytes=int(loaded.get("log_keep_bytes")),
    )
    shown = {item.field.name: item.shown for item in loaded.settings}
    core().log_line("info", "effective configuration", shown, "config")
    _log_notes(loaded)


def _log_notes(loaded: _config.Loaded) -> None:
    if loaded.foreign:
        keys = ",".join(loaded.foreign)
        core().log_line("info", "settings of the original that have no meaning here", {"settings": keys})
    for note in loaded.notes:
        core().log_line("warn", "setting ignored", {"why": note})


app = typer.Typer(**SETTINGS)
app.command("orch", context_settings=ANY_FLAG)(orch)
app.command("node", context_settings=ANY_FLAG)(node)
