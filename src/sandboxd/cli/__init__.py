"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nobody answers."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from .._exceptions import ConnectError, SandboxdError
from . import _output
from .daemons import node, orch
from .information import config, doctor, version
from .nodes import external, nodes
from .platform import down, image, reload, up
from .sandboxes import logs, ps, rm, run

app = typer.Typer(
    name="sandboxd",
    help="Sandboxes on your own machines. Start with `sandboxd up`; `sandboxd doctor` says what is missing.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# orch and node take a flag for every field of their configuration.
_ANY_FLAG = {"allow_extra_args": True, "ignore_unknown_options": True}

app.command("up")(up)
app.command("down")(down)
app.command("reload")(reload)
app.command("orch", context_settings=_ANY_FLAG)(orch)
app.command("node", context_settings=_ANY_FLAG)(node)
app.command("doctor")(doctor)
app.command("ps")(ps)
app.command("run", context_settings={"allow_interspersed_args": False})(run)
app.command("logs")(logs)
app.command("rm")(rm)
app.command("nodes")(nodes)
app.add_typer(external, name="external")
app.add_typer(image, name="image")
app.command("config")(config)
app.command("version")(version)


def main() -> NoReturn:
    """Entry point of `sandboxd` and `python -m sandboxd`."""
    words = sys.argv[1:]
    if words[:1] in (["orch"], ["node"]):  # the original's flags may begin with one dash
        words = ["-" + word if word.split("=")[0] == "-config" else word for word in words]
    try:
        app(words, prog_name="sandboxd")
    except ConnectError as error:
        _output.fail(str(error))
        sys.exit(_output.CANNOT_CONNECT)
    except SandboxdError as error:
        _output.fail("\n".join([str(error), *getattr(error, "__notes__", [])]))
        sys.exit(_output.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(_output.FAILED)
    sys.exit(_output.OK)


__all__ = ["app", "main"]
