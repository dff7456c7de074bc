"""From a slider moved to the first picture made with it, in JupyterLab in Chromium, on caffenet-mini. Prints JSON.

Decay is set to 1 in the page while an optimisation runs, so that the next picture is the mean colour, which is shown as
mid-grey all over, and back to 0, after which it is not. The canvas is looked at once an animation frame, so half a frame is
counted as well. Browser, server and kernel share the machine's cores.

    python -m tests.benchmarks.bench_steer [moves]
"""

from __future__ import annotations

import signal
import statistics
import sys

from tests.benchmarks.bench_browser import jupyterlab
from tests.benchmarks.report import machine, show
from tests.browser.optimizer import Optimizer

MOVES = 40
GOAL_MS = 120

MEASURE = """async (moves) => {
    const canvas = document.querySelector(".dv-picture .dv-maps");
    const slider = document.querySelector(".dv-slider[data-name=decay] input[type=range]");
    const flat = () => {
        const { data } = canvas.getContext("2d").getImageData(40, 40, 32, 32);
        return data.every((value, i) => i % 4 === 3 || Math.abs(value - 127.5) < 1);
    };
    const frame = () => new Promise(requestAnimationFrame);
    const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    const times = [];
    for (let move = 0; move < moves; move++) {
        const on = move % 2 === 0;
        await sleep(300 + 37 * (move % 7)); // as no rhythm of steps or pictures
        const start = performance.now();
        slider.value = on ? slider.max : slider.min;
        slider.dispatchEvent(new Event("input"));
        while (flat() !== on) {
            if (performance.now() - start > 5000) throw new Error(`no other picture after move ${move}`);
            await frame();
        }
        times.push(performance.now() - start);
    }
    return times;
}"""


def measure(moves: int, arguments: str) -> dict[str, float]:
    """In a notebook and a kernel of its own."""
    with jupyterlab() as lab:
        optimizer = Optimizer.open(lab, f"steps=1_000_000{arguments}")
        optimizer.wait_steps(50)
        times = optimizer.notebook.page.evaluate(MEASURE, moves)
        rate = optimizer.find(".dv-rate").inner_text()
        lab.close()
    return {
        "median_ms": round(statistics.median(times)),
        "p90_ms": round(statistics.quantiles(times, n=10)[-1]),
        "max_ms": round(max(times)),
        "moves": len(times),
        "steps_per_second": int(rate.partition(" ")[0]),
    }


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server ends too
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else MOVES
    before = machine()
    figures = {"1 seed": measure(moves, ""), "9 seeds": measure(moves, ", seeds=9")}
    show("steer", before, goal_ms=GOAL_MS, network="caffenet-mini, fc8", figures=figures)


if __name__ == "__main__":
    main()
