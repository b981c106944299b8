"""`sandboxd up | down | reload`: the whole platform on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from .. import _config, _containerd, _instance
from .._children import supervised_daemons
from .._client import Client
from .._endpoint import DEFAULT_RUN_DIR, read_endpoint_file
from .._exceptions import ConfigError, ForbiddenError, SandboxdError, ServerError, UnavailableError
from .._ready import read_ready, report_ready
from .._supervisor import Plan, Supervisor, make_plan
from .._teardown import delete_all, has_traces, remove_traces, remove_tree, running_supervisor, stop_supervisor
from . import _output
from .daemons import ConfigOption, ReadyOption

DataDirOption = Annotated[str | None, typer.Option("--data-dir", help="What survives a reboot. [/var/lib/sandboxd]")]
RunDirOption = Annotated[str | None, typer.Option("--run-dir", help="Sockets and mounts. [/run/sandboxd]")]
_DETACHED_READY_SECONDS = 120.0


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise ForbiddenError(
            f"{what} needs root: it makes network namespaces, nftables rules and containers. Run it with sudo.",
            code="permission_denied",
        )


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Go to the background once it is ready.")] = False,
    data_dir: DataDirOption = None,
    run_dir: RunDirOption = None,
    listen: Annotated[str | None, typer.Option(help="ADDRESS:PORT of the control plane. [127.0.0.1:8082]")] = None,
    node_listen: Annotated[str | None, typer.Option(help="ADDRESS:PORT of the node agent. [127.0.0.1:8080]")] = None,
    runtime: Annotated[str | None, typer.Option(help="runsc (gVisor) or runc. [runsc]")] = None,
    instance: Annotated[str | None, typer.Option(help="1-6 of [a-z0-9]; keeps instances apart.")] = None,
    subnet: Annotated[str | None, typer.Option(help="IPv4 subnet of the sandboxes. [10.89.0.0/16]")] = None,
    token: Annotated[
        str | None, typer.Option(help="Bearer token; SANDBOXD_TOKEN keeps it out of the process list.")
    ] = None,
    config: ConfigOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Start the platform: a private containerd, a node agent and a control plane, registered with each other.

    Ctrl-C or `sandboxd down` stop it; sandboxes stay alive and the next `up` finds them.
    """
    _need_root("`up`")
    if detach:
        _go_to_background(data_dir, run_dir)
        return
    try:
        orch = _config.load("orch", file=config, arguments={"listen": listen, "token": token, "data_dir": data_dir})
        node_arguments = {"listen": node_listen, "token": token, "runtime": runtime}
        node_arguments |= {"instance": instance, "subnet_cidr": subnet, "data_dir": data_dir}
        node = _config.load("node", file=config, arguments=node_arguments)
        found = _instance.find_instance(orch.get("data_dir"), run_dir or _given(orch, "run_dir"), orch=orch, node=node)
        _supervise(make_plan(found, orch, node, config.absolute() if config else None), ready_fd)
    except SandboxdError as error:
        text = "\n".join([str(error), *getattr(error, "__notes__", [])])
        report_ready(ready_fd, {"error": text, "code": getattr(error, "code", "invalid_argument")})
        raise


def _given(loaded: _config.Loaded, name: str) -> str | None:
    return None if loaded.origin(name) == "default" else loaded.get(name)


def _supervise(plan: Plan, ready_fd: int | None) -> None:
    began = time.monotonic()
    supervisor = Supervisor(plan, _output.say)
    try:
        with supervisor.running():
            _print_banner(plan, supervisor.url, supervisor.node_url, supervisor.node_name, time.monotonic() - began)
            report_ready(ready_fd, {"url": supervisor.url, "pid": os.getpid()})
            supervisor.watch_over()
            _output.say("stopping node agent and control plane; sandboxes stay alive")
    except KeyboardInterrupt:
        _output.say("interrupted while starting")
        raise typer.Exit(130) from None


def _print_banner(plan: Plan, url: str, node_url: str, node_name: str, seconds: float) -> None:
    instance = plan.instance
    token = f"in {instance.endpoint_file}" if plan.token else "none needed: this machine only"
    run_dir = "" if str(instance.run_dir) == DEFAULT_RUN_DIR else f" --run-dir {instance.run_dir}"
    data_dir = "" if str(instance.data_dir) == _instance.DEFAULT_DATA_DIR else f" --data-dir {instance.data_dir}"
    _output.say(
        f"sandboxd is ready after {seconds:.1f} s\n"
        f"  API     {url}  (token: {token})\n"
        f"  node    {node_name}, {instance.runtime}, {node_url}\n"
        f"  data    {instance.data_dir}, logs in {instance.log_dir}\n"
        f"  try     sandboxd ps{run_dir}    sandboxd run{run_dir} IMAGE    curl {url}/healthz\n"
        f"  stop    sandboxd down{data_dir}{run_dir}    (with --rm it removes the sandboxes too)"
    )


