"""One Jupyter server that serves JupyterLab, Notebook 7 and Voila, as they are installed here, and nothing of the user's."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.browser import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HOST = "127.0.0.1"
INSECURE_HOST = "insecure.test"  # the browser resolves it to HOST; a page there is not a secure context
START_S = 90.0
STOP_S = 15.0


@dataclass(frozen=True)
class JupyterServer:
    """A running server: where it listens, its token, the folder that it serves."""

    port: int
    token: str
    folder: Path

    def url(self, path: str, host: str = HOST) -> str:
        """The address of ``path``, with what it takes to be let in."""
        return f"http://{host}:{self.port}/{path}{'&' if '?' in path else '?'}token={self.token}"

    def request(self, path: str, method: str = "GET") -> Any:
        """What the server's REST interface answers."""
        request = urllib.request.Request(self.url(path), method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
        return json.loads(body) if body else None

    def write_notebook(self, cells: Sequence[str]) -> str:
        """A new notebook of these code cells; its path under the served folder."""
        cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        name = f"{secrets.token_hex(4)}.ipynb"
        notebook = {
            "cells": [{**cell, "source": source, "id": f"cell-{index}"} for index, source in enumerate(cells)],
            "metadata": {"kernelspec": spec},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.folder / name).write_text(json.dumps(notebook))
        return name

    def kernel_of(self, notebook: str) -> str:
        """The id of an open notebook's kernel."""
        return next(str(session["kernel"]["id"]) for session in self.request("api/sessions") if session["path"] == notebook)

    def execute(self, kernel_id: str, code: str, silence: float = 60.0) -> str:
        """Runs ``code`` in that kernel; what it printed."""
        address = self.url(f"api/kernels/{kernel_id}/channels").replace("http:", "ws:", 1)
        return kernel.execute(address, code, silence)

    def shut_down_kernels(self) -> None:
        """Ends every kernel: two cores have no room for the kernels of tests that are over."""
        for session in self.request("api/sessions"):
            self.request(f"api/sessions/{session['id']}", "DELETE")
        for running in self.request("api/kernels"):
            self.request(f"api/kernels/{running['id']}", "DELETE")


@contextlib.contextmanager
def serve(home: Path) -> Iterator[JupyterServer]:
    """A server on the loopback with a token, all its files under ``home``; ended at the end, whatever happens."""
    server = JupyterServer(_free_port(), secrets.token_hex(16), home / "work")
    server.folder.mkdir()
    _write_config(server, home)
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server"],
            env=_environment(home),
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own, so that its kernels end with it
        )
    try:
        _wait_until_up(server, process, log)
        yield server
    finally:
        _end(process)


def _write_config(server: JupyterServer, home: Path) -> None:
    """In a file rather than as arguments: a command line, and so the token in it, can be read by every user of the machine."""
    config = {
        "ServerApp": {
            "ip": HOST,
            "port": server.port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,  # in a container the tests often run as root
            "root_dir": str(server.folder),
            "local_hostnames": ["localhost", INSECURE_HOST],
        },
        "IdentityProvider": {"token": server.token},
        "LabApp": {"expose_app_in_browser": True},
        "JupyterNotebookApp": {"expose_app_in_browser": True},
    }
    folder = home / "config"
    (folder / "labconfig").mkdir(parents=True)
    (folder / "jupyter_server_config.json").write_text(json.dumps(config))
    # The question whether to fetch news would lie over the page; the answer would leave the machine.
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(disabled))


def _environment(home: Path) -> dict[str, str]:
    """Ours, less what would bring in the user's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    own = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "PYTHONNOUSERSITE": "1",
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",  # noqa: PTH120
    }
    return kept | {name: str(value) for name, value in own.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_up(server: JupyterServer, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            server.request("api/status")
            return
        time.sleep(0.1)  # between two looks at the state, not instead of one
    raise RuntimeError(f"the Jupyter server did not start:\n{log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and whatever it started, asking first."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
