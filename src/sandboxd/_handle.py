"""What both sandbox handles share: the last known state and everything derived from it. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from ._client_base import BaseClient
from ._exceptions import SandboxFailedError
from ._models import LogLine, SandboxInfo
from ._waiter import Waiter

TAIL_LINES = 20  # of its output, in the error about a sandbox that failed


class BaseSandbox:
    """Base of Sandbox and AsyncSandbox."""

    def __init__(self, client: BaseClient, info: SandboxInfo, *, owns_client: bool = False) -> None:
        self._info = info
        self._url = client.url
        self._owns_client = owns_client
        self._node_host = ""
        self._is_gone = False

    @property
    def id(self) -> str:
        return self._info.id

    @property
    def info(self) -> SandboxInfo:
        """The last known state; `refresh` reads it anew."""
        return self._info

    @property
    def phase(self) -> str:
        """Pending, Scheduled, Running, Paused, Stopped, Failed or Deleting, as last seen."""
        return self._info.phase

    @property
    def ports(self) -> dict[int, int]:
        """Published ports: port in the sandbox -> port on its node. Known once it is placed."""
        return {port.container_port: port.host_port for port in self._info.ports}

    def url(self, port: int, scheme: str = "http") -> str:
        """Address of a published port as seen from here.

        The host is the node's public endpoint where one is configured, else the node's address; for a node on the
        control plane's own machine, the host under which the control plane was reached.

        Raises:
            KeyError: the port is not published, or the sandbox is not placed yet.
        """
        if port not in self.ports:
            known = ", ".join(map(str, self.ports)) or "none (is it running yet?)"
            raise KeyError(f"port {port} of sandbox {self.id} is not published; published: {known}")
        host = self._info.external if self._info.external not in ("", "(none)") else self._node_host
        host = host or urlsplit(self._url).hostname or "127.0.0.1"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.ports[port]}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.phase}>"

    def _needs_node_host(self) -> bool:
        info = self._info
        return bool(info.ports and info.node) and info.external in ("", "(none)") and not self._node_host

    def _set_node_host(self, ip: str) -> None:
        is_local = ip in ("", "0.0.0.0", "::", "::1") or ip.startswith("127.")
        self._node_host = "" if is_local else ip

    def _failure(self, waiter: Waiter, logs: Sequence[LogLine]) -> SandboxFailedError:
        info = waiter.info
        if waiter.is_deleted or info is None:
            return SandboxFailedError(f"sandbox {self.id} was deleted while it was waited for", sandbox=None)
        cause = info.last_error or "the server gave no reason"
        text = f"sandbox {self.id} is {info.phase} instead of {waiter.goal}: {cause}"
        text += "".join(f"\n  {reason}" for reason in info.reasons)
        if logs:
            text += "\nlast lines of its output:" + "".join(f"\n  {line.text}" for line in logs)
        return SandboxFailedError(text, sandbox=info, last_error=info.last_error, logs=logs)


__all__ = ["TAIL_LINES", "BaseSandbox"]
