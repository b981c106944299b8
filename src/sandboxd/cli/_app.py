"""All commands."""

from __future__ import annotations

import typer

from .daemons import ANY_FLAG, SETTINGS, node, orch
from .guests import copy, execute, top
from .images import image
from .information import config, doctor, version
from .lifecycle import pause, renew, restart, resume, start, stop
from .nodes import external, nodes
from .platform import down, reload, up
from .sandboxes import logs, ps, rm, run, usage

app = typer.Typer(**SETTINGS)
app.command("up")(up)
app.command("down")(down)
app.command("reload")(reload)
app.command("orch", context_settings=ANY_FLAG)(orch)
app.command("node", context_settings=ANY_FLAG)(node)
app.command("doctor")(doctor)
app.command("ps")(ps)
app.command("run", context_settings={"allow_interspersed_args": False})(run)
app.command("exec", context_settings={"allow_interspersed_args": False})(execute)
app.command("cp")(copy)
app.command("top")(top)
app.command("logs")(logs)
app.command("pause")(pause)
app.command("resume")(resume)
app.command("stop")(stop)
app.command("start")(start)
app.command("restart")(restart)
app.command("renew")(renew)
app.command("rm")(rm)
app.command("usage")(usage)
app.command("nodes")(nodes)
app.add_typer(external, name="external")
app.add_typer(image, name="image")
app.command("config")(config)
app.command("version")(version)
