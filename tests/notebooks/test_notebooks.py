"""Every notebook runs from top to bottom without camera, browser or network, and is kept without its outputs."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    import os

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SHOWS = re.compile(r"dv\.(DeepVis|FeatureOptimizer)\(")
NOWHERE = "http://127.0.0.1:9"  # nothing listens there: what would be downloaded fails at once

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook after a run in a kernel of its own, in a folder of its own, without any cached weights."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    return run(nbformat.read(request.param, as_version=4), folder)


def run(notebook: nbformat.NotebookNode, folder: os.PathLike[str]) -> nbformat.NotebookNode:
    with pytest.MonkeyPatch.context() as patch:  # the kernel inherits it
        patch.setenv("TORCH_HOME", str(folder))
        patch.setenv("OMP_NUM_THREADS", "2")
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, NOWHERE)
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
        return client.execute()


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def test_it_runs_from_top_to_bottom(executed: nbformat.NotebookNode) -> None:
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]


def test_the_first_look_is_a_widget_and_a_picture_for_where_no_widget_runs(executed: nbformat.NotebookNode) -> None:
    looks = [cell for cell in executed.cells if cell.cell_type == "code" and SHOWS.search(cell.source)]
    assert looks
    for cell in looks:
        data = cell.outputs[-1].data
        assert "application/vnd.jupyter.widget-view+json" in data
        with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
            assert min(picture.size) > 100
            assert np.asarray(picture.convert("L")).std() > 5


@each_notebook
def test_it_is_kept_without_outputs_and_with_cell_ids(path: os.PathLike[str]) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert all(cell.id for cell in notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count is not None]
    assert "widgets" not in notebook.metadata


def test_a_cell_that_raises_fails_the_run(tmp_path) -> None:
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(broken, tmp_path)
