"""How the command line speaks: tables and sentences for people, JSON for programs, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

OK, FAILED, USAGE, CANNOT_CONNECT = 0, 1, 2, 3

# Into a pipe, lines are as long as they are: they are for grep and awk.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1000)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_PHASE_COLOURS = {"Running": "green", "Failed": "red", "Deleting": "yellow", "Ready": "green", "NotReady": "red"}


def say(text: str) -> None:
    """A sentence about what happens, on standard error: standard output is for results."""
    err.print(escape(text))


def fail(text: str) -> None:
    err.print(f"[red]error:[/red] {escape(text)}")


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC, as the API writes times."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json_text(value: Any) -> str:
    return time_text(value) if isinstance(value, datetime) else str(value)


def print_json(data: Any) -> None:
    json.dump(data, sys.stdout, indent=2, sort_keys=True, default=_json_text)
    sys.stdout.write("\n")


def print_json_line(data: Any) -> None:
    json.dump(data, sys.stdout, sort_keys=True, default=_json_text)
    sys.stdout.write("\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("ID", "NAME"))
    for row in rows:
        # What a server sends is data, never markup.
        table.add_row(*(coloured(cell) for cell in row))
    out.print(table)


def coloured(text: str) -> str:
    colour = _PHASE_COLOURS.get(text)
    return f"[{colour}]{text}[/{colour}]" if colour else escape(text)


def age(at: datetime | None) -> str:
    """How long ago, in one unit."""
    if at is None:
        return ""
    seconds = max(0, round((datetime.now(UTC) - at).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
