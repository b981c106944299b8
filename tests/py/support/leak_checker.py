"""Compares what an instance's API lists with what the machine really has. Each difference is one line of text.

What is counted, and where it is read from (never from the platform's own tables):

    containers     containerd's records, snapshots and tasks   =  containers of the node's sandboxes
    namespaces     `ip netns`, and the address bound to each   =  addresses of sandboxes + at most slot_pool_size free
    interfaces     ports of the instance's bridge              =  namespaces
    nft elements   ports, policies and bindings of the tables  =  published ports, namespaces
    listeners      127.0.0.1 sockets in the port range         =  published ports
    mounts         below the instance's directories            =  running containers
    disks          files, mounts and loop devices of them      =  running containers
    cgroups        below the instance's parent                 =  running containers
    output         log folders and FIFOs                       =  sandboxes
    processes      shims of the instance's containerd          =  running containers
    agreement      the control plane's sandboxes               =  the node's sandboxes, with the same ports
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.leftovers import loop_files

if TYPE_CHECKING:
    from support.instance import Instance

LIVE = ("creating", "running", "paused", "stopping")


def run(*command: str) -> str:
    """Output of a command; nothing when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@dataclass
class Wanted:
    """What the API says should exist."""

    sandboxes: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)  # keys in containerd
    kept: set[str] = field(default_factory=set)  # likewise, of stopped sandboxes: no task, but files
    roots: int = 0  # containers with a root filesystem of their own, which a pod's pause container has not
    addresses: set[str] = field(default_factory=set)
    ports: set[tuple[int, str, int]] = field(default_factory=set)  # host port, address, container port


def wanted(instance: Instance) -> tuple[Wanted, list[str]]:
    """Read both APIs; disagreement between them is reported too."""
    found, problems = Wanted(), []
    node_items = all_node_items(instance)
    for item in node_items:
        found.sandboxes.add(item["id"])
        keys = {container["id"] for container in item["containers"].values()}
        if item.get("pauseID"):
            keys.add(item["pauseID"])
        if item["phase"] == "stopped" and item.get("desired") == "stopped":
            found.kept |= keys
        if item["phase"] not in LIVE:
            continue
        found.roots += len(item["containers"])
        found.containers |= keys
        if item["ip"]:
            found.addresses.add(item["ip"])
        for port in item.get("ports") or []:
            found.ports.add((port["hostPort"], item["ip"], port["containerPort"]))
    upper = {item["id"]: item for item in instance.get("/api/v1/sandboxes")["items"]}
    # A node does not keep what it refused; everything else that was placed must be there.
    placed = {id for id, item in upper.items() if item["status"].get("node_name")}
    refused = {id for id in placed - found.sandboxes if upper[id]["status"]["phase"] == "Failed"}
    problems += _differ("sandboxes known to control plane and node", placed - refused, found.sandboxes)
    assigned = [
        port["host_port"]
        for item in upper.values()
        if item["status"]["phase"] in ("Scheduled", "Running", "Paused")
        for port in item["status"].get("assigned_ports") or []
    ]
    problems += [f"host port {port} is reserved {n} times" for port, n in Counter(assigned).items() if n > 1]
    problems += _differ("reserved ports", set(assigned), {port for port, _, _ in found.ports})
    return found, problems


def all_node_items(instance: Instance) -> list[dict[str, Any]]:
    """Every sandbox of the node, over all pages."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = instance.node_get(f"/v1/sandboxes?limit=200&cursor={cursor}")
        items += page["items"]
        cursor = page.get("next_cursor", "")
        if not cursor:
            return items


def _differ(what: str, expected: set[Any], real: set[Any]) -> list[str]:
    problems = []
    if missing := expected - real:
        problems.append(f"{what}: missing {sorted(missing)}")
    if extra := real - expected:
        problems.append(f"{what}: leaked {sorted(extra)}")
    return problems


# --- what the machine has ---------------------------------------------------------------------------------------------


def namespaces(instance: Instance) -> dict[str, str]:
    """Name of each network namespace of the instance, and the address bound to it (empty: none).

    gVisor takes the address off the interface inside, so it is read from the firewall's bindings, which name the slot.
    """
    prefix = f"sbx{instance.name}-"
    names = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(prefix)]
    bound = {}
    for element in nft_elements(instance, "bridge").get("bound", []):
        inner = element.get("elem", {}) if isinstance(element, dict) else {}
        bound[inner.get("comment", "")] = inner.get("val", {}).get("concat", [""])[-1]
    return {name: bound.get(name, "") for name in names}


def nft_elements(instance: Instance, family: str = "inet") -> dict[str, list[Any]]:
    """Elements of every set and map of one of the instance's tables, by name."""
    text = run("nft", "-j", "list", "table", family, f"sandboxd_{instance.name}")
    objects = json.loads(text)["nftables"] if text.strip() else []
    sets = [entry.get("set") or entry.get("map") for entry in objects]
    return {one["name"]: one.get("elem", []) for one in sets if one}


