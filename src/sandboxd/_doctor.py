"""What this machine needs and has: one check per prerequisite, each with the command that mends it."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ._containerd import SEARCH_PATH
from ._exceptions import NativeModuleError
from ._instance import Instance
from ._native import core, helper_dir
from ._process import LockFile

_FREE_BYTES_MIN = 2 * 1024**3
_SETUP = Path(__file__).with_name("setup")


@dataclass(frozen=True, slots=True)
class Check:
    """One prerequisite. `mend` is empty when it is there; `required` tells whether `up` works without it."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    required: bool = True

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")


def _first_line(*command: str) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return (done.stdout or done.stderr).strip().splitlines()[0] if (done.stdout or done.stderr).strip() else ""
    return ""


def _kernel_has(filesystem: str) -> bool:
    with contextlib.suppress(OSError):
        if re.search(rf"\b{filesystem}$", Path("/proc/filesystems").read_text(encoding="utf-8"), re.M):
            return True
    done = _first_line("modprobe", "--dry-run", "--first-time", filesystem) if _which("modprobe") else "no modprobe"
    return not done


def check_system() -> Iterator[Check]:
    is_root = os.geteuid() == 0
    yield Check("root", is_root, f"user id {os.geteuid()}", "" if is_root else "run with sudo")
    version = sys.version_info
    yield Check("python", version >= (3, 11), platform.python_version(), "apt-get install python3")
    machine = platform.machine()
    is_known = machine in ("x86_64", "aarch64")
    yield Check("machine", is_known, f"{platform.system()} {platform.release()} {machine}", "use x86_64 or aarch64")


