"""While a sandbox is awaited: which images its node pulls, and how far it is. On standard error, for people only."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from .._client import Client
from .._exceptions import SandboxdError
from . import _output

_LOOK_SECONDS = 0.5


def message(client: Client, id: str) -> str:
    """One line of what it waits for; empty when it waits for no image, or nobody can say."""
    try:
        pulls = client.get_sandbox(id).raw.get("pulls") or []
    except SandboxdError:
        return ""
    return "; ".join(str(pull.get("message") or "") for pull in pulls)


@contextlib.contextmanager
def shown(client: Client, id: str) -> Iterator[None]:
    """Show it within the block, on a terminal."""
    if not _output.err.is_terminal:
        yield
        return
    is_over = threading.Event()
    with _output.err.status("waiting") as status:

        def look() -> None:
            while not is_over.wait(_LOOK_SECONDS):
                status.update(message(client, id) or "waiting")

        thread = threading.Thread(target=look, name="pulls", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
