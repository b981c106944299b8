"""Which folder of src/cpp may include which: the layer diagram of docs/ARCHITECTURE.md as a table."""

from __future__ import annotations

import re
from pathlib import Path

from lint.cpp_text import Violation, cpp_files, line_of, relative

BASE = {"base"}
VALUES = BASE | {"model"}
DECISIONS = {"sched", "liveness", "lifecycle"}
TOOLS = {"ports", "aio"}
UP_TO_PORTS = VALUES | {"codec"} | DECISIONS | TOOLS
ADAPTERS = {"http", "store", "containerd", "cni", "network", "logs", "proc", "sim", "guestlink"}
DIALECTS = ("orch/api/", "node/api/")
TRANSPORTS = {"mcp"}  # folders beside the dialects that any of them may build on

# The parts of orch/ and node/ that put adapters together. Everything else in those folders is core.
ROOTS = {
    "orch": {"orchestrator", "http_node_transport"},
    "node": {"node_daemon", "machine"},
}

ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "model": BASE,
    "codec": VALUES,
    "sched": VALUES | {"codec"},  # a policy is also JSON
    "liveness": VALUES,
    "lifecycle": VALUES,
    "ports": VALUES,
    "aio": VALUES | {"ports"},
    **dict.fromkeys(ADAPTERS, UP_TO_PORTS),
    "orch": UP_TO_PORTS,
    "node": UP_TO_PORTS,
    "orch root": UP_TO_PORTS | ADAPTERS | {"orch"},
    "node root": UP_TO_PORTS | ADAPTERS | {"node"},
    "orch api": UP_TO_PORTS | {"http", "orch"},
    "node api": UP_TO_PORTS | {"http", "node"},
    "world": UP_TO_PORTS | {"sim", "orch", "node"},
    "agent": set(),
    "logholder": VALUES | {"codec", "logs"},  # a process of its own; shares the log format and the protocol
    "pause": set(),  # its own tiny static executable
}

# Libraries that only some folders may see, so that a change of library stays in one place.
LIBRARIES = {
    r"boost/beast": {"http"},
    r"(grpc|google/protobuf)": {"containerd"},
    r"sqlite3\.h": {"store"},
    r"nftables": {"network"},
    r"pybind11": set(),
    r"boost/asio/experimental/awaitable_operators": set(),  # `||` waits for the first success: no time limit
}
# The decisions and values know nothing of sockets and threads.
PURE = {"base", "model", "codec", *DECISIONS}
PURE_MAY_NOT = re.compile(r"boost/asio|^thread$|^mutex$|sys/|unistd\.h")
PURE_EXCEPTIONS = {
    ("base/task.hpp", "boost/asio/awaitable.hpp"): "names the coroutine type for the ports",
    ("base/log.cpp", "mutex"): "the logger is the one thread-safe singleton",
    ("base/log_writer.cpp", "mutex"): "likewise",
    ("base/log_writer.cpp", "thread"): "nobody waits for a log line",
    ("base/log_writer.cpp", "unistd.h"): "a child of fork() has no such thread",
    ("base/log_file.cpp", "unistd.h"): "a log line is a write",
}
PORT_ASIO = {"boost/asio/awaitable.hpp", "boost/asio/any_io_executor.hpp"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def part_of(name: str) -> str:
    """The row of ALLOWED for a file such as "orch/api/sandboxd_o/routes.cpp"."""
    folder = name.split("/")[0]
    if folder in ROOTS:
        if name.startswith(f"{folder}/api/"):
            return f"{folder} api"
        if Path(name).stem in ROOTS[folder]:
            return f"{folder} root"
    return folder


def _own_include(name: str, target: str) -> str | None:
    """Why this quoted include is not allowed, or None."""
    part, goal = part_of(name), part_of(target)
    folder, target_folder = name.split("/")[0], target.split("/")[0]
    if part not in ALLOWED:
        return f"{folder}/ is in no layer: add it to tests/py/lint/layers.py and docs/ARCHITECTURE.md"
    if target == "agent/protocol.hpp" and folder in ("agent", "guestlink"):
        return None
    if goal.endswith(" api") and part.endswith(" api"):
        mine, theirs = name.split("/"), target.split("/")
        if len(mine) > 3 and len(theirs) > 3 and mine[2] != theirs[2] and theirs[2] not in TRANSPORTS:
            return f"dialect {mine[2]} includes dialect {theirs[2]}: what both need belongs in {folder}/api/ or below"
        return None if folder == target_folder else f"{folder} and {target_folder} never include each other"
    if goal.endswith((" api", " root")) and not part.endswith(" root") and goal != part:
        return f"{target} is part of a composition root; only the root may include it"
    if target_folder == folder and (folder not in ROOTS or goal == folder or part == goal or part.endswith(" root")):
        return None
    if target_folder in ALLOWED[part] and not goal.endswith(" api"):
        return None
    if part.endswith(" root") and goal == f"{folder} api":
        return None
    return f"{part} may not include {target_folder}/ (allowed: {', '.join(sorted(ALLOWED[part])) or 'nothing'})"


def _library_include(name: str, target: str) -> str | None:
    folder = name.split("/")[0]
    for pattern, folders in LIBRARIES.items():
        if re.match(pattern, target) and folder not in folders:
            return f"<{target}> belongs in {' or '.join(sorted(folders)) or 'no folder of src/cpp'} only"
    if folder in PURE and PURE_MAY_NOT.search(target) and (name, target) not in PURE_EXCEPTIONS:
        return f"<{target}>: {folder}/ is pure and knows no sockets, threads or system calls"
    if folder == "ports" and target.startswith("boost/asio") and target not in PORT_ASIO:
        return f"<{target}>: ports name coroutines and executors only"
    return None


def check(root: Path) -> list[Violation]:
    """All includes of src/cpp that the layers do not allow."""
    found = []
    base = root / "src/cpp"
    for path in cpp_files(root, "src/cpp"):
        name, text = relative(base, path), path.read_text()
        for include in INCLUDE.finditer(text):
            own, library = include.group(1), include.group(2)
            # A quoted name without a folder is generated code (the build's own .pb.h files).
            if own and not (base / own.split("/")[0]).is_dir():
                what = None if part_of(name) == "containerd" else f'"{own}" is not below src/cpp: write the folder'
            else:
                what = _own_include(name, own) if own else _library_include(name, library)
            if what:
                found.append(Violation(relative(root, path), line_of(text, include.start()), "layers", what))
    return found
