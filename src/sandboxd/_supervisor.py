"""What `sandboxd up` is: containerd adopted or started, node agent and control plane as children, the node registered.

The supervisor keeps its children alive and is the only one that a terminal's Ctrl-C reaches. It ends them in good
order; containerd, its shims and the log holder are left running, and with them the sandboxes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import _config, _containerd
from ._children import Backoff, Child, bound_log, supervised_daemons, wait_for_any
from ._client import Client
from ._exceptions import ConfigError, ConflictError, NotFoundError, SandboxdError, WaitTimeoutError
from ._instance import Instance, write_private
from ._process import LockFile, end_process, pid_alive
from ._teardown import has_traces, remove_traces

_DAEMON_READY_SECONDS = 60.0
_NODE_READY_SECONDS = 30.0
_STOP_SECONDS = 20.0
_HOUSEKEEPING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that `up` decided before it starts anything."""

    instance: Instance
    listen: str
    node_listen: str
    token: str
    config_file: Path | None


def make_plan(instance: Instance, orch: _config.Loaded, node: _config.Loaded, config_file: Path | None) -> Plan:
    """Check the two configurations against each other and choose a token where one is needed.

    Raises:
        ConfigError: both daemons want the same address.
    """
    listen, node_listen = orch.get("listen"), node.get("listen")
    if listen == node_listen and not listen.endswith(":0"):
        raise ConfigError(
            f"control plane and node agent both want to listen on {listen}: set --listen and --node-listen (or "
            "SANDBOXD_ORCH_LISTEN and SANDBOXD_NODE_LISTEN) to different ones"
        )
    token = orch.get("token") or node.get("token") or orch.get("api_key")
    if not token and not (_config.is_loopback(listen) and _config.is_loopback(node_listen)):
        token = _stored_token(instance)
    return Plan(instance, listen, node_listen, token, config_file)


def _stored_token(instance: Instance) -> str:
    with contextlib.suppress(OSError):
        text = instance.token_file.read_text(encoding="utf-8").strip()
        if text:
            return text
    token = secrets.token_hex(32)
    instance.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    write_private(instance.token_file, token + "\n")
    return token


