"""Bytes a second through the reverse proxy, against the same server without it.

    python bench/proxy.py [--rounds 20] [--megabytes 400]

One download or upload at a time over loopback, directly and through the proxy in turn (`proxy_bytes.cpp`, target
`bench_proxy_bytes`); server, proxy and client are threads of one process. Aim: at least half of the direct rate. The
first round is dropped. No root. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import subprocess

from cluster import figures, program, write_results

AIM = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=400)
    words = parser.parse_args()
    command = [str(program("bench_proxy_bytes")), str(words.rounds + 1), str(words.megabytes)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800).stdout.splitlines()
    rounds = [json.loads(line) for line in lines if line.startswith('{"floor')][1:]
    assert all(rate > 0 for one in rounds for rate in one.values()), "a body was cut off"
    results = {}
    for way in ("", "_up"):
        floor, ours = ([one[f"{whose}{way}_mb_s"] for one in rounds] for whose in ("floor", "ours"))
        results[f"floor{way}_mb_s"] = figures(floor, 0)
        results[f"ours{way}_mb_s"] = figures(ours, 0)
        results[f"ratio{way}"] = figures([one / other for one, other in zip(ours, floor, strict=True)], 2)
    print(json.dumps(results, indent=1))
    print(f"aim: at least {AIM} of the floor; medians {results['ratio']['p50']} and up {results['ratio_up']['p50']}")
    write_results("proxy", results)


if __name__ == "__main__":
    main()
