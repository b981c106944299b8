"""A minute in the life of a cluster whose parts keep breaking, in a second of computing, the same every time.

python examples/03_simulate_a_cluster.py [SEED]
"""

from __future__ import annotations

import sys

from sandboxd.sim import World


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    world = World(seed)
    world.run_for(60)
    world.settle()
    for name, count in world.stats.items():
        print(f"{name:>22} {count}")
    problems = world.check()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"seed {seed}: {'all invariants held' if not problems else 'broken'}, trace {world.trace_hash():016x}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
