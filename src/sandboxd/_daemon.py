"""The native daemons for scripts and notebooks: start and stop a control plane or a node agent in this process."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from . import _config
from ._native import core, helper_dir

_core = core()


class _Config:
    """A configuration by field names; `fields()` is the table of all of them with their defaults.

    Raises:
        ConfigError: an unknown field or a malformed value.
    """

    _role: _config.Role

    def __init__(self, **values: object) -> None:
        arguments = {name: None if value is None else _config.to_text(value, name) for name, value in values.items()}
        self._loaded = _config.load(self._role, environ={}, arguments=arguments)
        _config.check_exposure(self._loaded)

    @classmethod
    def fields(cls) -> list[_config.Field]:
        """Name, kind, default, description and the original systems' names of every field."""
        return list(_config.fields(cls._role))

    def get(self, name: str) -> str:
        """A field's value as text."""
        return self._loaded.get(name)

    @property
    def native(self) -> Any:
        return self._loaded.native

    def __repr__(self) -> str:
        given = (item for item in self._loaded.settings if item.origin != "default")
        return f"{type(self).__name__}({', '.join(f'{item.field.name}={item.shown!r}' for item in given)})"


class OrchConfig(_Config):
    """Configuration of a control plane, such as OrchConfig(listen="127.0.0.1:0", data_dir="/var/lib/sandboxd")."""

    _role = "orch"


class NodeConfig(_Config):
    """Configuration of a node agent, such as NodeConfig(listen="127.0.0.1:0", runtime="runc")."""

    _role = "node"

    def __init__(self, **values: object) -> None:
        values.setdefault("helper_dir", str(helper_dir()))
        super().__init__(**values)


class _Daemon:
    """Start, stop, wait; a context manager that starts and stops.

    Ctrl-C interrupts `wait` with KeyboardInterrupt. No Python code ever runs on the daemon's threads.
    """

    def __init__(self, native: Any, listen: str) -> None:
        self._native = native
        self._host = listen.rpartition(":")[0] or "127.0.0.1"

    def start(self) -> Self:
        """Start to serve; returns when requests are answered.

        Raises:
            ConflictError: another process runs on the same data directory.
            UnavailableError: the address is in use, or a part it needs is missing.
        """
        self._native.start()
        return self

    def stop(self) -> None:
        """Drain and stop; sandboxes go on. Stopping twice is no error."""
        self._native.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it stopped, `timeout` seconds at most; tell whether it did."""
        return bool(self._native.wait(timeout))

    @property
    def port(self) -> int:
        """The port that it serves on; 0 before start."""
        return int(self._native.port)

    @property
    def url(self) -> str:
        """Its address, as seen from this machine."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "[::]") else self._host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Orchestrator(_Daemon):
    """A control plane in this process.

    Example:
        with Orchestrator(OrchConfig(listen="127.0.0.1:0", data_dir="/var/lib/mine")) as orchestrator:
            print(Client(orchestrator.url).list_nodes())
    """

    def __init__(self, config: OrchConfig | None = None) -> None:
        used = config if config is not None else OrchConfig()
        super().__init__(_core.Orchestrator(used.native), used.get("listen"))


class NodeDaemon(_Daemon):
    """A node agent in this process; needs root and a running containerd."""

    def __init__(self, config: NodeConfig | None = None) -> None:
        used = config if config is not None else NodeConfig()
        super().__init__(_core.NodeDaemon(used.native), used.get("listen"))


__all__ = ["NodeConfig", "NodeDaemon", "OrchConfig", "Orchestrator"]
