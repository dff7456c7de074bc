"""What a user installs: the wheel, outside the tree, has everything in it and does the package's first job."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = REPOSITORY / "deepvis_widgets"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel; the backend is the one installed here, so that nothing is fetched."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment: the wheel, and of this environment the dependencies only.

    They come as a path in a ``.pth`` file; Python does not follow the ``.pth`` files that it finds there, one of which
    would bring in this very checkout.
    """
    home = tmp_path_factory.mktemp("outside")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, timeout=120)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python


def run_outside(python: Path, code: str) -> str:
    """What ``code`` prints, run from a folder that is not in the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), "-c", textwrap.dedent(code)]
    where = python.parents[1]
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_file_that_the_package_needs_is_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    data = [*PACKAGE.glob("widgets/static/*.js"), *PACKAGE.glob("widgets/static/*.css"), *PACKAGE.glob("models/data/*")]
    assert {str(path.relative_to(REPOSITORY)) for path in data} <= inside
    kinds = {path.suffix for path in data}
    assert {".js", ".css", ".safetensors", ".json", ".md"} <= kinds
    assert "deepvis_widgets/py.typed" in inside


def test_nothing_but_the_package_is_inside(wheel: Path) -> None:
    assert {name.split("/")[0].split("-")[0] for name in zipfile.ZipFile(wheel).namelist()} == {"deepvis_widgets"}


def test_the_wheel_looks_at_a_picture_outside_the_tree(installed: Path) -> None:
    told = run_outside(
        installed,
        """
        import pathlib, sys
        import matplotlib.cbook
        import deepvis_widgets as dv

        assert pathlib.Path(dv.__file__).is_relative_to(sys.prefix), dv.__file__
        picture = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
        (predictions,) = dv.Inspector(dv.load("caffenet-mini")).predict(picture, k=5)
        print(len(predictions), all(0 <= p.probability <= 1 and p.label for p in predictions))
        """,
    )
    assert told == "5 True"


def test_importing_the_package_imports_none_of_the_heavy_ones(installed: Path) -> None:
    heavy = "{'torch', 'torchvision', 'matplotlib', 'ipywidgets', 'PIL'}"
    assert run_outside(installed, f"import deepvis_widgets, sys; print({heavy} & set(sys.modules))") == "set()"
