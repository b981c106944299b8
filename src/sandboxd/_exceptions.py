"""Every exception of the package, one tree.

    SandboxdError
    +-- ConfigError              a setting is wrong; the message names it
    +-- NativeModuleError        sandboxd._core is missing or does not load (also an ImportError)
    +-- TransportError           no answer came
    |   +-- ConnectError         nobody listens there
    |   +-- RequestTimeout       the call took longer than its time limit; its outcome may be unknown
    +-- SandboxFailedError       a sandbox ended instead of becoming what was waited for
    +-- WaitTimeoutError         a wait was given up; the sandbox goes on
    +-- CommandFailedError       a command ended with another code than 0, where that was to be checked
    +-- ApiError                 the server, or the native module, refused: has .code
        +-- InvalidRequestError  invalid_argument, too_large
        +-- AuthenticationError  unauthenticated
        +-- ForbiddenError       permission_denied
        +-- NotFoundError        not_found
        +-- ConflictError        already_exists, conflict
        +-- UnschedulableError   unschedulable: .reasons has a line per node
        +-- OverloadedError      resource_exhausted: .retry_after says when to come back
        +-- UnavailableError     unavailable
        +-- DeadlineError        deadline_exceeded
        +-- WatchExpiredError    the revision asked for is too old: list again, then watch
        +-- ServerError          everything else: the server or a part below it broke

The codes are those of src/cpp/base/error.hpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._guest_models import CommandResult
    from ._models import LogLine, SandboxInfo


class SandboxdError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigError(SandboxdError):
    """A setting is missing or wrong."""


class NativeModuleError(SandboxdError, ImportError):
    """The native module is not there. The client parts of the package work without it."""


class TransportError(SandboxdError):
    """The request got no answer."""


class ConnectError(TransportError):
    """Nobody listens at the address."""


class RequestTimeout(TransportError):
    """The call exceeded its time limit. Whether the server did the work is unknown."""


class WaitTimeoutError(SandboxdError):
    """Waiting was given up after the time limit; the sandbox itself was left alone."""

    def __init__(self, message: str, sandbox: SandboxInfo | None = None) -> None:
        super().__init__(message)
        self.sandbox = sandbox


class SandboxFailedError(SandboxdError):
    """The sandbox ended instead of running.

    Attributes:
        sandbox: its last known state, None when it was deleted meanwhile.
        last_error: what the server says went wrong.
        logs: the last lines that it wrote, as far as they could be fetched.
    """

    def __init__(
        self, message: str, *, sandbox: SandboxInfo | None, last_error: str = "", logs: Sequence[LogLine] = ()
    ) -> None:
        super().__init__(message)
        self.sandbox = sandbox
        self.last_error = last_error
        self.logs = tuple(logs)


class CommandFailedError(SandboxdError):
    """A command ended with another code than 0.

    Attributes:
        result: the command and its output.
    """

    def __init__(self, result: CommandResult) -> None:
        lines = result.stderr.rstrip().splitlines()[-5:]
        program = " ".join(result.command.argv)[:200]
        cause = "was killed at its time limit" if result.command.timed_out else f"ended with code {result.exit_code}"
        super().__init__(f"{program}: {cause}" + "".join(f"\n  {line}" for line in lines))
        self.result = result


class ApiError(SandboxdError):
    """The server, or the native module, refused or failed.

    Attributes:
        code: one word, the same in C++, on the wire and here.
        reasons: details in lines, such as one refusal per node.
        status: the HTTP status; None when no HTTP was involved.
        request_id: the server's name for the request, for its logs; empty when unknown.
        retry_after: seconds after which the server wants to be asked again; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        reasons: Sequence[str] = (),
        status: int | None = None,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reasons = tuple(reasons)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = super().__str__()
        return text if not self.reasons else text + "".join(f"\n  {reason}" for reason in self.reasons)


class InvalidRequestError(ApiError):
    """The input is wrong; nothing was changed."""


class AuthenticationError(ApiError):
    """No token, or a wrong one. Set SANDBOXD_TOKEN or pass `token`."""


class ForbiddenError(ApiError):
    """The operating system or a policy said no."""


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """An object of that name exists, or its state does not allow the request now."""


class UnschedulableError(ApiError):
    """No node fits; `.reasons` says why for each node."""


class OverloadedError(ApiError):
    """A limit or a full queue; see `.retry_after`."""


class UnavailableError(ApiError):
    """A part of the system cannot be reached now."""


class DeadlineError(ApiError):
    """The server did not finish in time; the outcome may be unknown."""


class WatchExpiredError(ApiError):
    """The stream cannot be resumed from so old a revision: list again, then watch from now."""


class ServerError(ApiError):
    """The server, or a part below it, broke."""


_BY_CODE: dict[str, type[ApiError]] = {
    "invalid_argument": InvalidRequestError,
    "too_large": InvalidRequestError,
    "not_found": NotFoundError,
    "already_exists": ConflictError,
    "conflict": ConflictError,
    "unauthenticated": AuthenticationError,
    "permission_denied": ForbiddenError,
    "unschedulable": UnschedulableError,
    "resource_exhausted": OverloadedError,
    "unavailable": UnavailableError,
    "deadline_exceeded": DeadlineError,
    "cancelled": ServerError,
    "image_failed": ServerError,
    "runtime_failed": ServerError,
    "network_failed": ServerError,
    "storage_failed": ServerError,
    "protocol_error": ServerError,
    "unsupported": ServerError,
    "internal": ServerError,
}

ERROR_CODES: tuple[str, ...] = tuple(_BY_CODE)


def make_api_error(
    message: str,
    *,
    code: str,
    reasons: Sequence[str] = (),
    status: int | None = None,
    request_id: str = "",
    retry_after: float | None = None,
) -> ApiError:
    """Build the exception class that belongs to `code`. Unknown codes become ServerError."""
    kind = _BY_CODE.get(code, ServerError)
    return kind(message, code=code, reasons=reasons, status=status, request_id=request_id, retry_after=retry_after)


def raise_native(code: str, message: str, reasons: Sequence[str]) -> None:
    """Called by the native module to raise an Error of the core."""
    raise make_api_error(message, code=code, reasons=reasons)


__all__ = [
    "ERROR_CODES",
    "ApiError",
    "AuthenticationError",
    "CommandFailedError",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "DeadlineError",
    "ForbiddenError",
    "InvalidRequestError",
    "NativeModuleError",
    "NotFoundError",
    "OverloadedError",
    "RequestTimeout",
    "SandboxFailedError",
    "SandboxdError",
    "ServerError",
    "TransportError",
    "UnavailableError",
    "UnschedulableError",
    "WaitTimeoutError",
    "WatchExpiredError",
    "make_api_error",
    "raise_native",
]
