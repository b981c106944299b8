"""A daemon in the foreground: what `sandboxd orch` and `sandboxd node` do.

Imports neither the command line's libraries nor the client's: a daemon holds what it imports for as long as it runs.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from pathlib import Path
from typing import Any, NoReturn

from . import _config
from ._exceptions import ConfigError, SandboxdError, UnavailableError
from ._native import core, helper_dir
from ._process import die_with
from ._ready import report_ready


class _StopRequested(BaseException):
    """Raised by the signal handler in the main thread."""


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


def run_words(role: _config.Role, words: list[str]) -> None:
    """The command as it was typed, behind the role's name.

    Raises:
        SystemExit, SandboxdError: as run() does.
    """
    own, rest = {"--config": "", "--supervisor": "", "--ready-fd": ""}, []
    left = list(words)
    while left:
        name, equals, value = left.pop(0).partition("=")
        name = {"-c": "--config", "-config": "--config"}.get(name, name)  # the original's flags may have one dash
        if name not in own:
            rest.append(name + equals + value)
        elif equals or left:
            own[name] = value if equals else left.pop(0)
        else:
            _refuse(f"{name} needs a value")
    numbers = [own[name] for name in ("--supervisor", "--ready-fd")]
    if not all(text.isdigit() for text in numbers if text):
        _refuse("--supervisor and --ready-fd are numbers")
    supervisor, ready_fd = (int(text) if text else None for text in numbers)
    run(role, rest, Path(own["--config"]) if own["--config"] else None, supervisor, ready_fd)


def _refuse(text: str) -> NoReturn:
    from .cli import _output

    _output.fail(text)
    raise SystemExit(_output.USAGE)


def run(role: _config.Role, words: list[str], file: Path | None, supervisor: int | None, ready_fd: int | None) -> None:
    """Serve until a signal ends it. `words` are flags of the role's fields.

    Args:
        supervisor: pid of the process whose end is this one's, too.
        ready_fd: descriptor that is told the port, or the error of a start that failed.

    Raises:
        SystemExit: wrong flags, or a start with an original configuration that failed.
        SandboxdError: any other start that failed.
    """
    # A reload asked for too early is no reason to end. (A handler, not SIG_IGN, which children would inherit.)
    signal.signal(signal.SIGHUP, lambda *_: None)
    if supervisor is not None:
        die_with(supervisor)
    try:
        flags = _config.parse_flags(role, words)
    except ConfigError as error:
        _refuse(str(error))
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
    raise SystemExit(1) from error


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
    """Every connection is a file, and every published port of a node: open as many as this process may."""
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


__all__ = ["run", "run_words"]
