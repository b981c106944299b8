"""The second half of ./quickstart: platform up, local image in, a sandbox that serves a page, everything shown.

With --once all of it happens in an instance of its own in a temporary place, which is removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from . import _instance
from ._client import Client
from ._containerd import SEARCH_PATH
from ._exceptions import NotFoundError, SandboxdError, ServerError
from ._image_builder import HELLO_IMAGE, HELLO_PORT, build_image
from ._teardown import remove_tree, running_supervisor
from .sandbox import Sandbox

_ID = "hello"
_FETCH_SECONDS = 10.0
_LIFETIME_SECONDS = 3600

console = Console(highlight=False, soft_wrap=True)


class Phases:
    """What took how long: (name, milliseconds, note)."""

    def __init__(self, file: Path | None) -> None:
        self.rows: list[tuple[str, float, str]] = []
        for line in file.read_text(encoding="utf-8").splitlines() if file else ():
            name, milliseconds, note = line.split("\t")
            self.rows.append((name, float(milliseconds), note))

    @contextlib.contextmanager
    def measure(self, name: str, note: str) -> Iterator[None]:
        console.print(f"- {name}: {note}", markup=False)
        began = time.monotonic()
        yield
        self.rows.append((name, (time.monotonic() - began) * 1000, note))

    def show(self) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("phase", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("what", overflow="fold")
        for name, milliseconds, note in self.rows:
            shown = f"{milliseconds:.0f} ms" if milliseconds < 10000 else f"{milliseconds / 1000:.0f} s"
            table.add_row(name, shown, note.replace("[", "\\["))
        console.print()
        console.print(table)


def sandboxd(*words: str) -> str:
    """Run a command of ours as a user would; returns its standard output.

    Raises:
        ServerError: it failed; the message has what it said.
    """
    done = subprocess.run([sys.executable, "-m", "sandboxd", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"sandboxd {' '.join(words)} failed:\n{done.stderr.strip()}", code="internal")
    return done.stdout


def has_image(instance: _instance.Instance, digest: str) -> bool:
    """Whether this very image is in the instance's containerd."""
    ctr = shutil.which("ctr", path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}") or "ctr"
    command = [ctr, "-a", str(instance.containerd_socket), "-n", "k8s.io", "images", "ls", f"name=={HELLO_IMAGE}"]
    return digest in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def fetch(url: str) -> str:
    """GET the page; the server in the sandbox may need a moment after its process started.

    Raises:
        ServerError: no page within ten seconds.
    """
    deadline = time.monotonic() + _FETCH_SECONDS
    while True:
        try:
            answer = httpx.get(url, timeout=5.0, trust_env=False)
            answer.raise_for_status()
            return answer.text
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise ServerError(f"no page at {url}: {error}", code="unavailable") from error
        time.sleep(0.02)


def first_sandbox(phases: Phases, instance: _instance.Instance) -> str:
    """Create, wait, fetch, exec, logs; returns the page's address."""
    with Client(run_dir=instance.run_dir) as client:
        with contextlib.suppress(NotFoundError):
            client.delete_sandbox(_ID)  # of an earlier run
            Sandbox.connect(_ID, client=client).wait_deleted(60.0)
        with phases.measure("create", f"POST /api/v1/sandboxes, image {HELLO_IMAGE}, port {HELLO_PORT}"):
            sandbox = Sandbox.create(
                HELLO_IMAGE, ports=[HELLO_PORT], memory="64Mi", lifetime=_LIFETIME_SECONDS, id=_ID, client=client
            )
        with phases.measure("running", f"waiting on the event stream; runtime {instance.runtime}"):
            sandbox.wait_running()
        url = sandbox.url(HELLO_PORT)
        with phases.measure("page", f"GET {url}/ through the published port"):
            page = fetch(url + "/")
        console.print(f"    {page.strip()}", markup=False)
        with phases.measure("exec", "uname -s, inside it"):
            system = sandbox.run(["uname", "-s"], check=True).stdout
        console.print(f"    {system.strip()}", markup=False)
        with phases.measure("logs", "what the sandbox wrote"):
            lines = sandbox.logs()
        for line in lines[-5:]:
            console.print(f"    {line.text}", markup=False)
        return url


def demonstrate(phases: Phases, data_dir: str | None, up_words: Sequence[str]) -> str:
    """Everything up to the logs in the instance of `data_dir` (None: the default one); returns the page's address."""
    where = ["--data-dir", data_dir] if data_dir else []
    instance = _instance.find_instance(data_dir)
    if running_supervisor(instance) is None:
        with phases.measure("platform", "sandboxd up: containerd, node agent, control plane"):
            sandboxd("up", "--detach", *where, *up_words)
    else:
        phases.rows.append(("platform", 0.0, "runs already"))
    instance = _instance.find_instance(data_dir)
    with phases.measure("image", f"{HELLO_IMAGE}, built here from busybox"), tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "hello.tar")
        digest = build_image(archive)
        if not has_image(instance, digest):
            sandboxd("image", "import", str(archive), *where)
    return first_sandbox(phases, instance)


def run_once(phases: Phases) -> None:
    """The demonstration in an instance of its own, which is removed whatever happens."""
    parent = Path(_instance.DEFAULT_DATA_DIR).parent
    data_dir = tempfile.mkdtemp(prefix="sandboxd-once-", dir=parent)
    try:
        demonstrate(phases, data_dir, ["--listen", "127.0.0.1:0", "--node-listen", "127.0.0.1:0"])
    finally:
        with phases.measure("teardown", "sandboxd down --rm --purge"):
            sandboxd("down", "--rm", "--purge", "--data-dir", data_dir)
            remove_tree(Path(data_dir))  # what is left when the platform never came up
    phases.show()
    console.print("\nIt works, and nothing was left running. [bold]./quickstart[/bold] starts it to stay.")


def run_to_stay(phases: Phases) -> None:
    """The demonstration in the default instance, which stays up."""
    url = demonstrate(phases, None, [])
    phases.show()
    command = Path(sys.executable).with_name("sandboxd")
    console.print(
        f"""
The platform stays up, and the sandbox "{_ID}" with it for an hour. Try:
  curl {url}/
  {command} ps
  {command} run --rm {HELLO_IMAGE} -- sh -c 'echo hi; sleep 60'
  {command} exec -it {_ID} sh
  {command} logs {_ID}
  {command} down           stops the daemons; sandboxes stay alive
  {command} down --rm      removes the sandboxes and stops everything""",
        markup=False,
    )


def main() -> None:
    """python -m sandboxd._quickstart [--once] [--phases FILE]"""
    parser = argparse.ArgumentParser(prog="quickstart")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--phases", type=Path)
    arguments = parser.parse_args()
    phases = Phases(arguments.phases)
    try:
        (run_once if arguments.once else run_to_stay)(phases)
    except SandboxdError as error:
        console.print(f"quickstart: {error}", markup=False, style="red")
        console.print("`sandboxd doctor` says what is missing on this machine.", markup=False)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
