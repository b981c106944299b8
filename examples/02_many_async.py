"""Start many sandboxes at once with asyncio, let each compute something, collect what they wrote.

python examples/02_many_async.py [COUNT] [IMAGE]
"""

from __future__ import annotations

import asyncio
import sys
import time

from sandboxd import AsyncClient, AsyncSandbox, SandboxFailedError


async def compute(client: AsyncClient, image: str, number: int) -> str:
    """One sandbox: prints a square and waits; its output is the result."""
    command = ["/bin/sh", "-c", f"echo $(({number} * {number})); sleep 3600"]
    sandbox = await AsyncSandbox.create(image, command=command, cpu="10m", memory="32Mi", lifetime=300, client=client)
    async with sandbox:
        await sandbox.wait_running(timeout=120)
        while not (lines := await sandbox.logs()):
            await asyncio.sleep(0.05)
        return lines[0].text


async def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    image = sys.argv[2] if len(sys.argv) > 2 else "sandboxd.local/hello:latest"
    began = time.monotonic()
    async with AsyncClient() as client:
        results = await asyncio.gather(
            *(compute(client, image, number) for number in range(count)), return_exceptions=True
        )
    failed = 0
    for number, result in enumerate(results):
        if isinstance(result, SandboxFailedError):
            failed += 1
            print(f"{number}: {result}", file=sys.stderr)
        elif isinstance(result, BaseException):
            raise result
        else:
            print(f"{number} squared is {result}")
    print(f"{count} sandboxes in {time.monotonic() - began:.2f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
