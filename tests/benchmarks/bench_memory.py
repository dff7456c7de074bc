"""What the kernel keeps: how its memory grows over 5,000 camera frames after the first 500. Prints JSON.

The whole kernel chain of `DeepVis()`, from the browser's message to the maps and the acknowledgement; the next frame is sent
when one is acknowledged, so that none is dropped. What would go to the browser is; Jupyter's own part is not measured.

    python -m tests.benchmarks.bench_memory [frames [warm-up]]
"""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import deepvis_widgets as dv
from tests.benchmarks.report import machine, show

FRAMES = 5000
WARM_UP = 500
SAMPLES = 10
GOAL_MB = 10
PATIENCE_S = 60.0


class Browser:
    """Stands in for the page: sends frames, counts what comes back, and keeps none of it."""

    def __init__(self, toolbox: dv.DeepVis) -> None:
        self.pump, (height, width) = toolbox.pump, toolbox.pump.size
        self.header = {"kind": "frame", "captured": 0.0, "dropped": 0, "width": width, "height": height, "held": False}
        self.sent = self.shown = 0
        self._answers = threading.Semaphore(0)
        toolbox.pump.send, toolbox.grid.send, toolbox.predictions.send = self._acknowledged, self._maps, drop

    def play(self, frames: int) -> None:
        """Send that many frames, each another, and wait for the answer to each."""
        for _ in range(frames):
            pixels = memoryview(os.urandom(self.header["width"] * self.header["height"] * 4))
            self.pump._receive(self.pump, {**self.header, "sequence": self.sent}, [pixels])
            if not self._answers.acquire(timeout=PATIENCE_S):
                raise RuntimeError(f"no answer to frame {self.sent}: {self.pump.details}")
            self.sent += 1

    def _acknowledged(self, content: dict[str, Any], buffers: Any = None) -> None:
        if content["kind"] == "ack":
            self._answers.release()

    def _maps(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.shown += content["kind"] == "maps"


def drop(content: dict[str, Any], buffers: Any = None) -> None:
    """What `send` does here."""


def rss_mb() -> float:
    """The memory of this process, in megabytes (10^6 bytes)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES
    warm_up = int(sys.argv[2]) if len(sys.argv) > 2 else WARM_UP
    before, toolbox = machine(), dv.DeepVis()
    browser = Browser(toolbox)
    browser.play(warm_up)
    samples = [rss_mb()]
    for part in range(SAMPLES):
        browser.play(frames * (part + 1) // SAMPLES - frames * part // SAMPLES)
        samples.append(rss_mb())
    if browser.shown != warm_up + frames:
        raise RuntimeError(f"{browser.shown} of {warm_up + frames} frames were shown: {toolbox.pump.details}")
    about = {"network": toolbox.pipeline.model.name, "layer": toolbox.layer, "frames": frames, "warm_up": warm_up}
    growth = {"growth_mb": round(samples[-1] - samples[0], 2), "peak_growth_mb": round(max(samples) - samples[0], 2)}
    show("memory", before, **about, goal=f"growth_mb < {GOAL_MB}", **growth, rss_mb=[round(sample, 1) for sample in samples])
    toolbox.close()


if __name__ == "__main__":
    main()
