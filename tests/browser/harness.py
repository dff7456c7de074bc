"""Notebooks in a real browser: opened in a front end, driven as a person drives them, and asked what they show.

Everything here waits for a state of the page, never for a time.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.browser.server import HOST, INSECURE_HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, ViewportSize

    from tests.browser.server import JupyterServer

Camera = Literal["granted", "two", "denied", "absent", "insecure"]
"""What the page finds: a camera it may use (that plays the film), two of them (that show a test pattern), one it may not use,
none at all, or an address where browsers offer no camera."""

FrontEndName = Literal["lab", "notebook", "voila"]

SCREENSHOTS = Path(__file__).parent / "screenshots"
PATIENCE_MS = 90_000  # a kernel that starts and imports torch, on two busy cores
VIEWPORT: ViewportSize = {"width": 1400, "height": 1100}

# What the front ends say of a page without any widget of ours.
NOISE = re.compile(
    "|".join(
        (
            r"Unsatisfied version",  # ipywebrtc's, of the widgets' base; harmless
            r"net::ERR_NAME_NOT_RESOLVED",  # Voila's template asks content networks for fonts and MathJax; the browser may not
            r"@jupyter-notebook/lab-extension",  # Voila tries Notebook's extensions
            r"reading 'schema'\)|'filebrowser:open-path' not registered",  # Notebook 7.6 misses what only JupyterLab has
        )
    )
)

_IDLE = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session;
    return session?.kernel?.status === 'idle';
}"""
_RUN_ALL = """async (patience) => {
    const tooLong = new Promise((_, reject) => setTimeout(() => reject(new Error('the cells are still running')), patience));
    await Promise.race([window.jupyterapp.commands.execute('notebook:run-all-cells'), tooLong]);
    const cells = window.jupyterapp.shell.currentWidget.context.model.toJSON().cells;
    return cells.flatMap((cell) => cell.outputs ?? []).filter((output) => output.output_type === 'error')
        .map((error) => `${error.ename}: ${error.evalue}`);
}"""
# So that a test can ask whether a camera's light is on: every stream that the page was given.
_REMEMBER_STREAMS = """
    window.givenStreams = [];
    const given = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
    if (given) navigator.mediaDevices.getUserMedia = async (constraints) => {
        const stream = await given(constraints);
        window.givenStreams.push(stream);
        return stream;
    };
"""
_RESTART = "() => window.jupyterapp.shell.currentWidget.context.sessionContext.restartKernel()"
_VOILA_KERNEL = "() => JSON.parse(document.getElementById('jupyter-config-data')?.textContent ?? '{}').kernelId"


@dataclass
class Notebook:
    """An open notebook: the browser's page and the kernel behind it."""

    page: Page
    kernel_id: str
    server: JupyterServer
    console: list[tuple[str, str]]
    """Everything the page said, as (kind, text); kind is the console's, or "pageerror"."""

    def run_all(self) -> None:
        """Runs every cell and waits for the end; a cell that fails is an `AssertionError`. Voila has run them already."""
        if errors := self.page.evaluate(_RUN_ALL, PATIENCE_MS):
            raise AssertionError("; ".join(errors))

    def execute(self, code: str) -> str:
        """Runs ``code`` in the kernel, unseen by the page; what it printed. A failure is a `KernelError`."""
        return self.server.execute(self.kernel_id, code)

    def restart(self) -> None:
        """Restarts the kernel, and waits until it is idle."""
        self.page.evaluate(_RESTART)
        self.page.wait_for_function(_IDLE, timeout=PATIENCE_MS)

    def screenshot(self, name: str) -> Path:
        """A picture of the page as it is now, for eyes; no test compares it."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    @property
    def errors(self) -> list[str]:
        """What went wrong in the page, less the front ends' own noise."""
        return [text for kind, text in self.console if kind in {"error", "pageerror"} and not NOISE.search(text)]


@dataclass
class Browsers:
    """One Chromium whose fake camera plays a film, and one without a camera; each started when it is first asked for."""

    chromium: BrowserType
    executable: Path
    film: Path
    _running: dict[str, Browser] = field(default_factory=dict)

    def context(self, camera: Camera) -> BrowserContext:
        """A fresh profile, as private as a new window, in the browser that has such a camera."""
        kind = camera if camera in ("absent", "two") else "film"
        if kind not in self._running:
            self._running[kind] = self.chromium.launch(executable_path=self.executable, args=self._flags(kind))
        # What is not granted is denied: in a headless browser nobody answers the question.
        allowed = ["camera"] if camera in ("granted", "two") else []
        context = self._running[kind].new_context(viewport=VIEWPORT, permissions=allowed)
        context.add_init_script(_REMEMBER_STREAMS)
        return context

    def close(self) -> None:
        """Ends them."""
        for browser in self._running.values():
            browser.close()

    def _flags(self, kind: str) -> list[str]:
        count = {"absent": 0, "two": 2, "film": 1}[kind]
        film = [] if kind != "film" else [f"--use-file-for-fake-video-capture={self.film}"]
        return [
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            f"--use-fake-device-for-media-stream=device-count={count}",
            # Nothing that the page asks for comes from anywhere but the server under test.
            f"--host-resolver-rules=MAP {INSECURE_HOST} {HOST}, MAP * ~NOTFOUND, EXCLUDE {HOST}",
            *film,
        ]


@dataclass
class FrontEnd:
    """One of the server's front ends; what it opens is closed by `close`."""

    name: FrontEndName
    server: JupyterServer
    browsers: Browsers
    opened: list[Notebook] = field(default_factory=list)

    def open(self, cells: Sequence[str], camera: Camera = "granted") -> Notebook:
        """A new notebook of these cells, its kernel idle; not yet run, except that Voila runs what it opens."""
        path = self.server.write_notebook(cells)
        page = self.browsers.context(camera).new_page()
        notebook = Notebook(page, "", self.server, _listen(page))
        self.opened.append(notebook)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(self.server.url(self._address(path), INSECURE_HOST if camera == "insecure" else HOST))
        notebook.kernel_id = self._wait_for_kernel(page, path)
        return notebook

    def close(self) -> None:
        """Closes what was opened and ends its kernels."""
        for notebook in self.opened:
            with contextlib.suppress(Exception):  # a browser that crashed must not keep the kernels alive
                notebook.page.context.close()
        self.server.shut_down_kernels()

    def _address(self, path: str) -> str:
        return {"lab": f"lab/tree/{path}?reset", "notebook": f"notebooks/{path}", "voila": f"voila/render/{path}"}[self.name]

    def _wait_for_kernel(self, page: Page, path: str) -> str:
        if self.name == "voila":
            return str(page.wait_for_function(_VOILA_KERNEL).json_value())
        page.wait_for_function(_IDLE)
        return self.server.kernel_of(path)


def _listen(page: Page) -> list[tuple[str, str]]:
    console: list[tuple[str, str]] = []
    page.on("console", lambda message: console.append((message.type, f"{message.text} ({message.location['url']})")))
    page.on("pageerror", lambda error: console.append(("pageerror", error.stack or str(error))))
    return console
