"""What the benchmarks share: the machine they ran on, the weights they run with, and how they print."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[3] / "shared"
SQUEEZENET = "squeezenet1_0-b66bff10.pth"


def machine() -> dict[str, Any]:
    """What the figures depend on; the load average, because a busy machine spoils them."""
    return {
        "torch": version("torch"),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": cpu_model(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def cpu_model() -> str:
    """As Linux names it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def squeezenet_weights() -> str | None:
    """The weights to load squeezenet1_0 with: torchvision's where the file is in ``TORCH_HOME``, else None, for random ones.

    ``TORCH_HOME`` is ``../shared/torch_home`` unless set, and absolute afterwards, for processes that start elsewhere.
    """
    home = Path(os.environ.get("TORCH_HOME", SHARED / "torch_home")).resolve()
    os.environ["TORCH_HOME"] = str(home)
    return "IMAGENET1K_V1" if (home / "hub" / "checkpoints" / SQUEEZENET).is_file() else None


def weights_note(weights: str | None) -> str:
    """What the report says of them."""
    return weights or f"none (random values): {SQUEEZENET} is not in {os.environ['TORCH_HOME']}"


def show(name: str, before: dict[str, Any], **figures: Any) -> None:
    """Print the one JSON object; ``before`` is `machine` as it was before the measurement."""
    print(json.dumps({"benchmark": name, **before, **figures}, indent=1, ensure_ascii=False))
