"""Loading of daemon configuration. Nothing else in the package reads SANDBOXD_* for the daemons.

    flag or argument  >  environment  >  file  >  default of the C++ table

Environment: SANDBOXD_<ROLE>_<FIELD> for one role, SANDBOXD_<FIELD> for every role that has the field, then the original
system's own name. Files: our TOML (keys at the top are for every role that has the field, [orch] and [node] for one),
or an original system's JSON file by its own keys (_original.py). Empty environment variables count as absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from ._exceptions import ConfigError, InvalidRequestError
from ._native import core
from ._original import Interpreter, Reading, is_original_file

Role = Literal["orch", "node"]
ROLES: tuple[Role, ...] = ("orch", "node")


class Field(Protocol):
    """A row of the C++ table."""

    name: str
    kind: str
    default_text: str
    description: str
    original_key: str
    original_env: str
    is_secret: bool
    is_reloadable: bool
    original_low: str


class NativeConfig(Protocol):
    """What the native configuration classes offer."""

    def set(self, name: str, text: str) -> None: ...
    def get(self, name: str) -> str: ...
    def validate(self) -> list[str]: ...


def native_class(role: Role) -> Any:
    return core().OrchConfig if role == "orch" else core().NodeConfig


def fields(role: Role) -> Sequence[Field]:
    """The table of a role's fields."""
    rows: Sequence[Field] = native_class(role).fields()
    return rows


class Setting(NamedTuple):
    """One effective value and where it came from. `shown` masks secrets."""

    field: Field
    text: str
    origin: str

    @property
    def shown(self) -> str:
        return "***" if self.field.is_secret and self.text else self.text


class Loaded(NamedTuple):
    """A checked configuration with the origin of every value."""

    role: Role
    native: Any
    settings: tuple[Setting, ...]
    is_original: bool = False  # the original's file was given: its rules of starting hold
    foreign: tuple[str, ...] = ()  # settings of the original that have nothing to set here
    notes: tuple[str, ...] = ()  # what else of the original's was ignored, one sentence each

    def get(self, name: str) -> str:
        return str(self.native.get(name))

    def origin(self, name: str) -> str:
        return next(setting.origin for setting in self.settings if setting.field.name == name)


