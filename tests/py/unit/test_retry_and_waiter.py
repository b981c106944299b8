"""Decisions about repeating and waiting, without time and without I/O."""

from __future__ import annotations

import random

import pytest

from sandboxd._exceptions import (
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestTimeout,
    SandboxdError,
    TransportError,
    UnavailableError,
    WaitTimeoutError,
    WatchExpiredError,
)
from sandboxd._models import Event, SandboxInfo
from sandboxd._retry import NO_RETRY, RetryPolicy
from sandboxd._waiter import Waiter

SOURCE = random.Random(1)
LOST = TransportError("x")
OVERLOADED = OverloadedError("x", retry_after=1.5)


@pytest.mark.parametrize(
    ("method", "error", "is_repeated"),
    [
        ("GET", ConnectError("x"), True),
        ("GET", RequestTimeout("x"), True),
        ("GET", UnavailableError("x"), True),
        ("POST", ConnectError("x"), False),
        ("POST", RequestTimeout("x"), False),
        ("POST", UnavailableError("x"), False),
        ("POST", UnavailableError("x", retry_after=1.0), True),
        ("POST", OVERLOADED, True),
        ("GET", InvalidRequestError("x"), False),
        ("GET", NotFoundError("x"), False),
        ("GET", LOST, True),
        ("POST", LOST, False),
    ],
)
def test_only_harmless_repetitions_are_made(method: str, error: SandboxdError, is_repeated: bool) -> None:
    assert (RetryPolicy().delay(1, method, error, SOURCE) is not None) == is_repeated


def test_the_server_says_when_to_come_back() -> None:
    assert RetryPolicy().delay(1, "POST", OVERLOADED, SOURCE) == 1.5
    assert RetryPolicy(delay_max=1.0).delay(1, "POST", OVERLOADED, SOURCE) is None


def test_delays_grow_and_tries_end() -> None:
    policy = RetryPolicy(attempts=4)
    delays = [policy.delay(attempt, "GET", ConnectError("x"), SOURCE) for attempt in (1, 2, 3, 4)]
    assert delays[3] is None
    for attempt, delay in enumerate(delays[:3]):
        assert delay is not None and 0.05 * 2**attempt <= delay <= 0.15 * 2**attempt
    assert NO_RETRY.delay(1, "GET", ConnectError("x"), SOURCE) is None


def put(phase: str, id: str = "a", revision: str = "1") -> Event:
    return Event(revision, "sandbox", "put", id, sandbox=SandboxInfo(id, phase))


def test_waiting_ends_with_running() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    waiter.see(SandboxInfo("a", "Pending"))
    waiter.see_event(put("Running", id="b", revision="2"))
    assert not waiter.is_done and waiter.since == "2"
    waiter.see_event(put("Running", revision="3"))
    assert waiter.is_done


@pytest.mark.parametrize("phase", ["Failed", "Stopped", "Deleting"])
def test_waiting_ends_when_it_ended(phase: str) -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    waiter.see_event(put(phase))
    assert waiter.is_done


def test_waiting_for_deletion_ends_only_when_it_is_gone() -> None:
    waiter = Waiter("a", 10.0, now=0.0, for_deletion=True)
    waiter.see_event(put("Failed"))
    assert not waiter.is_done
    waiter.see_event(Event("2", "sandbox", "gone", "a", sandbox=SandboxInfo("a", "Deleting")))
    assert waiter.is_done and waiter.is_deleted


def test_a_revision_that_is_too_old_starts_over() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    waiter.see_event(put("Pending", revision="7"))
    assert not waiter.is_fresh
    assert waiter.pause_after(WatchExpiredError("x"), now=1.0) == 0.0
    assert waiter.is_fresh


def test_a_server_without_the_stream_is_polled() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    assert waiter.pause_after(NotFoundError("x"), now=1.0) == 0.0
    assert waiter.is_polling
    assert waiter.pause_after(None, now=1.0) == 0.5


def test_a_silent_stream_is_resumed_at_once_and_a_broken_one_with_growing_pauses() -> None:
    waiter = Waiter("a", 100.0, now=0.0)
    assert waiter.pause_after(RequestTimeout("x"), now=1.0) == 0.0
    pauses = [waiter.pause_after(ConnectError("x"), now=1.0) for _ in range(10)]
    assert pauses == sorted(pauses) and pauses[0] <= 0.1 and pauses[-1] == 2.0


def test_a_refusal_ends_the_wait() -> None:
    with pytest.raises(InvalidRequestError):
        Waiter("a", 10.0, now=0.0).pause_after(InvalidRequestError("x"), now=1.0)


def test_the_time_limit_names_phase_reason_and_limit() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    waiter.see(SandboxInfo("a", "Pending", reasons=("node n1: not enough cpu",)))
    waiter.check_deadline(now=9.9)
    with pytest.raises(WaitTimeoutError, match=r"not running after 10 s.*Pending(.|\n)*not enough cpu"):
        waiter.check_deadline(now=10.0)


def test_pauses_never_pass_the_time_limit() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    waiter.is_polling = True
    assert waiter.pause_after(None, now=9.8) == pytest.approx(0.2)
    assert Waiter("a", 10.0, now=0.0).read_timeout(now=9.0) <= 0.5
    assert Waiter("a", None, now=0.0).read_timeout(now=9.0) == 30.0


@pytest.mark.parametrize("keep_alive", [0.01, 0.3, 1.0, 7.0, 15.0, 29.0, 1000.0])
@pytest.mark.parametrize("timeout", [0.1, 1.0, 59.0, 60.0, 120.0, 600.0])
def test_no_rhythm_of_keep_alives_prolongs_the_time_limit(timeout: float, keep_alive: float) -> None:
    waiter, now, streams = Waiter("a", timeout, now=0.0), 0.0, 0
    with pytest.raises(WaitTimeoutError):
        while True:
            silence, streams = waiter.read_timeout(now), streams + 1
            with pytest.raises(RequestTimeout):
                while True:
                    waiter.check_stream(silence, now)
                    now += min(keep_alive, silence)
                    if keep_alive >= silence:
                        raise RequestTimeout("silence")
            assert waiter.pause_after(RequestTimeout("x"), now) == 0.0
    assert timeout <= now <= timeout + 0.21
    assert streams <= 12 + timeout / 30 * 1.1


def test_without_a_time_limit_a_stream_is_kept() -> None:
    waiter = Waiter("a", None, now=0.0)
    waiter.check_stream(30.0, now=1e6)
    assert waiter.call_deadline(now=5.0) is None


def test_a_look_has_a_second_even_at_the_end() -> None:
    waiter = Waiter("a", 10.0, now=0.0)
    assert (waiter.call_deadline(now=2.0), waiter.call_deadline(now=9.9)) == (10.0, 10.9)
