"""The decisions of "wait until it runs", without I/O: Sandbox and AsyncSandbox drive one each.

The order open the stream, look at the sandbox, then read events leaves no gap. A stream that breaks is resumed by
the last event's id; when that is too old, it starts over. A server without the stream is polled.
"""

from __future__ import annotations

from ._exceptions import (
    ConnectError,
    NotFoundError,
    RequestTimeout,
    SandboxdError,
    TransportError,
    UnavailableError,
    WaitTimeoutError,
    WatchExpiredError,
)
from ._models import Event, SandboxInfo

_POLL_SECONDS = 0.5
_SILENCE_SECONDS_MAX = 30.0
_SILENCE_SECONDS_MIN = 0.2
_CALL_SECONDS_MIN = 1.0
_REOPEN_SECONDS_MAX = 2.0


class Waiter:
    """Follows one sandbox until it is in phase `goal`, ends, or the time is over. Times: seconds of a monotonic clock.

    With `for_deletion` only its disappearance ends the wait.
    """

    def __init__(
        self, id: str, timeout: float | None, now: float, *, for_deletion: bool = False, goal: str = "Running"
    ) -> None:
        self.id = id
        self.goal = goal
        self.for_deletion = for_deletion
        self.timeout = timeout
        self.deadline = None if timeout is None else now + timeout
        self.since: str | None = None  # resume the stream after this event
        self.is_polling = False
        self.info: SandboxInfo | None = None
        self.is_deleted = False
        self._failures = 0

    @property
    def is_fresh(self) -> bool:
        """True when the stream starts from now, so that the sandbox must be looked at once."""
        return self.since is None

    @property
    def is_done(self) -> bool:
        if self.is_deleted or self.for_deletion or self.info is None:
            return self.is_deleted
        return self.info.phase == self.goal or self.info.has_ended

    def see(self, info: SandboxInfo) -> None:
        self.info = info
        self._failures = 0

    def see_missing(self) -> None:
        self.is_deleted = True

    def see_event(self, event: Event | None) -> None:
        """None: something arrived that is no event."""
        if event is None:
            return
        self._failures = 0
        if event.revision:
            self.since = event.revision
        if event.kind != "sandbox" or event.id != self.id:
            return
        self.info = event.sandbox or self.info
        self.is_deleted = event.action == "gone"

    def read_timeout(self, now: float) -> float:
        """How long one read of the stream may be silent: short near the deadline, so that it is kept."""
        remaining = self.remaining(now)
        if remaining is None:
            return _SILENCE_SECONDS_MAX
        return min(_SILENCE_SECONDS_MAX, max(_SILENCE_SECONDS_MIN, remaining / 2))

    def check_stream(self, read_timeout: float, now: float) -> None:
        """Raise WaitTimeoutError when the time is over, RequestTimeout when the next read could pass the deadline.

        A stream keeps the limit of silence that it was opened with, and each keep-alive of the server starts it anew:
        near the deadline the stream is opened again, with a shorter limit.
        """
        self.check_deadline(now)
        remaining = self.remaining(now)
        if remaining is not None and read_timeout > max(_SILENCE_SECONDS_MIN, remaining):
            raise RequestTimeout(f"a read of {read_timeout:g} s passes the deadline")

    def call_deadline(self, now: float) -> float | None:
        """When a look at the sandbox is given up, repetitions included."""
        return None if self.deadline is None else max(self.deadline, now + _CALL_SECONDS_MIN)

    def remaining(self, now: float) -> float | None:
        return None if self.deadline is None else self.deadline - now

    def check_deadline(self, now: float) -> None:
        """Raise WaitTimeoutError when the time is over."""
        remaining = self.remaining(now)
        if remaining is None or remaining > 0:
            return
        raise self.timed_out()

    def timed_out(self) -> WaitTimeoutError:
        """The error for a wait that took too long."""
        phase = self.info.phase if self.info is not None else "unknown"
        goal = "gone" if self.for_deletion else self.goal.lower()
        text = f"sandbox {self.id} is not {goal} after {self.timeout:g} s: its phase is {phase}"
        if self.info is not None and self.info.last_error:
            text += f", last error: {self.info.last_error}"
        if self.info is not None:
            text += "".join(f"\n  {reason}" for reason in self.info.reasons)
        return WaitTimeoutError(text, self.info)

    def pause_after(self, error: SandboxdError | None, now: float) -> float:
        """Seconds to wait before the next try after a stream that ended or broke. Fatal errors are raised."""
        self.check_deadline(now)
        pause = self._pause(error)
        remaining = self.remaining(now)
        return pause if remaining is None else max(0.0, min(pause, remaining))

    def _pause(self, error: SandboxdError | None) -> float:
        if isinstance(error, RequestTimeout) and not self.is_polling:
            return 0.0  # silence is normal: open the stream again where it stopped
        if isinstance(error, WatchExpiredError):
            self.since = None
            return 0.0
        if isinstance(error, NotFoundError):
            self.is_polling = True
            return 0.0
        if error is not None and not isinstance(error, (ConnectError, TransportError, UnavailableError)):
            raise error
        if error is None and self.is_polling:
            return _POLL_SECONDS
        self._failures += 1
        return min(_REOPEN_SECONDS_MAX, 0.05 * 2.0 ** min(self._failures, 8))


__all__ = ["Waiter"]
