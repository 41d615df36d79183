"""`scripts/bench [NAME…]`: run benchmarks, print each one's figures as a line of JSON."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """The names given, or all; exit code 1 where a goal was missed.

    `held` of one is None where something that it compares with is not here: not missed, nor held.
    """
    known = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    if unknown := set(names) - set(known):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    held = True
    for name in names or known:
        started_s = time.perf_counter()
        figures = import_module(f"scripts.benchmarks.{name}").main()
        figures["took_s"] = round(time.perf_counter() - started_s, 1)
        held = held and figures["held"] is not False
        print(json.dumps({"benchmark": name, **figures}), flush=True)
    return 0 if held else 1


sys.exit(main(sys.argv[1:]))