def published_in_nft(instance: Instance) -> set[tuple[int, str, int]]:
    """(host port, address, container port) of the port maps."""
    out = set()
    for elements in nft_elements(instance).values():
        for element in elements:
            text = json.dumps(element)
            if not isinstance(element, list) or len(element) != 2:
                continue
            numbers = [int(number) for number in re.findall(r"(?<![.\d\"])\b(\d{1,5})\b(?![.\d])", text)]
            address = re.search(r'"(\d+\.\d+\.\d+\.\d+)"', text)
            if address and len(numbers) >= 2:
                out.add((numbers[0], address.group(1), numbers[-1]))
    return out


def addresses_in_nft(instance: Instance) -> set[str]:
    """Every sandbox address that any table of the instance mentions in a set or map."""
    subnet = ipaddress.ip_network(instance.subnet)
    out: set[str] = set()
    for family in ("inet", "bridge", "netdev"):
        for name, elements in nft_elements(instance, family).items():
            if name in ("special", "resolvers"):
                continue  # ranges that are closed to everybody, and name servers
            addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", json.dumps(elements))
            out |= {found for found in addresses if ipaddress.ip_address(found) in subnet}
    return out


def loopback_listeners(instance: Instance) -> set[int]:
    """TCP ports of the instance's range that somebody listens on at 127.0.0.1."""
    low = int(instance.environment["SANDBOXD_HOST_PORT_MIN"])
    high = int(instance.environment["SANDBOXD_HOST_PORT_MAX"])
    ports = {int(found) for found in re.findall(r"127\.0\.0\.1:(\d+)\s", run("ss", "-Hltn"))}
    return {port for port in ports if low <= port <= high}


def mounts(root: Path) -> list[str]:
    """Mount points below a directory."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(point for point in points if point.startswith(f"{root}/"))


def disks(instance: Instance) -> dict[str, set[str]]:
    """Names of containers' disks ("<key>.root", "<key>.volumes") by where they show."""
    folder, mounted = instance.data_dir / "disks", instance.run_dir / "runtime/disks"
    attached = [Path(file.removesuffix(" (deleted)")) for file in loop_files()]
    return {
        "files": {path.name for path in folder.glob("*")},
        "mounts": {Path(point).name for point in mounts(mounted)},
        "mount points": {path.name for path in mounted.glob("*")},
        "loop devices": {path.name for path in attached if path.parent == folder.resolve()},
    }


def cgroups(instance: Instance) -> set[str]:
    """Names of the cgroups below the instance's parent, in whatever hierarchy."""
    parent = f"sandboxd-{instance.name}"
    roots = [*Path("/sys/fs/cgroup").glob(parent), *Path("/sys/fs/cgroup").glob(f"*/{parent}")]
    return {entry.name for root in roots for entry in root.iterdir() if entry.is_dir()}


def shims(instance: Instance) -> int:
    """Runtime shims of the instance's containerd."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            is_shim = "containerd-shim" in words[0]
            count += is_shim and any(str(instance.run_dir) in word for word in words)
    return count


def bridge_ports(instance: Instance) -> set[str]:
    """Host sides of the veth pairs on the instance's bridge."""
    text = run("ip", "-o", "link", "show", "master", f"sbx-br{instance.name}")
    return {line.split(":")[1].strip().split("@")[0] for line in text.splitlines()}


def snapshots(instance: Instance) -> set[str]:
    """Keys of the writable snapshots."""
    rows = [line.split() for line in instance.ctr("snapshots", "ls").splitlines()[1:]]
    return {row[0] for row in rows if row[-1] == "Active" and "extract-" not in row[0]}


# --- the comparison ---------------------------------------------------------------------------------------------------


