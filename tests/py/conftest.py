"""Shared by all Python tests: the helpers in support/ and lint/ become importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