def _go_to_background(data_dir: str | None, run_dir: str | None) -> None:
    words = [word for word in sys.argv[1:] if word not in ("--detach", "-d")]
    log = _instance.find_instance(data_dir, run_dir).log_dir / "up.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"cannot make {log.parent}: {error}") from error
    read_end, write_end = os.pipe()
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandboxd", *words, "--ready-fd", str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=[write_end],
            start_new_session=True,
        )
    os.close(write_end)
    read_ready(read_end, process.pid, _DETACHED_READY_SECONDS, "sandboxd up")
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(start)
        _output.say(file.read().rstrip())
    process.returncode = 0  # it lives on by itself; nobody here waits for it


def down(
    rm: Annotated[bool, typer.Option("--rm", help="Delete all sandboxes and stop everything.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="With --rm: delete the data directory too.")] = False,
    data_dir: DataDirOption = None,
    run_dir: RunDirOption = None,
) -> None:
    """Stop node agent and control plane. Sandboxes, containerd and the log holder stay unless --rm is given."""
    if purge and not rm:
        raise typer.BadParameter("--purge needs --rm", param_hint="--purge")
    _need_root("`down`")
    instance = _instance.find_instance(data_dir, run_dir)
    if not rm:
        if stop_supervisor(instance):
            _output.say("stopped; sandboxes stay alive. `sandboxd up` finds them, `sandboxd down --rm` removes them")
        else:
            _output.say(f"nothing runs on {instance.data_dir}")
        return
    if _instance.exists(instance.data_dir) and (running_supervisor(instance) is not None or has_traces(instance)):
        _remove_sandboxes(instance)
        stop_supervisor(instance)
        problems = remove_traces(instance)
        if problems:
            raise ServerError("not everything could be removed", code="internal", reasons=problems)
        _output.say("sandboxes removed, everything stopped")
    else:
        _output.say(f"nothing runs on {instance.data_dir}")
    if purge and _instance.exists(instance.data_dir):
        try:
            remove_tree(instance.data_dir)
        except OSError as error:
            raise ServerError(f"cannot delete {instance.data_dir}: {error}", code="storage_failed") from error
        _output.say(f"{instance.data_dir} deleted")


def reload(data_dir: DataDirOption = None) -> None:
    """Let control plane and node agent read their configuration again; their logs say what came of it."""
    instance = _instance.find_instance(data_dir)
    pids = supervised_daemons(instance.data_dir)
    if not pids:
        raise UnavailableError(f"no daemon runs on {instance.data_dir}", code="unavailable")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
    _output.say(f"asked {len(pids)} daemons to reload; the logs in {instance.log_dir} say what came of it")


def _remove_sandboxes(instance: _instance.Instance) -> None:
    """Through the control plane, which is started for that when it does not run."""
    if running_supervisor(instance) is None:
        words = ["up", "--detach", "--listen", "127.0.0.1:0", "--node-listen", "127.0.0.1:0"]
        words += ["--data-dir", str(instance.data_dir), "--run-dir", str(instance.run_dir)]
        words += ["--runtime", instance.runtime]
        done = subprocess.run([sys.executable, "-m", "sandboxd", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnavailableError(
                f"the sandboxes cannot be removed because the platform does not start:\n{done.stderr.strip()}",
                code="unavailable",
            )
    deadline = time.monotonic() + 30.0
    while read_endpoint_file(instance.run_dir) is None and time.monotonic() < deadline:
        time.sleep(0.05)  # another `up` is just starting
    with Client(run_dir=instance.run_dir) as client:
        delete_all(client, _output.say)


def import_locally(file: Path, data_dir: str | None, run_dir: str | None) -> None:
    """Import an archive straight into the containerd of an installation on this machine, and print its name."""
    instance = _instance.find_instance(data_dir, run_dir)
    if not instance.containerd_socket.exists():
        raise UnavailableError(
            f"no containerd at {instance.containerd_socket}: start the platform with `sandboxd up`", code="unavailable"
        )
    ctr = shutil.which("ctr", path=f"{os.environ.get('PATH', '')}:{_containerd.SEARCH_PATH}")
    if ctr is None:
        raise UnavailableError("ctr is not installed: apt-get install containerd", code="unavailable")
    done = subprocess.run(
        [ctr, "-a", str(instance.containerd_socket), "-n", "k8s.io", "images", "import", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(f"import failed: {done.stderr.strip() or done.stdout.strip()}", code="image_failed")
    for line in done.stdout.splitlines():
        if line.startswith("unpacking "):
            _output.out.print(line.split()[1])