def to_text(value: object, where: str) -> str:
    """A TOML or JSON value as the text that the C++ side parses.

    Raises:
        ConfigError: a table, or a list of something else than strings and numbers.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ",".join(str(item) for item in value)
    raise ConfigError(f"{where}: expected text, a number, true/false or a list of them")


def read_file(path: Path) -> Mapping[str, Any]:
    """Read one of our configuration files (TOML).

    Raises:
        ConfigError: it cannot be read or parsed.
    """
    import tomllib  # here and below: most daemons never need it, and what is imported is held

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read configuration file "{path}": {error}') from error
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f'cannot parse configuration file "{path}": {error}') from error


def _unknown(name: str, known: Iterable[str], where: str) -> ConfigError:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `sandboxd config` lists the known ones"
    return ConfigError(f"{where}: unknown setting {name}{hint}")


def _from_file(role: Role, data: Mapping[str, Any], path: Path) -> dict[str, tuple[str, str]]:
    rows = fields(role)
    names = {row.name for row in rows}
    everywhere = {row.name for other in ROLES for row in fields(other)}
    out: dict[str, tuple[str, str]] = {}
    for key, value in data.items():
        if key in ROLES and isinstance(value, Mapping):
            continue
        if key not in everywhere:
            raise _unknown(key, everywhere, str(path))
        if key in names:
            out[key] = (to_text(value, f"{path}: {key}"), f"{path}: {key}")
    for key, value in (data.get(role) or {}).items():
        if key not in names:
            raise _unknown(key, names, f"{path}: [{role}]")
        out[key] = (to_text(value, f"{path}: [{role}] {key}"), f"{path}: [{role}] {key}")
    return out


def _from_environment(role: Role, environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    out: dict[str, tuple[str, str]] = {}
    for row in fields(role):
        upper = row.name.upper()
        for name in (f"SANDBOXD_{role.upper()}_{upper}", f"SANDBOXD_{upper}"):
            text = environ.get(name, "").strip()
            if text:
                out[row.name] = (text, f"environment {name}")
                break
    return out


def _policy_file(path: Path, origin: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read scheduling policy "{path}" (from {origin}): {error}') from error


def load(
    role: Role,
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, str | None] | None = None,
) -> Loaded:
    """Load, check and return a role's configuration.

    Args:
        file: TOML, or an original system's JSON; None means no file.
        arguments: field name -> text; None values count as absent.

    Raises:
        ConfigError: unknown settings, malformed values, or what validate() found; all problems at once.
    """
    rows = fields(role)
    given, originals, readings = _gather(role, file, os.environ if environ is None else environ)
    names = {row.name for row in rows}
    for name, text in (arguments or {}).items():
        if name not in names:
            raise _unknown(name, names, role)
        if text is not None:
            given[name] = (text, "argument")
            originals.discard(name)
    is_original = is_original_file(file)
    Interpreter(native_class(role)).correct(given, originals, is_original)
    native = native_class(role)()
    problems = []
    for name, (text, origin) in given.items():
        if name == "scheduler_policy" and text.startswith("@"):
            text = _policy_file(Path(text[1:]), origin)
        try:
            native.set(name, text)
        except InvalidRequestError as error:
            problems.append(f"{error} (from {origin})")
    problems += native.validate()
    if problems:
        raise ConfigError(f"the configuration of {role} is wrong:" + "".join(f"\n  {problem}" for problem in problems))
    settings = (Setting(row, native.get(row.name), given.get(row.name, ("", "default"))[1]) for row in rows)
    foreign = (name for reading in readings for name in reading.foreign)
    notes = (note for reading in readings for note in reading.notes)
    return Loaded(role, native, tuple(settings), is_original, tuple(foreign), tuple(notes))


def _gather(
    role: Role, file: Path | None, environ: Mapping[str, str]
) -> tuple[dict[str, tuple[str, str]], set[str], list[Reading]]:
    """File and environment: values, the fields whose value is the original's, and what its readings said."""
    interpreter, readings = Interpreter(native_class(role)), []
    given: dict[str, tuple[str, str]] = {}
    originals: set[str] = set()
    if file is not None and is_original_file(file):
        readings.append(interpreter.file(file))
    elif file is not None:
        given |= _from_file(role, read_file(file), file)
    readings.append(interpreter.environment(environ))
    for reading in readings:
        given |= reading.values
        originals |= reading.values.keys()
    own = _from_environment(role, environ)
    return given | own, originals - own.keys(), readings


def is_loopback(listen: str) -> bool:
    """Whether ADDRESS:PORT is reachable from this machine only. Without an address it is every address."""
    host = listen.rpartition(":")[0].strip("[]")
    return host == "localhost" or host == "::1" or host.startswith("127.")


def check_exposure(loaded: Loaded) -> None:
    """Refuse to serve other machines without a token. With the original's file, refuse to serve anybody without one.

    Raises:
        ConfigError: the listener is not loopback and there is no token.
    """
    listen = loaded.get("listen")
    if loaded.is_original and not loaded.get("token").strip():
        name = "orchestrator" if loaded.role == "orch" else "sbxlet"
        raise ConfigError(
            f"{name} refuses to start: shared_secret is not configured (set shared_secret in config or "
            "SBX_SHARED_SECRET)"
        )
    has_key = loaded.role == "orch" and bool(loaded.get("api_key"))
    if not loaded.get("token") and not has_key and not is_loopback(listen):
        raise ConfigError(
            f'{loaded.role} refuses to listen on "{listen}" without a token: anybody who reaches it could run code as '
            "root here. Set token (SANDBOXD_TOKEN, or token in the file), or listen on 127.0.0.1."
        )


def parse_flags(role: Role, words: Sequence[str]) -> dict[str, str]:
    """Parse `--field-name value` and `--field-name=value`, generated from the table of fields.

    Raises:
        ConfigError: an unknown flag, or one without a value.
    """
    flags = {"--" + row.name.replace("_", "-"): row for row in fields(role)}
    out: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, equals, text = word.partition("=")
        row = flags.get(flag)
        if row is None:
            raise _unknown(word, flags, role)
        if not equals:
            if row.kind == "bool" and (not rest or rest[0].startswith("--")):
                text = "true"
            elif not rest:
                raise ConfigError(f"{role}: {flag} needs a value ({row.kind})")
            else:
                text = rest.pop(0)
        out[row.name] = text
    return out


__all__ = [
    "ROLES",
    "Field",
    "Loaded",
    "Role",
    "Setting",
    "check_exposure",
    "fields",
    "is_loopback",
    "is_original_file",
    "load",
    "parse_flags",
    "read_file",
    "to_text",
]
