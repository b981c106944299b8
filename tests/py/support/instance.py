"""One private platform for a test: own name, directories, ports and subnet; started and stopped by the command line.

The machine's default installation and other tests' instances are never touched. destroy() leaves nothing, also when
`down --rm` failed, and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from support import images
from support.waiting import wait_until

_random = random.Random()  # names only; no outcome depends on it
START_SECONDS = 60.0


def free_port() -> int:
    """A TCP port that nobody holds on 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet_port_range(width: int = 100) -> int:
    """The first of `width` ports below the ephemeral ones that no process listens on now."""
    used = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        rows = Path(table).read_text().splitlines()[1:]
        used |= {int(row.split()[1].rsplit(":", 1)[1], 16) for row in rows}
    starts = range(10000, 32800 - width, 100)
    ranges = [low for low in starts if not any(low <= port < low + width for port in used)]
    return _random.choice(ranges)


class Instance:
    """A platform in directories of its own. Not started by the constructor."""

    def __init__(
        self, *, runtime: str = "runsc", environment: dict[str, str] | None = None, sandboxes_max: int = 100
    ) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        self.name = "t" + "".join(_random.choice(letters) for _ in range(4))
        # On the disk: /tmp may be memory, and so be what sandboxes write. Short: socket paths have at most 108 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="sbxt-", dir="/var/tmp"))
        self.data_dir, self.run_dir = self.root / "d", self.root / "r"
        self.runtime = runtime
        self.subnet = f"10.{_random.randrange(200, 250)}.{_random.randrange(256)}.0/24"
        if sandboxes_max > 200:
            self.subnet = f"10.{_random.randrange(200, 250)}.{_random.randrange(0, 256, 8)}.0/21"
        self.orch_port, self.node_port = free_port(), free_port()
        ports = max(100, 2 * sandboxes_max)  # a released one rests before it is given out again
        low = quiet_port_range(ports)
        self.environment = {
            "SANDBOXD_HOST_PORT_MIN": str(low),
            "SANDBOXD_HOST_PORT_MAX": str(low + ports - 1),
            "SANDBOXD_SLOT_POOL_SIZE": "4",
            **(environment or {}),
        }
        self.client = httpx.Client(base_url=self.url, timeout=90, trust_env=False)
        self.node_client = httpx.Client(base_url=self.node_url, timeout=90, trust_env=False)

    # --- the command line ---------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.orch_port}"

    @property
    def node_url(self) -> str:
        return f"http://127.0.0.1:{self.node_port}"

    @property
    def config_file(self) -> Path:
        """Read by `up` when a test wrote it; daemons read it again whenever they are restarted."""
        return self.root / "sandboxd.toml"

    @property
    def containerd_socket(self) -> Path:
        return self.run_dir / "containerd.sock"

    def env(self, **more: str) -> dict[str, str]:
        """The environment of every command: ours, without the settings of an installed platform."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SANDBOXD_") or "CHECK" in key}
        return {**kept, **self.environment, "SANDBOXD_RUN_DIR": str(self.run_dir), **more}

    def up_command(self, *extra: str, detach: bool = True) -> list[str]:
        """`sandboxd up` with all that makes this instance its own."""
        words = ["up", *(["--detach"] if detach else []), "--runtime", self.runtime, "--instance", self.name]
        words += ["--data-dir", str(self.data_dir), "--run-dir", str(self.run_dir), "--subnet", self.subnet]
        words += ["--listen", f"127.0.0.1:{self.orch_port}", "--node-listen", f"127.0.0.1:{self.node_port}"]
        if self.config_file.exists():
            words += ["--config", str(self.config_file)]
        return [sys.executable, "-m", "sandboxd", *words, *extra]

    def command(self, *words: str, timeout: float = 120.0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m sandboxd WORDS` to its end; the caller judges."""
        return subprocess.run(
            [sys.executable, "-m", "sandboxd", *words],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.env(**env),
            check=False,
        )

    def up(self, *extra: str, images_too: bool = True, **env: str) -> Instance:
        """Start in the background and wait until a node is Ready."""
        done = subprocess.run(
            self.up_command(*extra),
            capture_output=True,
            text=True,
            timeout=START_SECONDS + 30,
            env=self.env(**env),
            check=False,
        )
        assert done.returncode == 0, f"`up` failed:\n{done.stdout}{done.stderr}\n{self.log_tail()}"
        self.wait_ready()
        if images_too and not self.has_image(images.BOX):
            images.import_into(self.containerd_socket, self.root)
        return self

    def down(self, *extra: str) -> subprocess.CompletedProcess[str]:
        """`sandboxd down` for this instance; must succeed."""
        done = self.command("down", *extra, "--run-dir", str(self.run_dir), "--data-dir", str(self.data_dir))
        assert done.returncode == 0, f"`down` failed:\n{done.stdout}{done.stderr}"
        return done

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Until a node is Ready at the control plane."""

        def ready() -> bool:
            return any(node["state"] == "Ready" for node in self.get("/api/v1/nodes")["items"])

        wait_until(ready, "a Ready node", timeout)

    def log_tail(self, lines: int = 40) -> str:
        """The ends of the instance's own log files, for failure messages."""
        out = []
        for path in sorted([*self.root.rglob("*.log"), *self.root.rglob("*.out")]):
            if "sandboxes" not in path.parts and path.is_file():
                text = path.read_text(errors="replace").splitlines()[-lines:]
                out.append(f"--- {path.name}\n" + "\n".join(text))
        return "\n".join(out)

    def keep_logs(self, name: str) -> Path:
        """Copy the instance's own logs to build/kept-logs/NAME, for reading after a failure."""
        folder = Path(__file__).resolve().parents[3] / "build/kept-logs" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.data_dir / "log", folder)
        return folder

    # --- REST -----------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """GET on the control plane; must be 200."""
        answer = self.client.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def node_get(self, path: str) -> Any:
        """GET on the node agent; must be 200."""
        answer = self.node_client.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def create(self, id: str, **spec: Any) -> dict[str, Any]:
        """Create a sandbox; must be accepted. See spec()."""
        answer = self.client.post("/api/v1/sandboxes", json={"id": id, "spec": make_spec(**spec)})
        assert answer.status_code == 201, f"create {id}: {answer.status_code} {answer.text}"
        return dict(answer.json()["sandbox"])

    def sandbox(self, id: str) -> dict[str, Any] | None:
        """The sandbox as the control plane shows it; None when there is none."""
        answer = self.client.get(f"/api/v1/sandboxes/{id}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["sandbox"])

    def wait_phase(self, id: str, phase: str, timeout: float = 60.0) -> dict[str, Any]:
        """Until the sandbox has this phase; an unexpected Failed ends the wait at once."""

        def look() -> dict[str, Any] | None:
            found = self.sandbox(id)
            return found if found and found["status"]["phase"] in (phase, "Failed") else None

        found = wait_until(look, f"{id} {phase}", timeout)
        assert found["status"]["phase"] == phase, f"{id}: {found['status']}\n{self.log_tail()}"
        return found

    def delete(self, id: str) -> None:
        """Delete; must answer 200."""
        answer = self.client.delete(f"/api/v1/sandboxes/{id}")
        assert answer.status_code == 200, f"delete {id}: {answer.status_code} {answer.text}"

    def wait_gone(self, id: str, timeout: float = 30.0) -> None:
        wait_until(lambda: self.sandbox(id) is None, f"{id} gone", timeout)

    def log_lines(self, id: str, container: str | None = None) -> list[str]:
        """The text of the sandbox's log lines without time, stream and tag; container prefixes are dropped."""
        path = f"/api/v1/sandboxes/{id}" + (f"/containers/{container}/logs" if container else "/logs")
        lines = self.get(path)["logs"]["lines"]
        return [line.removeprefix(f"[{line[1:].split(']')[0]}] ").split(" ", 3)[3] for line in lines]

    def host_port(self, id: str, container_port: int = 8000) -> int:
        found = self.sandbox(id)
        assert found is not None
        ports = found["status"]["assigned_ports"]
        return int(next(port["host_port"] for port in ports if port["container_port"] == container_port))

    # --- processes --------------------------------------------------------------------------------------------------

    def pid(self, role: str) -> int | None:
        """The living process of a role: "up", "orch", "node" or "containerd"; None when there is none."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is_role(entry, role) and not _is_zombie(int(entry.name)):
                return int(entry.name)
        return None

    def _is_role(self, process: Path, role: str) -> bool:
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if not any(str(self.root) in word for word in words):
                return False
            if role == "containerd":
                return Path(words[0]).name == "containerd"
            return words[1:4] == ["-m", "sandboxd", role]
        return False

    def kill(self, role: str, number: int = signal.SIGKILL) -> int:
        """Signal a role's process, wait until it is dead, and return what its pid was."""
        pid = self.pid(role)
        assert pid is not None, f"no {role} to kill"
        os.kill(pid, number)
        wait_until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), f"{role} dead", 15)
        return pid

    def wait_back(self, timeout: float = 60.0) -> None:
        """Until the supervisor has restarted what died: everything lives, answers, and the node is Ready."""

        def answers() -> bool:
            self.ctr("version")
            alive = all(self.pid(role) for role in ("orch", "node", "containerd"))
            return alive and self.node_client.get("/healthz").status_code == 200

        wait_until(answers, "every daemon back", timeout)
        self.wait_ready(timeout)

    def kill_and_wait_back(self, role: str) -> None:
        """Kill a daemon and let the supervisor bring it back."""
        old = self.kill(role)
        wait_until(lambda: self.pid(role) not in (None, old), f"a new {role}", 30)
        self.wait_back()

    @contextlib.contextmanager
    def held(self, role: str) -> Iterator[None]:
        """Within the block that process does nothing. Without "up", nothing that dies is restarted."""
        pid = self.pid(role)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def ctr(self, *words: str) -> str:
        """Run ctr on the private containerd."""
        command = ["ctr", "-a", str(self.containerd_socket), "-n", "k8s.io", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"ctr {' '.join(words)}: {done.stderr}"
        return done.stdout

    def has_image(self, reference: str) -> bool:
        return reference in self.ctr("images", "ls", "-q").split()

    def task_pids(self) -> dict[str, int]:
        """Container key to the pid of its init, of running tasks."""
        rows = [line.split() for line in self.ctr("tasks", "ls").splitlines()[1:]]
        return {row[0]: int(row[1]) for row in rows if len(row) >= 3 and row[2] == "RUNNING"}

    # --- the end --------------------------------------------------------------------------------------------------

    def destroy(self) -> list[str]:
        """Remove everything of this instance and return what `down --rm` had left behind."""
        from support.leak_checker import remains  # the checker knows this class

        problems = []
        done = self.command("down", "--rm", "--run-dir", str(self.run_dir), "--data-dir", str(self.data_dir))
        if done.returncode != 0:
            problems.append(f"`down --rm` exited with {done.returncode}: {done.stdout}{done.stderr}")
        self.client.close()
        self.node_client.close()
        try:
            wait_until(lambda: not remains(self), "nothing left", 10)
        except AssertionError:
            problems += remains(self)
        if problems:
            problems.append(self.log_tail())
            self._force()
        shutil.rmtree(self.root, ignore_errors=True)
        return problems

    def _force(self) -> None:
        from support import leftovers

        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if str(self.root).encode() in (entry / "cmdline").read_bytes():
                        os.kill(int(entry.name), signal.SIGKILL)
        leftovers.clean_instance(self.name, self.root)


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def make_spec(
    *,
    image: str = images.BOX,
    args: list[str] | None = None,
    shell: str | None = None,
    ports: tuple[int, ...] = (),
    cpu: str = "10m",
    memory: str = "64Mi",
    runtime: str = "",
    containers: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A sandboxd-o spec with one container "main", unless `containers` says otherwise; `shell` runs a script."""
    main: dict[str, Any] = {"name": "main", "image": image, "resource": {"cpu": cpu, "memory": memory}}
    if shell is not None:
        args = ["/bin/sh", "-c", shell]
    if args:
        main["args"] = args
    spec: dict[str, Any] = {"egress": False, "containers": containers or [main], **more}
    if ports:
        spec["ports"] = [{"container_port": port} for port in ports]
    if runtime:
        spec["runtime"] = runtime
    return spec


def wait_page(url: str, timeout: float = 20.0) -> str:
    """fetch() once the server inside has come up: without a probe, Running means that its process started."""
    return wait_until(lambda: fetch(url), f"a page at {url}", timeout)


def fetch(url: str, timeout: float = 5.0) -> str:
    """The body of a page, without any proxy of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as answer:
        return str(answer.read().decode())


def dump(value: Any) -> str:
    """Readable JSON for assertion messages."""
    return json.dumps(value, indent=1, sort_keys=True)
