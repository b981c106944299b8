"""What nodes answer about the inside of a sandbox, as values."""

from __future__ import annotations

import base64
import os

from sandboxd._guest_models import FileEvent, FileInfo

NAME = b"caf\xe9"  # Latin-1


def test_a_path_that_is_no_text_is_a_path_all_the_same() -> None:
    encoded = base64.b64encode(NAME).decode()
    event = FileEvent.from_json({"change": "created", "path_base64": encoded})
    info = FileInfo.from_json({"path_base64": encoded, "target": "plain"})
    assert os.fsencode(event.path) == os.fsencode(info.path) == NAME
    assert info.target == "plain"