def node_id() -> str:
    """The machine's name in a form that every part accepts."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", socket.gethostname().split(".")[0]).strip("-._")
    return name[:63] or "local"


def _host(listen: str) -> str:
    host = listen.rpartition(":")[0].strip("[]")
    return "127.0.0.1" if host in ("", "0.0.0.0", "::", "localhost") else host


class Supervisor:
    """One run of `up`, from the lock to the last child's end."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.url = ""
        self.node_url = ""
        self.node_name = node_id()
        self._say = say
        self._stop_requested = False
        self._lock = LockFile(plan.instance.lock_file)
        self._containerd = 0
        self._containerd_started_at = 0.0
        self._containerd_backoff = Backoff()
        self._containerd_restart_at: float | None = None
        environ = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_containerd.SEARCH_PATH}"}
        if plan.token:
            environ["SANDBOXD_TOKEN"] = environ["SANDBOXD_NODE_TOKEN"] = plan.token
        logs = plan.instance.log_dir
        self.orch = Child("orch", self._arguments("orch"), environ, logs / "orch.log")
        self.node = Child("node", self._arguments("node"), environ, logs / "node.log")

    def _arguments(self, role: str) -> list[str]:
        plan, instance = self.plan, self.plan.instance
        words = ["--data-dir", str(instance.data_dir), "--run-dir", str(instance.run_dir)]
        if plan.config_file is not None:
            words += ["--config", str(plan.config_file)]
        if role == "orch":
            words += ["--listen", plan.listen]
            words += ["--host-port-min", str(instance.host_port_min), "--host-port-max", str(instance.host_port_max)]
        else:
            words += ["--listen", plan.node_listen, "--runtime", instance.runtime]
            words += ["--instance", instance.name, "--subnet-cidr", instance.subnet]
        return words

    # --- starting ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything is up inside the block; afterwards our daemons are stopped.

        Raises:
            ConflictError: another supervisor works on the data dir.
            SandboxdError: a part does not start; the message says which and why.
        """
        was_there = has_traces(self.plan.instance)
        self.plan.instance.make_directories()
        if not self._lock.acquire():
            raise ConflictError(
                f"sandboxd already runs on {self.plan.instance.data_dir} (pid {self._lock.owner() or 'unknown'}): stop "
                "it with `sandboxd down`, or choose another --data-dir",
                code="conflict",
            )
        with self._lock, self._signals():
            try:
                self._start()
                yield
            except BaseException:
                self._stop_daemons()
                if not self.url and not was_there:
                    remove_traces(self.plan.instance)  # nothing lives in what never came up
                raise
            self._stop_daemons()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        self._wakeup, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handlers = {number: signal.signal(number, self._request_stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(self._wakeup)
            os.close(write_end)

    def _request_stop(self, *_: object) -> None:
        if not self._stop_requested:
            self._stop_requested = True
            if not self.url:
                raise KeyboardInterrupt  # still starting: leave whatever is waited for

    def _start(self) -> None:
        instance = self.plan.instance
        self._end_orphans()
        found = _containerd.find(instance)
        if found is None:
            self._start_containerd()
        else:
            self._containerd = found
        _containerd.wait_ready(instance, self._containerd)
        self.orch.start()
        self.node.start()
        orch_port = self.orch.wait_ready(_DAEMON_READY_SECONDS)
        node_port = self.node.wait_ready(_DAEMON_READY_SECONDS)
        for child, port in ((self.orch, orch_port), (self.node, node_port)):
            self._pin_port(child, port)
        url = self._url(self.plan.listen, orch_port)
        self.node_url = self._url(self.plan.node_listen, node_port)
        with Client(url, self.plan.token, run_dir=instance.run_dir) as client:
            self._register_node(client, _host(self.plan.node_listen), node_port)
        write_private(instance.endpoint_file, json.dumps(self._endpoint(url), indent=1) + "\n")
        self.url = url

    def _end_orphans(self) -> None:
        """Daemons of a supervisor that was killed are just ending; their locks must be free before ours start."""
        for pid in supervised_daemons(self.plan.instance.data_dir):
            if not end_process(pid, _STOP_SECONDS):
                raise ConflictError(f"a daemon of an earlier run (pid {pid}) does not end", code="conflict")

    def _start_containerd(self) -> None:
        self._containerd = _containerd.start(self.plan.instance)
        self._containerd_started_at = time.monotonic()

    @staticmethod
    def _url(listen: str, port: int) -> str:
        host = _host(listen)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @staticmethod
    def _pin_port(child: Child, port: int) -> None:
        """A port that the system chose is kept over restarts."""
        at = child.arguments.index("--listen") + 1
        child.arguments[at] = f"{child.arguments[at].rpartition(':')[0]}:{port}"

    def _endpoint(self, url: str) -> dict[str, object]:
        return {
            "url": url,
            "token": self.plan.token,
            "node_url": self.node_url,
            "pid": os.getpid(),
            "data_dir": str(self.plan.instance.data_dir),
            "instance": self.plan.instance.name,
        }

    def _register_node(self, client: Client, ip: str, port: int) -> None:
        """Register our node unless it is there as it should be: registering resets labels and cordon."""
        deadline = time.monotonic() + _NODE_READY_SECONDS
        try:
            node = client.get_node(self.node_name)
        except NotFoundError:
            node = client.put_node(self.node_name, ip, port)
        if (node.ip, node.port) != (ip, port):
            node = client.put_node(self.node_name, ip, port, node.labels, node.unschedulable)
        while not node.is_ready:
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    f"node {self.node_name} is {node.state} after {_NODE_READY_SECONDS:g} s: "
                    f"{node.last_error or 'no report'} (log: {self.plan.instance.log_dir / 'node.log'})"
                )
            time.sleep(0.05)
            node = client.get_node(self.node_name)

    # --- keeping alive -----------------------------------------------------------------------------------------------

    def watch_over(self) -> None:
        """Restart what dies until a signal asks to stop."""
        housekeeping_at = 0.0
        while not self._stop_requested:
            now = time.monotonic()
            if now >= housekeeping_at:
                housekeeping_at = now + _HOUSEKEEPING_SECONDS
                self._bound_logs()
            self._mend(now)
            plans = [self.orch.restart_at, self.node.restart_at, self._containerd_restart_at, housekeeping_at]
            wake_at = min(at for at in plans if at is not None)
            pids = [pid for pid in (self.orch.pid, self.node.pid, self._containerd) if pid]
            wait_for_any(pids, self._wakeup, wake_at - time.monotonic())

    def _mend(self, now: float) -> None:
        for child in (self.orch, self.node):
            if child.has_exited():
                status = child.note_exit()
                delay = (child.restart_at or now) - now
                self._say(f"{child.role} ended (status {status}); starting it again in {max(0.0, delay):.1f} s")
            if child.restart_at is not None and child.restart_at <= now:
                child.start()
        if self._containerd and not pid_alive(self._containerd):
            self._reap(self._containerd)
            self._containerd = 0
            delay = self._containerd_backoff.next(now - self._containerd_started_at)
            self._containerd_restart_at = now + delay
            self._say(f"containerd ended; starting it again in {delay:.1f} s")
        if self._containerd_restart_at is not None and self._containerd_restart_at <= now:
            self._containerd_restart_at = None
            try:
                self._start_containerd()
            except SandboxdError as error:
                self._say(str(error))
                self._containerd_restart_at = now + self._containerd_backoff.next(0.0)

    @staticmethod
    def _reap(pid: int) -> None:
        with contextlib.suppress(ChildProcessError):  # adopted ones are not our children
            os.waitpid(pid, os.WNOHANG)

    def _bound_logs(self) -> None:
        self.orch.bound_log()
        self.node.bound_log()
        bound_log(self.plan.instance.log_dir / "containerd.log")
        bound_log(self.plan.instance.log_dir / "up.log")

    # --- stopping ----------------------------------------------------------------------------------------------------

    def _stop_daemons(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.plan.instance.endpoint_file.unlink()
        for child in (self.orch, self.node):
            child.ask_to_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in (self.orch, self.node):
            if not child.wait_stopped(deadline - time.monotonic()):
                self._say(f"{child.role} did not stop in {_STOP_SECONDS:g} s and was killed")


__all__ = ["Plan", "Supervisor", "make_plan", "node_id"]
