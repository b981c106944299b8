"""`sandboxd nodes | external ...`: the machines and where they are reached from outside."""

from __future__ import annotations

from typing import Annotated

import typer

from .._client import Client
from .._models import NodeInfo
from . import _output
from .sandboxes import JsonOption, LabelOption, RunDirOption, UrlOption, parse_labels

external = typer.Typer(help="Where nodes are reached from outside.", no_args_is_help=True)


def _share(used: int, whole: int) -> str:
    return f"{used * 100 // whole}%" if whole > 0 else ""


def _row(node: NodeInfo) -> list[str]:
    resources = node.resources
    return [
        node.id,
        node.state + (", cordoned" if node.unschedulable else ""),
        f"{node.ip}:{node.port}",
        _share(resources.used_cpu_milli, resources.allocatable_cpu_milli),
        _share(resources.used_memory_bytes, resources.allocatable_memory_bytes),
        ", ".join(f"{key}={value}" for key, value in sorted(node.labels.items())),
        node.last_error,
    ]


def nodes(
    state: Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")] = None,
    label: LabelOption = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """List nodes."""
    with Client(url, run_dir=run_dir) as client:
        found = client.list_nodes(state=state or (), labels=parse_labels(label))
    if json:
        _output.print_json({"items": [node.raw for node in found]})
        return
    columns = ["ID", "STATE", "ADDRESS", "CPU", "MEMORY", "LABELS", "LAST ERROR"]
    _output.print_table(columns, [_row(node) for node in found], "no nodes")


@external.command("ls")
def list_externals(url: UrlOption = None, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """List Externals."""
    with Client(url, run_dir=run_dir) as client:
        found = client.list_externals()
    if json:
        _output.print_json({"items": [item.raw for item in found]})
        return
    rows = [[item.id, item.node, item.external, _output.age(item.updated_at)] for item in found]
    _output.print_table(["ID", "NODE", "EXTERNAL", "AGE"], rows, "no Externals")


@external.command("set")
def set_external(
    id: Annotated[str, typer.Argument(help="Name of the binding.")],
    node: Annotated[str, typer.Argument(help="Id of the node.")],
    address: Annotated[str, typer.Argument(help="Address or host name.")],
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Tell where a node is reached from outside, or change it."""
    with Client(url, run_dir=run_dir) as client:
        client.put_external(id, node, address)
    _output.out.print(_output.coloured(id))


@external.command("rm")
def remove_external(
    id: Annotated[str, typer.Argument(help="Name of the binding.")],
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Unbind an External from its node."""
    with Client(url, run_dir=run_dir) as client:
        client.delete_external(id)
    _output.out.print(_output.coloured(id))
