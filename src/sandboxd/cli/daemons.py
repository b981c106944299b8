"""`sandboxd orch` and `sandboxd node` for their help pages; main() runs the daemons without this module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _daemon_process

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file, or the original system's JSON file.")
]
SupervisorOption = Annotated[int | None, typer.Option("--supervisor", hidden=True)]
ReadyOption = Annotated[int | None, typer.Option("--ready-fd", hidden=True)]


SETTINGS: dict[str, Any] = {
    "name": "sandboxd",
    "help": "Sandboxes on your own machines. Start with `sandboxd up`; `sandboxd doctor` says what is missing.",
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}
# They take a flag for every field of their configuration.
ANY_FLAG = {"allow_extra_args": True, "ignore_unknown_options": True}


def orch(
    context: typer.Context,
    config: ConfigOption = None,
    supervisor: SupervisorOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Run a control plane. Every field of its configuration is a flag: `sandboxd config orch` lists them."""
    _daemon_process.run("orch", context.args, config, supervisor, ready_fd)


def node(
    context: typer.Context,
    config: ConfigOption = None,
    supervisor: SupervisorOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Run a node agent; needs root and containerd. Every field of its configuration is a flag: see `config node`."""
    _daemon_process.run("node", context.args, config, supervisor, ready_fd)
