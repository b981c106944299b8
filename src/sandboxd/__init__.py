"""Self-hosted sandboxes: isolated, networked, time-limited containers on one machine or many.

The client side (Sandbox, Client and their async forms) is pure Python over HTTP. The daemons (Orchestrator,
NodeDaemon), the scheduler and the simulator (sandboxd.sim) come from the native module. Each is imported when it is
first used: a daemon does not hold the client's libraries in memory, nor a client the native module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._exceptions import (
    ApiError,
    AuthenticationError,
    CommandFailedError,
    ConfigError,
    ConflictError,
    ConnectError,
    DeadlineError,
    ForbiddenError,
    InvalidRequestError,
    NativeModuleError,
    NotFoundError,
    OverloadedError,
    RequestTimeout,
    SandboxdError,
    SandboxFailedError,
    ServerError,
    TransportError,
    UnavailableError,
    UnschedulableError,
    WaitTimeoutError,
    WatchExpiredError,
)

if TYPE_CHECKING:
    from ._async_client import AsyncClient
    from ._async_commands import AsyncCommand
    from ._async_sandbox import AsyncSandbox
    from ._client import Client
    from ._commands import Command
    from ._daemon import NodeConfig, NodeDaemon, OrchConfig, Orchestrator
    from ._endpoint import Endpoint, find_endpoint
    from ._guest_models import (
        CommandInfo,
        CommandOutput,
        CommandResult,
        FileEvent,
        FileInfo,
        ListeningPort,
        OutputPiece,
        ProcessInfo,
    )
    from ._image_protocol import ContainerUsage, ImageInfo, PullProgress, SandboxUsage
    from ._models import Event, ExternalInfo, LogLine, NodeInfo, NodeResources, Port, Probe, SandboxInfo
    from ._retry import NO_RETRY, RetryPolicy
    from ._sched import NodeView, PlacementRequest, Scheduler, SchedulingPolicy, place
    from .sandbox import Sandbox

__version__ = "0.1.0"

_LAZY = {
    "AsyncClient": "_async_client",
    "AsyncCommand": "_async_commands",
    "AsyncSandbox": "_async_sandbox",
    "Client": "_client",
    "Command": "_commands",
    "CommandInfo": "_guest_models",
    "CommandOutput": "_guest_models",
    "CommandResult": "_guest_models",
    "ContainerUsage": "_image_protocol",
    "Endpoint": "_endpoint",
    "Event": "_models",
    "ExternalInfo": "_models",
    "FileEvent": "_guest_models",
    "FileInfo": "_guest_models",
    "ImageInfo": "_image_protocol",
    "ListeningPort": "_guest_models",
    "LogLine": "_models",
    "NO_RETRY": "_retry",
    "NodeConfig": "_daemon",
    "NodeDaemon": "_daemon",
    "NodeInfo": "_models",
    "NodeResources": "_models",
    "NodeView": "_sched",
    "OrchConfig": "_daemon",
    "Orchestrator": "_daemon",
    "OutputPiece": "_guest_models",
    "PlacementRequest": "_sched",
    "Port": "_models",
    "Probe": "_models",
    "ProcessInfo": "_guest_models",
    "PullProgress": "_image_protocol",
    "RetryPolicy": "_retry",
    "Sandbox": "sandbox",
    "SandboxInfo": "_models",
    "SandboxUsage": "_image_protocol",
    "Scheduler": "_sched",
    "SchedulingPolicy": "_sched",
    "find_endpoint": "_endpoint",
    "place": "_sched",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"sandboxd.{_LAZY[name]}"), name)
        if isinstance(value, type):
            value.__module__ = __name__  # as below
        globals()[name] = value
        return value
    raise AttributeError(f"module 'sandboxd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


__all__ = [
    "NO_RETRY",
    "ApiError",
    "AsyncClient",
    "AsyncCommand",
    "AsyncSandbox",
    "AuthenticationError",
    "Client",
    "Command",
    "CommandFailedError",
    "CommandInfo",
    "CommandOutput",
    "CommandResult",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "ContainerUsage",
    "DeadlineError",
    "Endpoint",
    "Event",
    "ExternalInfo",
    "FileEvent",
    "FileInfo",
    "ForbiddenError",
    "ImageInfo",
    "InvalidRequestError",
    "ListeningPort",
    "LogLine",
    "NativeModuleError",
    "NodeConfig",
    "NodeDaemon",
    "NodeInfo",
    "NodeResources",
    "NodeView",
    "NotFoundError",
    "OrchConfig",
    "Orchestrator",
    "OutputPiece",
    "OverloadedError",
    "PlacementRequest",
    "Port",
    "Probe",
    "ProcessInfo",
    "PullProgress",
    "RequestTimeout",
    "RetryPolicy",
    "Sandbox",
    "SandboxFailedError",
    "SandboxInfo",
    "SandboxUsage",
    "SandboxdError",
    "Scheduler",
    "SchedulingPolicy",
    "ServerError",
    "TransportError",
    "UnavailableError",
    "UnschedulableError",
    "WaitTimeoutError",
    "WatchExpiredError",
    "__version__",
    "find_endpoint",
    "place",
]

for _name in __all__:
    _value = globals().get(_name)
    if isinstance(_value, type):
        _value.__module__ = __name__  # tracebacks and help show the public name
del _name, _value
