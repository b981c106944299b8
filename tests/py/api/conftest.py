"""One control plane a module, with a node that runs one sandbox."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from api.plane import TOKEN, Plane
from support import stock_node


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    """One for a module, with the node "n" and the sandbox "s" on it, and a spare node that nobody has registered."""
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="sbxa-"))
        stack.callback(shutil.rmtree, root)
        node, spare = stack.enter_context(stock_node.running()), stack.enter_context(stock_node.running())
        node.secret = spare.secret = TOKEN
        made = Plane(root)
        stack.callback(made.process.kill)
        made.register(node, "n")
        made.create("s")
        made.spare_port = spare.port
        yield made
        made.stop()
