"""Shared by all Python tests: the helpers in support/ and lint/ become importable."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

# A shell that starts the tests in the background hands an ignored Ctrl-C down to every process that they start. The
# tests send that signal themselves, so they put the default back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
