"""One server and one browser for all the browser tests; a fresh profile and a fresh kernel for each."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.browser.camera import make_film
from tests.browser.find_browser import NoBrowserError, find_browser
from tests.browser.harness import Browsers, FrontEnd, FrontEndName
from tests.browser.server import JupyterServer, serve

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HERE = Path(__file__).parent


def pytest_configure() -> None:
    """A test run that is told to end still ends its server: by default Python would die without any teardown."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("told to end (SIGTERM)", returncode=128 + signal.SIGTERM))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a browser test, and says so."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with serve(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="session")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    video = HERE.parents[2] / "shared" / "data" / "video" / "big-buck-bunny.mp4"
    return make_film(tmp_path_factory.mktemp("camera") / "film.mjpeg", video if video.is_file() else None)


@pytest.fixture(scope="session")
def _playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browsers(_playwright: Playwright, camera_film: Path) -> Iterator[Browsers]:
    try:
        executable = find_browser()
    except NoBrowserError as error:
        pytest.fail(f"no browser for the browser tests ({error}); `bash tests/run` gets one", pytrace=False)
    running = Browsers(_playwright.chromium, executable, camera_film)
    yield running
    running.close()


@pytest.fixture
def lab(server: JupyterServer, browsers: Browsers) -> Iterator[FrontEnd]:
    """JupyterLab 4."""
    yield from _front_end("lab", server, browsers)


@pytest.fixture
def notebook7(server: JupyterServer, browsers: Browsers) -> Iterator[FrontEnd]:
    """Notebook 7."""
    yield from _front_end("notebook", server, browsers)


@pytest.fixture
def voila(server: JupyterServer, browsers: Browsers) -> Iterator[FrontEnd]:
    """Voila, which runs a notebook and shows its outputs alone."""
    yield from _front_end("voila", server, browsers)


@pytest.fixture(params=["lab", "notebook", "voila"])
def front_end(request: pytest.FixtureRequest, server: JupyterServer, browsers: Browsers) -> Iterator[FrontEnd]:
    """Each of the three in turn."""
    yield from _front_end(request.param, server, browsers)


def _front_end(name: FrontEndName, server: JupyterServer, browsers: Browsers) -> Iterator[FrontEnd]:
    front_end = FrontEnd(name, server, browsers)
    try:
        yield front_end
    finally:
        front_end.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A browser test that fails leaves a picture of each open page, and tells what the pages complained of."""
    report = yield
    if report.when == "call" and report.failed:
        for front_end in (value for value in item.funcargs.values() if isinstance(value, FrontEnd)):
            for index, notebook in enumerate(front_end.opened):
                picture = notebook.screenshot(f"failed-{item.name}-{index}")
                report.sections.append((f"page shown in {picture.name}", "\n".join(notebook.errors) or "no errors"))
    return report