def check_kernel() -> Iterator[Check]:
    root = Path("/sys/fs/cgroup")
    is_v2 = (root / "cgroup.controllers").exists()
    if is_v2:
        names = (root / "cgroup.controllers").read_text(encoding="utf-8").split()
    else:
        names = [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    missing = [name for name in ("cpu", "memory", "pids") if not any(name in found.split(",") for found in names)]
    detail = f"version {2 if is_v2 else 1}" + (f", without {', '.join(missing)}" if missing else "")
    yield Check("cgroups", not missing, detail, "mount -t cgroup2 none /sys/fs/cgroup" if missing else "")
    has_overlay = _kernel_has("overlay")
    # Without it containerd copies images instead: slower, but it works.
    mend = "" if has_overlay else "modprobe overlay"
    yield Check("overlayfs", has_overlay, "" if has_overlay else "not in the kernel", mend, required=False)
    nft = _which("nft")
    if nft is None or os.geteuid() != 0:
        detail = "nft is not installed" if nft is None else "cannot be tried without root"
        yield Check("nftables", nft is not None, detail, "" if nft else "apt-get install nftables")
    else:
        done = subprocess.run([nft, "list", "tables"], capture_output=True, text=True, check=False)
        mend = "" if done.returncode == 0 else "modprobe nf_tables"
        yield Check("nftables", done.returncode == 0, done.stderr.strip(), mend)


def check_programs(runtime: str) -> Iterator[Check]:
    containerd = _which("containerd")
    version = _first_line(containerd, "--version") if containerd else "not installed"
    found = re.search(r"\bv?(\d+)\.(\d+)\.", version)
    is_new = found is not None and (int(found[1]), int(found[2])) >= (1, 6)
    yield Check("containerd", is_new, version, "" if is_new else "apt-get install containerd")
    for name in ("ctr", "containerd-shim-runc-v2"):
        path = _which(name)
        yield Check(name, path is not None, path or "not installed", "" if path else "apt-get install containerd")
    runc = _which("runc")
    detail = _first_line(runc, "--version") if runc else "not installed"
    mend = "" if runc else "apt-get install runc"
    yield Check("runc", runc is not None, detail, mend, required=runtime == "runc")
    script = f"bash {_SETUP / 'gvisor.sh'}"
    for name in ("runsc", "containerd-shim-runsc-v1"):
        path = _which(name)
        detail = "not installed"
        if path:
            version = _first_line(path, "--version") if name == "runsc" else ""
            detail = path if "MISSING" in version or not version else version  # built without a version stamp
        yield Check(name, path is not None, detail, "" if path else script, required=runtime == "runsc")


def check_disks(runtime: str) -> Iterator[Check]:
    """What bounds the disk of a container; under runsc only the volumes of images need it."""
    is_required = runtime == "runc"
    mkfs = _which("mkfs.ext4")
    mend = "" if mkfs else "apt-get install e2fsprogs"
    yield Check("mkfs.ext4", mkfs is not None, mkfs or "not installed", mend, required=is_required)
    has_loop = Path("/dev/loop-control").exists()
    detail = "/dev/loop-control" if has_loop else "no /dev/loop-control"
    yield Check("loop devices", has_loop, detail, "" if has_loop else "modprobe loop", required=is_required)


def check_network(cni_dir: str = "/usr/lib/cni") -> Iterator[Check]:
    missing = [name for name in ("bridge", "host-local", "loopback") if not os.access(Path(cni_dir, name), os.X_OK)]
    detail = f"{', '.join(missing)} missing in {cni_dir}" if missing else cni_dir
    mend = "apt-get install containernetworking-plugins" if missing else ""
    yield Check("CNI plugins", not missing, detail, mend)
    library = ctypes.util.find_library("nftables")
    mend = "" if library else "apt-get install nftables"
    yield Check("libnftables", library is not None, library or "not installed", mend)


def check_native() -> Iterator[Check]:
    try:
        module = core()
    except NativeModuleError as error:
        yield Check("native module", False, str(error), "run ./quickstart, or pip install . in the source folder")
        return
    yield Check("native module", True, f"version {module.__version__}")
    for name in ("sandboxd-logholder", "sandboxd-pause"):
        path = helper_dir() / name
        ok = os.access(path, os.X_OK)
        mend = "" if ok else "pip install --force-reinstall . in the source folder"
        yield Check(name, ok, str(path) if ok else f"missing: {path}", mend)


def check_room(instance: Instance) -> Iterator[Check]:
    existing = next(path for path in (instance.data_dir, *instance.data_dir.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1024**3:.1f} GiB free at {existing}"
    ok = free >= _FREE_BYTES_MIN
    yield Check("disk space", ok, detail, "" if ok else f"free some space at {existing}", required=False)


def check_ports(instance: Instance, listens: list[str]) -> Iterator[Check]:
    owner = LockFile(instance.lock_file).owner() if os.access(instance.data_dir, os.R_OK | os.X_OK) else None
    for listen in listens:
        host, _, port = listen.rpartition(":")
        if owner is not None:
            yield Check(f"port {port}", True, f"sandboxd runs here (pid {owner})")
            continue
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]") or "0.0.0.0", int(port)))
            except OSError as error:
                mend = f"ss -ltnp 'sport = :{port}' shows who has it; or choose another with --listen"
                yield Check(f"port {port}", False, f"{listen}: {error.strerror}", mend)
            else:
                yield Check(f"port {port}", True, f"{listen} is free")


def run_checks(instance: Instance, listens: list[str]) -> list[Check]:
    """All checks. A check that breaks is a failed check, not the end of the others."""
    groups: list[Callable[[], Iterator[Check]]] = [
        check_system,
        check_kernel,
        lambda: check_programs(instance.runtime),
        lambda: check_disks(instance.runtime),
        check_network,
        check_native,
        lambda: check_room(instance),
        lambda: check_ports(instance, listens),
    ]
    out: list[Check] = []
    for group in groups:
        try:
            out += group()
        except (OSError, ValueError) as error:
            out.append(Check(getattr(group, "__name__", "check"), False, str(error), "see the message"))
    return out


__all__ = ["Check", "run_checks"]
