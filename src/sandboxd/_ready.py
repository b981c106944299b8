"""The line by which a process that was started tells whoever started it that it is ready, or why it is not.

One JSON object and a newline over a pipe. Apart from _children, since a daemon keeps what it imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from collections.abc import Mapping

from ._exceptions import UnavailableError, make_api_error


def report_ready(fd: int | None, message: Mapping[str, object]) -> None:
    """In the child: one line of JSON to whoever waits, then the pipe is closed."""
    if fd is not None:
        with contextlib.suppress(OSError):
            os.write(fd, json.dumps(message).encode() + b"\n")
        os.close(fd)


def read_ready(fd: int, pid: int, timeout: float, what: str) -> Mapping[str, object]:
    """In the parent: wait for that line and close the pipe.

    Raises:
        SandboxdError: the child reported an error, ended without a word, or took too long.
    """
    deadline = time.monotonic() + timeout
    data = b""
    try:
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise UnavailableError(f"{what} (pid {pid}) is not ready after {timeout:g} s", code="unavailable")
            chunk = os.read(fd, 65536)
            if not chunk:
                raise UnavailableError(f"{what} (pid {pid}) ended while starting", code="unavailable")
            data += chunk
    finally:
        os.close(fd)
    message = json.loads(data)
    if "error" in message:
        raise make_api_error(
            str(message["error"]), code=str(message.get("code") or "internal"), reasons=message.get("reasons") or ()
        )
    return dict(message)


__all__ = ["read_ready", "report_ready"]