def check(instance: Instance) -> list[str]:
    """Every difference now. Call it when nothing is under way; see settle()."""
    want, problems = wanted(instance)
    pool = int(instance.environment["SANDBOXD_SLOT_POOL_SIZE"])

    records = set(instance.ctr("containers", "ls", "-q").split())
    problems += _differ("containers", want.containers | want.kept, records)
    tasks = {line.split()[0] for line in instance.ctr("tasks", "ls").splitlines()[1:]}
    problems += _differ("tasks", want.containers, tasks)
    extra_snapshots = snapshots(instance) - want.containers - want.kept
    if extra_snapshots:
        problems.append(f"snapshots: leaked {sorted(extra_snapshots)}")

    spaces = namespaces(instance)
    problems += _differ("namespaces of sandboxes", want.addresses, set(spaces.values()) & want.addresses)
    # A slot too many (a refused create gave it back after another was made in its place) is gone after the node's next
    # comparison with the machine, for which settle() waits long enough.
    free = [name for name, address in spaces.items() if address not in want.addresses]
    if len(free) > pool:
        problems.append(f"namespaces: {len(free)} belong to no sandbox, the pool may hold {pool}: {sorted(free)}")
    unbound = sorted(name for name, address in spaces.items() if not address)
    if unbound:
        problems.append(f"namespaces without an address: {unbound}")
    if len(bridge_ports(instance)) != len(spaces):
        problems.append(f"interfaces: {len(bridge_ports(instance))} on the bridge, {len(spaces)} namespaces {spaces}")

    problems += _differ("nft ports", want.ports, published_in_nft(instance))
    known = set(spaces.values())
    if strange := addresses_in_nft(instance) - known:
        problems.append(f"nft elements: leaked for {sorted(strange)}")
    problems += _differ("listeners on 127.0.0.1", {port for port, _, _ in want.ports}, loopback_listeners(instance))

    if shims(instance) != len(want.containers):
        problems.append(f"shims: {shims(instance)}, containers: {len(want.containers)}")
    roots = [point for point in mounts(instance.run_dir) if point.endswith("/rootfs")]
    kinds = disks(instance)
    # Those of stopped sandboxes are files only.
    in_use = {name for name in kinds["files"] if name.rsplit(".", 1)[0] in want.containers}
    for kind in ("mounts", "mount points", "loop devices"):
        problems += _differ(f"disks: {kind}", in_use, kinds[kind])
    if strange := {name for name in kinds["files"] if name.rsplit(".", 1)[0] not in want.containers | want.kept}:
        problems.append(f"disks: leaked {sorted(strange)}")
    if len(roots) != want.roots:
        problems.append(f"mounts: {len(roots)} root filesystems, {want.roots} containers with one: {roots}")
    # Under gVisor a pod has one, its root's.
    if strange_groups := cgroups(instance) - want.containers:
        problems.append(f"cgroups: leaked {sorted(strange_groups)}")
    problems += _strangers_on_disk(instance, want)
    return problems


def _strangers_on_disk(instance: Instance, want: Wanted) -> list[str]:
    """FIFOs and folders below our directories that bear the name of a sandbox which is not there."""
    problems = []
    for folder in ("sandboxes", "logs"):
        for base in (instance.data_dir, instance.run_dir):
            for path in base.rglob(folder):
                if path.is_dir() and "containerd" not in path.relative_to(base).parts:
                    strangers = {entry.name for entry in path.iterdir() if entry.is_dir()} - want.sandboxes
                    problems += [f"files: leaked {path.name}/{name}" for name in sorted(strangers)]
    return problems


def settle(instance: Instance, timeout: float = 30.0) -> list[str]:
    """check() until it is content or `timeout` has passed; the last differences."""
    import time

    end = time.monotonic() + timeout
    while True:
        try:
            problems = check(instance)
        except (AssertionError, json.JSONDecodeError) as error:
            problems = [f"cannot look: {error}"]
        if not problems or time.monotonic() > end:
            return problems
        time.sleep(0.5)


def remains(instance: Instance) -> list[str]:
    """What is on the machine of an instance that should be gone without a trace (its data directory may stay)."""
    problems = [f"namespace {name}" for name in namespaces(instance)]
    if run("ip", "-o", "link", "show", "dev", f"sbx-br{instance.name}"):
        problems.append(f"bridge sbx-br{instance.name}")
    problems += [
        f"nft {line}" for line in run("nft", "list", "tables").splitlines() if f"sandboxd_{instance.name}" in line
    ]
    problems += [f"mount {point}" for point in mounts(instance.root) if point != str(instance.data_dir)]
    problems += [f"loop device on {file}" for file in loop_files() if file.startswith(f"{instance.root}/")]
    problems += [f"disk {path}" for path in (instance.data_dir / "disks").glob("*")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(instance.root) in text and "pytest" not in text:
                problems.append(f"process {entry.name}: {text[:200]}")
    groups = [
        *Path("/sys/fs/cgroup").glob(f"sandboxd-{instance.name}"),
        *Path("/sys/fs/cgroup").glob(f"*/sandboxd-{instance.name}"),
    ]
    return problems + [f"cgroup {path}" for path in groups]
