"""`sandboxd image ...`: the images of all nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from .._client import Client
from .._exceptions import NotFoundError
from .._image_protocol import ImageInfo, PullProgress
from . import _output
from .platform import DataDirOption, import_locally
from .sandboxes import JsonOption, RunDirOption, UrlOption

image = typer.Typer(help="Images of the nodes.", no_args_is_help=True, rich_markup_mode=None)
NodeOption = Annotated[str | None, typer.Option("--node", help="Only this node; all when absent.")]
ReferenceArgument = Annotated[str, typer.Argument(help="Name, digest, or the beginning of a digest.")]


def _size(count: int) -> str:
    if count <= 0:
        return ""
    return f"{count / (1 << 20):.1f} MiB" if count < 1 << 30 else f"{count / (1 << 30):.2f} GiB"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _show(found: ImageInfo, json: bool) -> None:
    for node, text in found.errors.items():
        _output.say(f"node {node}: {text}")
    if json:
        _output.print_json(found.raw)
    else:
        _output.out.print(_output.coloured(found.names[0] if found.names else found.digest))


@image.command("ls")
def list_images(url: UrlOption = None, run_dir: RunDirOption = None, json: JsonOption = False) -> None:
    """List images."""
    with Client(url, run_dir=run_dir) as client:
        found, errors = client.images.list_with_errors()
    for node, text in errors.items():
        _output.say(f"node {node}: {text}")
    if json:
        _output.print_json({"items": [item.raw for item in found]})
        return
    rows = [
        [
            ", ".join(item.names) or "(no name)",
            _short(item.digest),
            _size(item.size_bytes),
            _output.age(item.last_used),
            "yes" if item.is_used else "",
            ", ".join(item.nodes),
        ]
        for item in found
    ]
    _output.print_table(["NAME", "DIGEST", "SIZE", "LAST USED", "USED", "NODES"], rows, "no images")


@image.command("inspect")
def inspect_image(reference: ReferenceArgument, url: UrlOption = None, run_dir: RunDirOption = None) -> None:
    """Show what is known of an image, as JSON."""
    with Client(url, run_dir=run_dir) as client:
        _output.print_json(client.images.get(reference).raw)


@image.command("pull")
def pull_image(
    reference: Annotated[str, typer.Argument(help="Image reference.")],
    username: Annotated[str | None, typer.Option("--username", "-u", help="For the registry.")] = None,
    password: Annotated[
        str | None, typer.Option("--password", envvar="SANDBOXD_REGISTRY_PASSWORD", help="For the registry.")
    ] = None,
    node: NodeOption = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    json: JsonOption = False,
) -> None:
    """Pull an image to the nodes."""
    credentials = None
    if username is not None:
        credentials = (username, password or typer.prompt("Password", hide_input=True, err=True))
    bar = Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=_output.err, transient=True)
    with Client(url, run_dir=run_dir) as client, bar:
        task = bar.add_task(reference, total=None)

        def show(step: PullProgress) -> None:
            if step.layers_total:
                text = f"{step.layers_done}/{step.layers_total} layers"
                bar.update(task, description=text, total=step.bytes_total, completed=step.bytes_done)

        found = client.images.pull(reference, credentials=credentials, node=node, on_progress=show)
    _show(found, json)


@image.command("rm")
def remove_image(
    references: Annotated[list[str], typer.Argument(help="Names, digests, or beginnings of digests.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="With every name that it has.")] = False,
    node: NodeOption = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Remove images, or names of them, from the nodes."""
    with Client(url, run_dir=run_dir) as client:
        for reference in references:
            client.images.delete(reference, force=force, node=node)
            _output.out.print(_output.coloured(reference))


@image.command("import")
def import_image(
    file: Annotated[Path, typer.Argument(help="OCI or docker archive, or a root file system (tar, tar.gz).")],
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", help="Name to store it under; the archive's own when absent.")
    ] = None,
    rootfs: Annotated[bool, typer.Option("--rootfs", help="It is a root file system.")] = False,
    entrypoint: Annotated[
        list[str] | None, typer.Option("--entrypoint", help="With --rootfs: a word of it; may be repeated.")
    ] = None,
    command: Annotated[
        list[str] | None, typer.Option("--command", help="With --rootfs: a word of it; may be repeated.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", help="With --rootfs: KEY=VALUE.")] = None,
    node: NodeOption = None,
    url: UrlOption = None,
    run_dir: RunDirOption = None,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Import an image archive, so that sandboxes can use it without a registry.

    It goes to all nodes. With --data-dir it goes into the containerd of the installation there, on this machine, which
    reads archives of any size.
    """
    if not file.is_file():
        raise NotFoundError(f"no such file: {file}", code="not_found")
    if data_dir is not None:
        import_locally(file, data_dir, run_dir)
        return
    variables = {}
    for text in env or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{text!r}: write KEY=VALUE", param_hint="--env")
        variables[key] = value
    with Client(url, run_dir=run_dir) as client:
        found = client.images.import_archive(
            file,
            reference,
            rootfs=rootfs,
            entrypoint=entrypoint or (),
            command=command or (),
            env=variables,
            node=node,
        )
    _show(found, json)
