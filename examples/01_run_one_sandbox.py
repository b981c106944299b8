"""Run one sandbox, fetch the page that it serves, show what it wrote.

Needs a platform: `sandboxd up`, and the local image of ./quickstart (or any image that serves on port 8000).

    python examples/01_run_one_sandbox.py [IMAGE]
"""

from __future__ import annotations

import sys
import time

import httpx

from sandboxd import Probe, Sandbox, SandboxFailedError


def main() -> int:
    image = sys.argv[1] if len(sys.argv) > 1 else "sandboxd.local/hello:latest"
    began = time.monotonic()
    # Deleted at the end of the block; `lifetime` is the safety net when this script is killed before that.
    with Sandbox.create(image, ports=[8000], memory="64Mi", lifetime=300, probe=Probe.http(8000)) as sandbox:
        print(f"{sandbox.id} is accepted after {time.monotonic() - began:.3f} s")
        try:
            sandbox.wait_running(timeout=60)
        except SandboxFailedError as error:
            print(error, file=sys.stderr)  # has the server's reason and the end of the output
            return 1
        print(f"running after {time.monotonic() - began:.3f} s at {sandbox.url(8000)}")
        print(httpx.get(sandbox.url(8000), trust_env=False).text.strip())
        for line in sandbox.logs():
            print(f"  {line.stream}: {line.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
