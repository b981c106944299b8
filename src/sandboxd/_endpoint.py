"""Where the control plane is, for SDK and command line.

    argument  >  SANDBOXD_URL, SANDBOXD_TOKEN  >  <run dir>/endpoint.json that `sandboxd up` wrote  >  default

The run dir is SANDBOXD_RUN_DIR, or /run/sandboxd. A token from the file is only used for the address in that file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ._exceptions import ConfigError

DEFAULT_URL = "http://127.0.0.1:8082"
DEFAULT_RUN_DIR = "/run/sandboxd"
FILE_NAME = "endpoint.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, the token for it (empty: none), and in words where they came from."""

    url: str
    token: str = ""
    source: str = "argument"

    def __repr__(self) -> str:  # the token stays out of logs and tracebacks
        return f"Endpoint(url={self.url!r}, token={'***' if self.token else ''!r}, source={self.source!r})"


def read_endpoint_file(run_dir: Path) -> Mapping[str, object] | None:
    """What `sandboxd up` wrote, or None when nothing runs there or the file may not be read."""
    try:
        data = json.loads((run_dir / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("url"), str) else None


def find_endpoint(
    url: str | None = None,
    token: str | None = None,
    *,
    run_dir: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Find the control plane. Reads at most one small file.

    Raises:
        ConfigError: the address is not an http or https URL.
    """
    environ = os.environ if environ is None else environ
    directory = Path(run_dir or environ.get("SANDBOXD_RUN_DIR") or DEFAULT_RUN_DIR)
    # An explicit run dir names one installation: it wins over the environment's address and token.
    chosen, source = url, "argument"
    if chosen is None and run_dir is None:
        chosen, source = environ.get("SANDBOXD_URL") or None, "SANDBOXD_URL"
    written = read_endpoint_file(directory)
    if chosen is None and written is not None:
        chosen, source = str(written["url"]), str(directory / FILE_NAME)
    if chosen is None:
        chosen, source = DEFAULT_URL, "default"
    chosen = chosen.strip().rstrip("/")
    if not chosen.startswith(("http://", "https://")):
        raise ConfigError(f'"{chosen}" ({source}) is not an address: write it as http://host:port')
    from_file = ""
    if written is not None and str(written["url"]).rstrip("/") == chosen:
        from_file = str(written.get("token") or "")
    if token is None and not (run_dir is not None and from_file):
        token = environ.get("SANDBOXD_TOKEN") or None
    token = token if token is not None else from_file
    return Endpoint(chosen, token, source)


__all__ = ["DEFAULT_RUN_DIR", "DEFAULT_URL", "FILE_NAME", "Endpoint", "find_endpoint", "read_endpoint_file"]
