"""How the original system (sandboxd-o) reads its configuration: JSON by its keys, its environment names, its leniency.

Our own settings are strict, because a typing error in them is a mistake. The original's files and environments are
taken as they are: what it would ignore is ignored (and told in the log), and what it would correct is corrected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._exceptions import ConfigError, InvalidRequestError

_JSON_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "duration": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "list": (list,),
}


class Reading:
    """What a file or an environment of the original says."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, str]] = {}  # our field -> (text, origin)
        self.foreign: list[str] = []  # settings that have nothing to set here
        self.notes: list[str] = []  # what was ignored, one sentence each


def is_original_file(path: Path | None) -> bool:
    """Whether this is a JSON file of the original: by its suffix, or by its first character."""
    if path is None or path.suffix == ".json":
        return path is not None
    try:
        return path.read_text(encoding="utf-8").lstrip().startswith("{")
    except (OSError, UnicodeDecodeError):
        return False


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in the file; empty when there is no such file, as the original has it.

    Raises:
        ConfigError: it cannot be read or is no JSON object, in the original's words.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'read config file "{path}": {error}') from error
    except ValueError as error:
        raise ConfigError(f'parse config file "{path}": {error}') from error
    if not isinstance(data, dict):
        raise ConfigError(f'parse config file "{path}": an object is expected')
    return data


class Interpreter:
    """Reads one role's settings. `native` is the role's configuration class, which knows how values are written."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self._rows = list(native.fields())
        self._foreign: Sequence[tuple[str, str, str]] = native.foreign_settings()

    def file(self, path: Path) -> Reading:
        """Settings of the original's file; letter case of keys does not matter.

        Raises:
            ConfigError: the file is no JSON object, or a value is of the wrong type.
        """
        data, out = read_json(path), Reading()
        if not path.exists():
            out.notes.append(f"{path} is not there: everything has its default")
        rows = {row.original_key: row for row in self._rows if row.original_key}
        foreign = {key: kind for key, _, kind in self._foreign}
        for key, value in data.items():
            name, origin = key.lower(), f"{path}: {key}"
            if name in rows:
                self._check_type(rows[name].kind, value, path, key)
                text = self._text(value)
                if text and self._is_fine(rows[name], text, origin, out):
                    out.values[rows[name].name] = (text, origin)
            elif name in foreign:
                self._check_type(foreign[name], value, path, key)
                out.foreign.append(name)
            else:
                out.notes.append(f"{origin}: nobody knows this setting")
        return out

    def environment(self, environ: Mapping[str, str]) -> Reading:
        """Settings of the original's environment names; blank ones count as absent."""
        out = Reading()
        for row in self._rows:
            text = environ.get(row.original_env, "").strip() if row.original_env else ""
            origin = f"environment {row.original_env}"
            if not text or not self._is_fine(row, text, origin, out):
                continue
            if row.kind == "duration" and self._is_low(row, text):
                out.notes.append(f'{origin}: "{text}" is not longer than 0')
                continue
            out.values[row.name] = (text, origin)
        out.foreign += [name for _, name, _ in self._foreign if name and environ.get(name, "").strip()]
        return out

    def correct(self, given: dict[str, tuple[str, str]], originals: set[str], has_file: bool) -> None:
        """Change values that came from the original (those of `originals`) as it would; add its defaults to a file."""
        rows = {row.name: row for row in self._rows}
        for name in originals & given.keys():
            text, origin = given[name]
            if rows[name].original_low and self._is_low(rows[name], text):
                given[name] = (rows[name].original_low, f"{origin}, corrected")
            elif rows[name].kind == "list":
                given[name] = (text.upper(), origin)  # its lists are names of chains
        if has_file:
            for row in self._rows:
                if row.original_default:
                    given.setdefault(row.name, (row.original_default, "default of sandboxd-o"))
        if "create_burst" in originals and "create_rps" in rows:
            given.setdefault("create_rps", (rows["create_rps"].original_low, "default of sandboxd-o"))
        self._correct_ports(given, originals)
        self._correct_shares(given, originals)

    def _correct_shares(self, given: dict[str, tuple[str, str]], originals: set[str]) -> None:
        """Of the node: percentages that make no sense count as absent."""
        if "max_alloc_percent" in originals and not 1 <= self._number("max_alloc_percent", given) <= 100:
            given["max_alloc_percent"] = ("90", "corrected: it was not between 1 and 100")
        if originals & {"rootfs_ratio_percent", "tmpfs_ratio_percent"}:
            given.setdefault("tmpfs_ratio_percent", ("20", "default of sandboxd-o"))
            root, tmp = self._number("rootfs_ratio_percent", given), self._number("tmpfs_ratio_percent", given)
            if root <= 0 or tmp < 0 or root + tmp != 100:
                given["rootfs_ratio_percent"] = ("80", "corrected: the shares must add up to 100")
                given["tmpfs_ratio_percent"] = ("20", "corrected: the shares must add up to 100")

    def _number(self, name: str, given: dict[str, tuple[str, str]]) -> int:
        native = self._native()
        if name in given:
            native.set(name, given[name][0])
        return int(native.get(name))

    def _correct_ports(self, given: dict[str, tuple[str, str]], originals: set[str]) -> None:
        if not originals & {"host_port_min", "host_port_max"}:
            return
        rows = {row.name: row for row in self._rows}
        low, high = (
            int(given.get(name, (rows[name].default_text, ""))[0]) for name in ("host_port_min", "host_port_max")
        )
        if high < low:
            given["host_port_max"] = (rows["host_port_max"].original_low, "corrected: it was below host_port_min")

    @staticmethod
    def _text(value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return ",".join(map(str, value)) if isinstance(value, list) else str(value).strip()

    def _check_type(self, kind: str, value: object, path: Path, key: str) -> None:
        kinds = _JSON_KINDS[kind]
        if kind == "int" and self._native.__name__ == "NodeConfig":
            kinds = (int, str)  # sizes may be quantities
        fits = isinstance(value, kinds) and (kind == "bool") == isinstance(value, bool)
        if kind == "list" and fits:
            fits = all(isinstance(item, str) for item in value)  # type: ignore[attr-defined]
        if value is not None and not fits:
            raise ConfigError(f'parse config file "{path}": {key}: {kind} is expected, not {type(value).__name__}')

    def _is_fine(self, row: Any, text: str, origin: str, out: Reading) -> bool:
        try:
            self._native().set(row.name, text)
        except InvalidRequestError as error:
            out.notes.append(f"{origin}: {error}")
            return False
        return True

    def _is_low(self, row: Any, text: str) -> bool:
        native = self._native()
        native.set(row.name, text)
        canonical = native.get(row.name)
        if row.kind == "duration":
            return bool(canonical.startswith("-") or canonical == "0s")
        if row.kind == "float":
            return float(canonical) <= 0
        return row.kind == "int" and int(canonical) < 1


__all__ = ["Interpreter", "Reading", "is_original_file", "read_json"]
