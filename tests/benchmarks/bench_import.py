"""What `import deepvis_widgets` costs beyond `import torch`. Prints JSON.

Fresh processes in turns; each imports torch, then the package (or nothing), and tells the time of both. The package loads
its rooms when they are first asked for, so what asking for everything costs is shown beside it.

    python -m tests.benchmarks.bench_import [rounds]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from tests.benchmarks.report import machine, show

GOAL_MS = 50
ROUNDS = 11
CODE = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
{}
end = time.perf_counter()
print([(middle - start) * 1e3, (end - middle) * 1e3])
"""
STATEMENTS = {
    "torch": "pass",
    "package": "import deepvis_widgets",
    "every name": "import deepvis_widgets as dv; [getattr(dv, name) for name in dv.__all__]",
}


def times(statement: str) -> tuple[float, float]:
    """Milliseconds that torch took, and that the statement took after it."""
    done = subprocess.run([sys.executable, "-c", CODE.format(statement)], check=True, capture_output=True, text=True)
    torch_ms, after_ms = json.loads(done.stdout)
    return torch_ms, after_ms


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    before = machine()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in STATEMENTS}
    for _ in range(1 + rounds):  # the first round fills the disk's cache
        for name, statement in STATEMENTS.items():
            taken[name].append(times(statement))
    after = {name: statistics.median(pair[1] for pair in pairs[1:]) for name, pairs in taken.items()}
    total = {name: statistics.median(sum(pair) for pair in pairs[1:]) for name, pairs in taken.items()}
    figures = {
        "beyond_torch_ms": round(after["package"] - after["torch"], 2),
        "difference_of_totals_ms": round(total["package"] - total["torch"], 1),  # the same, with torch's own spread in it
        "every_name_ms": round(after["every name"] - after["torch"], 1),
        "torch_ms": round(total["torch"], 1),
    }
    show("import", before, rounds=rounds, goal=f"beyond_torch_ms < {GOAL_MS}", **figures)


if __name__ == "__main__":
    main()
