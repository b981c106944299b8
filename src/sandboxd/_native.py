"""The way to the native module: imported when first needed, with a message that helps when it cannot be."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from ._exceptions import NativeModuleError


def core() -> ModuleType:
    """Import sandboxd._core.

    Raises:
        NativeModuleError: it was not built, or one of its libraries is missing.
    """
    try:
        return importlib.import_module("sandboxd._core")
    except ImportError as error:
        raise NativeModuleError(_explain(error)) from error


def _explain(error: ImportError) -> str:
    package = Path(__file__).parent
    if any(package.glob("_core.*.so")):
        return (
            f"sandboxd's native module does not load: {error}. A shared library is missing or was upgraded: run "
            "./quickstart (or pip install . again) in the source folder."
        )
    return (
        "sandboxd's native module (sandboxd._core) is not built in this installation. The client works without it; "
        "for the daemons, the scheduler and the simulator run pip install . in the source folder, and import from "
        f"outside src/ ({package} was imported)."
    )


def helper_dir() -> Path:
    """Where the helper executables of the package are."""
    return Path(str(core().__file__)).with_name("_bin")


__all__ = ["core", "helper_dir"]
