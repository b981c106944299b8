"""One platform on this machine: its directories, and what keeps it apart from other instances.

The instance in the default data dir is called "0" and has the documented defaults. Any other one derives its name,
subnet and range of host ports from the path of its data dir, so that several live side by side without being
configured. What was derived or chosen once is kept in <data dir>/instance.json: everything it made bears that name.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import _config
from ._endpoint import DEFAULT_RUN_DIR, FILE_NAME
from ._exceptions import ConfigError

DEFAULT_DATA_DIR = "/var/lib/sandboxd"
_FILE = "instance.json"
_SOCKET_PATH_MAX = 107


@dataclass(frozen=True, slots=True)
class Derived:
    """What an instance without settings of its own gets."""

    name: str
    subnet: str
    host_port_min: int
    host_port_max: int
    run_dir: str


def derive(data_dir: Path, attempt: int = 0) -> Derived:
    """Names and ranges for a data dir. Pure; another `attempt` has other ranges."""
    if str(data_dir) == DEFAULT_DATA_DIR:
        return Derived("0", "10.89.0.0/16", 10000, 32767, DEFAULT_RUN_DIR)
    digest = hashlib.sha256(str(data_dir).encode()).digest()
    name = digest[:2].hex()
    # 10.90 to 10.217, in blocks of 16 x 256 addresses: never the default's.
    second, third = 90 + (digest[2] + 37 * attempt) % 128, digest[3] % 16 * 16
    # Blocks of 400 ports, above those that the default instance hands out first.
    low = 14000 + (int.from_bytes(digest[4:6]) + 17 * attempt) % 46 * 400
    return Derived(name, f"10.{second}.{third}.0/20", low, low + 399, f"{DEFAULT_RUN_DIR}-{name}")


def parse_routes(table: str) -> list[ipaddress.IPv4Network]:
    """The networks in the text of /proc/net/route, without the default route."""
    out = []
    for line in table.splitlines()[1:]:
        words = line.split()
        address, mask = (ipaddress.IPv4Address(bytes.fromhex(words[at])[::-1]) for at in (1, 7))
        out.append(ipaddress.IPv4Network(f"{address}/{mask}", strict=False))
    return [network for network in out if network.prefixlen]


def _is_free(derived: Derived) -> bool:
    """Whether nobody on this machine has the subnet or the first ports: another instance, a VPN, a server."""
    network = ipaddress.IPv4Network(derived.subnet)
    with contextlib.suppress(OSError):
        if any(network.overlaps(route) for route in parse_routes(Path("/proc/net/route").read_text(encoding="ascii"))):
            return False
    for port in range(derived.host_port_min, derived.host_port_min + 4):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def derive_free(data_dir: Path) -> Derived:
    """Names and ranges for a data dir that is used for the first time, clear of what the machine has."""
    if str(data_dir) == DEFAULT_DATA_DIR:
        return derive(data_dir)
    attempts = (derive(data_dir, attempt) for attempt in range(40))
    return next((derived for derived in attempts if _is_free(derived)), derive(data_dir))


@dataclass(frozen=True, slots=True)
class Instance:
    """Directories and names; the paths of everything that the supervisor keeps."""

    data_dir: Path
    run_dir: Path
    name: str
    subnet: str
    host_port_min: int
    host_port_max: int
    runtime: str

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "supervisor.lock"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"

    @property
    def endpoint_file(self) -> Path:
        return self.run_dir / FILE_NAME

    @property
    def token_file(self) -> Path:
        return self.data_dir / "token"

    @property
    def containerd_root(self) -> Path:
        return self.data_dir / "containerd"

    @property
    def containerd_state(self) -> Path:
        return self.run_dir / "containerd"

    @property
    def containerd_config(self) -> Path:
        return self.run_dir / "containerd.toml"

    @property
    def containerd_socket(self) -> Path:
        return self.run_dir / "containerd.sock"

    def make_directories(self) -> None:
        """Make the directories and write down the name.

        Raises:
            ConfigError: a path is too long for sockets, or cannot be made.
        """
        if len(str(self.containerd_socket)) + 6 > _SOCKET_PATH_MAX:  # containerd adds ".ttrpc"
            raise ConfigError(f"run_dir {self.run_dir} is too long: sockets below it may have 107 characters")
        try:
            for path, mode in ((self.data_dir, 0o711), (self.run_dir, 0o711), (self.log_dir, 0o700)):
                path.mkdir(parents=True, exist_ok=True, mode=mode)
            write_private(
                self.data_dir / _FILE,
                json.dumps(
                    {
                        "name": self.name,
                        "subnet": self.subnet,
                        "host_port_min": self.host_port_min,
                        "host_port_max": self.host_port_max,
                        "run_dir": str(self.run_dir),
                        "runtime": self.runtime,
                    },
                    indent=1,
                )
                + "\n",
            )
        except OSError as error:
            raise ConfigError(f"cannot make the directories of the instance: {error}") from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all or nothing."""
    new = path.with_name(f".{path.name}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _written(data_dir: Path) -> Mapping[str, object]:
    try:
        data = json.loads((data_dir / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def exists(data_dir: Path) -> bool:
    """Whether an instance was ever started there."""
    return bool(_written(data_dir))


def data_dir_of(flag: str | None, environ: Mapping[str, str]) -> Path:
    """The data dir that a command means: flag, environment, default."""
    return Path(os.path.realpath(flag or environ.get("SANDBOXD_DATA_DIR") or DEFAULT_DATA_DIR))


def find_instance(
    data_dir: str | None = None,
    run_dir: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    orch: _config.Loaded | None = None,
    node: _config.Loaded | None = None,
) -> Instance:
    """The instance that flags, environment and loaded configuration mean.

    Raises:
        ConfigError: the data dir belongs to an instance of another name or subnet.
    """
    environ = os.environ if environ is None else environ
    data = data_dir_of(data_dir, environ)
    written = _written(data)
    derived = derive(data) if written else derive_free(data)

    def chosen(loaded: _config.Loaded | None, field: str, key: str, fallback: object) -> str:
        kept = written.get(key)
        if loaded is None or loaded.origin(field) == "default":
            return str(kept if kept is not None else fallback)
        given = loaded.get(field)
        if kept is not None and str(kept) != given and key in ("name", "subnet"):
            raise ConfigError(
                f"{data} belongs to an instance with {key} {kept}, but {given} was given ({loaded.origin(field)}). Use "
                "another data dir, or remove the instance first: sandboxd down --rm --purge"
            )
        return given

    run = run_dir or environ.get("SANDBOXD_RUN_DIR") or str(written.get("run_dir") or derived.run_dir)
    return Instance(
        data_dir=data,
        run_dir=Path(os.path.realpath(run)),
        name=chosen(node, "instance", "name", derived.name),
        subnet=chosen(node, "subnet_cidr", "subnet", derived.subnet),
        host_port_min=int(chosen(orch, "host_port_min", "host_port_min", derived.host_port_min)),
        host_port_max=int(chosen(orch, "host_port_max", "host_port_max", derived.host_port_max)),
        runtime=node.get("runtime") if node is not None else str(written.get("runtime") or "runsc"),
    )


__all__ = ["DEFAULT_DATA_DIR", "Derived", "Instance", "derive", "exists", "find_instance", "write_private"]
