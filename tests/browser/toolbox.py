"""DeepVis in a page: what a test does to it and reads off it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Locator

    from tests.browser.harness import FrontEnd, Notebook

CELL = "import deepvis_widgets as dv\nd = dv.DeepVis()\nd"

_PIXELS = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
    return [canvas.height, canvas.width, btoa(text)];
}"""
_STATE = """
import base64, json
heatmaps = d.grid._last[0]
colours = d.grid.palettes[d.grid.signed_colormap if heatmaps.signed else d.grid.colormap]
pack = lambda data: base64.b64encode(bytes(data)).decode()
print(json.dumps({
    "shape": heatmaps.maps.shape, "maps": pack(heatmaps.maps.tobytes()), "low": heatmaps.low, "high": heatmaps.high,
    "signed": heatmaps.signed, "unit": d.grid.unit, "sequence": d._frame.sequence, "frame": d._frame.pixels.shape,
    "pixels": pack(d._frame.pixels.tobytes()), "palette": pack(colours),
}))
"""


@dataclass
class Toolbox:
    """One view of a `DeepVis` called ``d`` in the notebook's kernel."""

    notebook: Notebook

    @classmethod
    def open(cls, front_end: FrontEnd, *cells: str, camera: Any = "granted") -> Toolbox:
        """Open a notebook of the cells (else one that shows the bundled network) and run it."""
        notebook = front_end.open(cells or [CELL], camera=camera)
        if front_end.name != "voila":
            notebook.run_all()
        toolbox = cls(notebook)
        toolbox.wait("document.querySelector('.dv-maps')?.width > 1")
        return toolbox

    def wait(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript expression (or function of the argument) is true."""
        self.notebook.page.wait_for_function(condition, arg=argument)

    def wait_kernel(self, expression: str) -> None:
        """Wait until a Python expression is true in the kernel, which hears of everything a moment after the page."""
        while self.notebook.execute(f"print(bool({expression}))").strip() != "True":
            self.notebook.page.evaluate("new Promise(requestAnimationFrame)")

    def find(self, selector: str) -> Locator:
        """The first such element."""
        return self.notebook.page.locator(selector).first

    def press(self, label: str) -> None:
        """Press the button with that text."""
        self.notebook.page.get_by_role("button", name=label).first.click()

    def start(self, frames: int = 5) -> None:
        """Open the camera, and wait until some frames of it are on the canvas."""
        self.press("● Camera")
        self.wait("document.querySelector('.dv-pump').dataset.state === 'live'")
        self.wait_frames(frames)

    def wait_frames(self, more: int = 5) -> None:
        """Wait until that many more frames of the stream have been painted."""
        now = self.sequence
        self.wait(f"Number(document.querySelector('.dv-grid').dataset.sequence) >= {now + more}")

    @property
    def sequence(self) -> int:
        """The number of the frame on the canvas."""
        return int(self.find(".dv-grid").get_attribute("data-sequence") or 0)

    @property
    def message(self) -> str:
        """What the widget says went wrong."""
        return self.find(".dv-message > span").inner_text()

    def wait_message(self, words: str) -> None:
        """Wait for a message that contains the words."""
        self.wait("(words) => document.querySelector('.dv-message').textContent.includes(words)", words)

    def freeze(self) -> None:
        """Hold the present frame, and wait until its maps are on the canvas."""
        self.press("❄ Freeze")
        self.wait("document.querySelector('.dv-pump').dataset.state === 'frozen'")
        # The held frame is the last one sent; it comes to the kernel after the word that the stream is frozen.
        self.wait_kernel("d.pump.frozen and d.grid._still['sequence'] == d._frame.sequence")
        kept = int(self.notebook.execute("print(d._frame.sequence)"))
        self.wait("(kept) => document.querySelector('.dv-grid').dataset.sequence === String(kept)", kept)

    def canvas(self, selector: str = ".dv-maps") -> NDArray[np.uint8]:
        """The pixels of a canvas, (H, W, 4)."""
        height, width, text = self.find(selector).evaluate(_PIXELS)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)

    def tiles(self) -> NDArray[np.uint8]:
        """The maps as the canvas shows them, (units, h, w, 3)."""
        kernel = self.kernel()
        units, height, width = kernel["shape"]
        canvas = self.canvas()[..., :3]
        rows, columns = canvas.shape[0] // height, canvas.shape[1] // width
        return canvas.reshape(rows, height, columns, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)[:units]

    def kernel(self) -> dict[str, Any]:
        """What the kernel has shown last: ``maps`` (units, h, w), ``pixels`` of the frame, ``palette`` (256, 3), and more."""
        state = json.loads(self.notebook.execute(_STATE))
        for name, shape in (("maps", state["shape"]), ("pixels", state["frame"]), ("palette", (256, 3))):
            state[name] = np.frombuffer(base64.b64decode(state[name]), np.uint8).reshape(shape)
        return dict(state)

    def tracks(self) -> list[str]:
        """The state of every camera track that the page was ever given: "live" (the light is on) or "ended"."""
        return list(
            self.notebook.page.evaluate("givenStreams.flatMap((stream) => stream.getTracks().map((track) => track.readyState))")
        )

    def wait_tracks_ended(self) -> None:
        """Wait until no camera is on."""
        tracks = "givenStreams.flatMap((stream) => stream.getTracks())"
        self.wait(f"givenStreams.length && {tracks}.every((track) => track.readyState === 'ended')")
