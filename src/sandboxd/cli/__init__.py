"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nobody answers."""

from __future__ import annotations

import sys
from typing import NoReturn

from .._exceptions import ConnectError, SandboxdError
from . import _output


def main() -> NoReturn:
    """Entry point of `sandboxd` and `python -m sandboxd`."""
    words = sys.argv[1:]
    if words[:1] in (["orch"], ["node"]):  # the original's flags may begin with one dash
        words = ["-" + word if word.split("=")[0] == "-config" else word for word in words]
        from .daemons import app  # and nothing else: a daemon holds what it imports for as long as it runs
    else:
        from ._app import app
    try:
        app(words, prog_name="sandboxd")
    except ConnectError as error:
        _output.fail(str(error))
        sys.exit(_output.CANNOT_CONNECT)
    except SandboxdError as error:
        _output.fail("\n".join([str(error), *getattr(error, "__notes__", [])]))
        sys.exit(_output.FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(_output.FAILED)
    sys.exit(_output.OK)


__all__ = ["app", "main"]
