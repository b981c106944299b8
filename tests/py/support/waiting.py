"""Waiting for a state with a deadline, the only way that tests here let time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, timeout: float = 30.0, every: float = 0.05) -> T:
    """Call `look` until it returns something true and return that; fail with the last answer or exception."""
    end = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            found = look()
            if found:
                return found
            last = found
        except Exception as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}; last: {last!r}")
        time.sleep(every)
