"""`sandboxd doctor | config | version`: what is here, what is set, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import _config, _instance
from .._doctor import run_checks
from .._exceptions import NativeModuleError
from .._native import core
from . import _output
from .daemons import ConfigOption

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataDirOption = Annotated[str | None, typer.Option("--data-dir", help="What survives a reboot. [/var/lib/sandboxd]")]


def doctor(json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Check what sandboxd needs; say how to mend what is missing. Exit code 1 when something required is missing."""
    instance = _instance.find_instance(data_dir)
    listens = ["127.0.0.1:8082", "127.0.0.1:8080"]
    try:
        orch, node = _config.load("orch", file=config), _config.load("node", file=config)
        instance = _instance.find_instance(data_dir or orch.get("data_dir"), orch=orch, node=node)
        listens = [orch.get("listen"), node.get("listen")]
    except NativeModuleError:
        pass  # a failed check below
    checks = run_checks(instance, listens)
    broken = [check for check in checks if not check.ok and check.required]
    if json:
        _output.print_json({"ok": not broken, "checks": [check.to_json() for check in checks]})
    else:
        for check in checks:
            mark = (
                "[green]ok  [/green]"
                if check.ok
                else ("[red]FAIL[/red]" if check.required else "[yellow]warn[/yellow]")
            )
            _output.out.print(f"{mark} {check.name:<26} {_output.coloured(check.detail)}")
            if not check.ok and check.mend:
                _output.out.print(f"       mend: {_output.coloured(check.mend)}")
        _output.say("all that is required is there" if not broken else f"{len(broken)} of {len(checks)} checks failed")
    if broken:
        raise typer.Exit(_output.FAILED)


def config(
    role: Annotated[str, typer.Argument(help="orch, node, or all.")] = "all",
    file: Annotated[Path | None, typer.Option("--config", "-c", help="TOML or original JSON file.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the effective configuration and where each value comes from; secrets are masked."""
    if role not in (*_config.ROLES, "all"):
        raise typer.BadParameter("write orch, node or all", param_hint="ROLE")
    roles = [name for name in _config.ROLES if role in (name, "all")]
    loaded = [_config.load(name, file=file) for name in roles]
    if json:
        _output.print_json(
            {
                item.role: {
                    row.field.name: {"value": row.shown, "origin": row.origin, "kind": row.field.kind}
                    for row in item.settings
                }
                for item in loaded
            }
        )
        return
    for item in loaded:
        rows = [[row.field.name, row.shown, row.origin, row.field.description] for row in item.settings]
        _output.out.print(f"{item.role}")
        _output.print_table(["NAME", "VALUE", "FROM", "MEANING"], rows, "")


def version() -> None:
    """Print the versions of the package and of its native module."""
    from .. import __version__

    try:
        native = core().__version__
    except NativeModuleError as error:
        native = f"missing ({error})"
    _output.out.print(f"sandboxd {__version__}, native module {native}")
