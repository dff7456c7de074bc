"""What a person sees: JupyterLab in Chromium with a 30-fps camera, and the maps on the canvas. Prints JSON.

Counted from outside, one look per animation frame: how often another camera frame was on the canvas. The latency, from
camera frame to pixels, is what the widget's status line says of its last 30 frames, sampled at each look, median.
Browser, server and kernel share the machine's cores. Playwright opens the notebook and lets go of the browser while the
page counts: it would write down every frame that passes the websocket, which takes a tenth of the machine.

    python -m tests.benchmarks.bench_browser [seconds a network]
"""

from __future__ import annotations

import contextlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from playwright.sync_api import sync_playwright

from tests.benchmarks.report import SHARED, machine, show, squeezenet_weights, weights_note
from tests.browser.camera import make_film
from tests.browser.find_browser import find_browser
from tests.browser.harness import VIEWPORT, Browsers, Camera, FrontEnd
from tests.browser.server import HOST, serve
from tests.browser.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

SECONDS = 10.0
WARM_UP = 60  # frames
LISTENING = re.compile(r"DevTools listening on ws://[^:]+:(\d+)/")
STATUS = re.compile(r"(\d+) fps · (\d+) ms · (\d+) dropped")
GOALS = {"caffenet-mini": {"fps": 28, "latency_ms": 70}, "squeezenet1_0": {"fps": 25, "latency_ms": 90}}

WATCH = """(milliseconds) => {
    const [grid, status] = [document.querySelector(".dv-grid"), document.querySelector(".dv-status")];
    const count = async () => {
        const [start, said] = [performance.now(), []];
        let [last, shown, looks, now] = [grid.dataset.sequence, 0, 0, start];
        while (now - start < milliseconds) {
            await new Promise(requestAnimationFrame);
            now = performance.now();
            looks += 1;
            if (grid.dataset.sequence !== last) shown += 1;
            last = grid.dataset.sequence;
            said.push(status.textContent);
        }
        return { shown, looks, seconds: (now - start) / 1000, said };
    };
    window.watched = count();
}"""


@dataclass
class OwnBrowser(Browsers):
    """A Chromium that runs on when playwright lets go of it."""

    port: int = 0

    def context(self, camera: Camera) -> BrowserContext:
        """Its only profile; the one camera it has is granted to every page."""
        if camera != "granted":
            raise ValueError(f"this browser's camera is granted, not {camera}")
        return self.connect().contexts[0]

    def connect(self) -> Browser:
        """Take hold of it; closing what this returns lets go, and ends nothing."""
        return self.chromium.connect_over_cdp(f"http://{HOST}:{self.port}")

    @contextlib.contextmanager
    def running(self, profile: Path) -> Iterator[OwnBrowser]:
        """Start it, and end it at the end."""
        wide, high = VIEWPORT["width"], VIEWPORT["height"]
        own = ["--headless=new", "--no-sandbox", "--use-fake-ui-for-media-stream", f"--window-size={wide},{high}"]
        own += ["--remote-debugging-port=0", f"--user-data-dir={profile}", *self._flags("film"), "about:blank"]
        with subprocess.Popen([self.executable, *own], stderr=subprocess.PIPE, text=True) as process:
            try:
                said = iter(process.stderr or [])
                self.port = next(int(found[1]) for found in map(LISTENING.search, said) if found)
                yield self
            finally:
                process.terminate()


@contextlib.contextmanager
def jupyterlab() -> Iterator[FrontEnd]:
    """A server and a browser of their own, ended at the end."""
    video = SHARED / "data" / "video" / "big-buck-bunny.mp4"
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        film = make_film(home / "film.mjpeg", video if video.is_file() else None)
        server = stack.enter_context(serve(home))
        chromium = stack.enter_context(sync_playwright()).chromium
        browsers = stack.enter_context(OwnBrowser(chromium, find_browser(), film).running(home / "profile"))
        yield FrontEnd("lab", server, browsers)


def measure(lab: FrontEnd, network: str, layer: str, seconds: float) -> dict[str, Any]:
    """The figures of one network, in a notebook and a kernel of its own."""
    lab.opened.clear()
    try:
        toolbox = Toolbox.open(lab, f"import deepvis_widgets as dv\nd = dv.DeepVis({network}layer={layer!r})\nd")
        toolbox.start(frames=WARM_UP)
        watched = watch(lab, toolbox, seconds)
    finally:
        lab.close()
    return figures(watched)


def watch(lab: FrontEnd, toolbox: Toolbox, seconds: float) -> dict[str, Any]:
    """What the page counted while nobody looked over its shoulder."""
    page = toolbox.notebook.page
    url, browsers = page.url, cast("OwnBrowser", lab.browsers)
    page.evaluate(WATCH, seconds * 1000)
    cast("Browser", page.context.browser).close()
    time.sleep(seconds)
    toolbox.notebook.page = next(page for page in browsers.connect().contexts[0].pages if page.url == url)
    watched: dict[str, Any] = toolbox.notebook.page.evaluate("window.watched")
    if toolbox.notebook.errors or toolbox.message:
        raise RuntimeError(f"{toolbox.message} {toolbox.notebook.errors}")
    return watched


def figures(watched: dict[str, Any]) -> dict[str, Any]:
    said = [tuple(map(int, match.groups())) for match in map(STATUS.search, watched["said"]) if match]
    if not said:
        raise RuntimeError(f"the status line said nothing; {watched['shown']} frames were shown")
    return {
        "fps": round(watched["shown"] / watched["seconds"], 1),
        "latency_ms": statistics.median(latency for _, latency, _ in said),
        "dropped": said[-1][2] - said[0][2],
        "shown": watched["shown"],
        "seconds": round(watched["seconds"], 2),
        "looks_per_second": round(watched["looks"] / watched["seconds"], 1),
    }


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server ends too
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    before, weights = machine(), squeezenet_weights()
    with jupyterlab() as lab:
        mini = measure(lab, "", "conv5", seconds)
        squeezenet = measure(lab, f"dv.load('squeezenet1_0', weights={weights!r}), ", "features.12", seconds)
    shown = {"caffenet-mini, conv5": mini, "squeezenet1_0, features.12": squeezenet}
    show("browser", before, weights=weights_note(weights), goals=GOALS, figures=shown)


if __name__ == "__main__":
    main()
