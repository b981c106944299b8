"""Which failed calls are repeated, and when. Pure: the random source is passed in."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ._exceptions import OverloadedError, SandboxdError, TransportError, UnavailableError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` tries, waiting `first_delay` seconds and then twice as long each time.

    A call that may have changed something is repeated only when the server certainly did not take it, or when it
    carries an idempotency key, by which the server knows it again.
    """

    attempts: int = 3
    first_delay: float = 0.1
    delay_max: float = 5.0

    def delay(
        self, attempt: int, method: str, error: SandboxdError, source: random.Random, *, has_key: bool = False
    ) -> float | None:
        """Seconds to wait before try number `attempt` + 1; None to give up."""
        if attempt >= self.attempts:
            return None
        is_harmless = method == "GET" or has_key
        asked: float | None = None
        if isinstance(error, OverloadedError | UnavailableError):
            asked = error.retry_after
            was_refused = isinstance(error, OverloadedError) or asked is not None
            if not is_harmless and not was_refused:
                return None
        elif not (is_harmless and isinstance(error, TransportError)):
            return None
        if asked is not None:
            return asked if asked <= self.delay_max else None
        backoff: float = self.first_delay * 2.0 ** (attempt - 1)
        return min(backoff, self.delay_max) * (0.5 + source.random())


NO_RETRY = RetryPolicy(attempts=1)

__all__ = ["NO_RETRY", "RetryPolicy"]
