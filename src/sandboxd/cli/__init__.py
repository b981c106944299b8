"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nobody answers."""

from __future__ import annotations

import sys
from typing import NoReturn

from .._exceptions import ConnectError, SandboxdError


def main() -> NoReturn:
    """Entry point of `sandboxd` and `python -m sandboxd`."""
    words = sys.argv[1:]
    try:
        if words[:1] in (["orch"], ["node"]) and "--help" not in words:
            # Without the libraries of the other commands: they would stay in memory for as long as the daemon runs.
            from .._daemon_process import run_words

            run_words("orch" if words[0] == "orch" else "node", words[1:])
        else:
            from ._app import app

            app(words, prog_name="sandboxd")
    except ConnectError as error:
        _fail(error, 3)
    except SandboxdError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(0)


def _fail(error: SandboxdError, code: int) -> NoReturn:
    from . import _output

    _output.fail("\n".join([str(error), *getattr(error, "__notes__", [])]))
    sys.exit(code)


__all__ = ["main"]
