"""What an import costs and drags in: nothing at first, and no notebook where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

import deepvis_widgets as dv

NOTEBOOK = ("ipywidgets", "anywidget", "traitlets", "IPython", "ipywebrtc")


def imported(statement: str) -> set[str]:
    """The top-level modules that a fresh Python has after a statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.split())


def test_the_package_itself_imports_neither_torch_nor_a_notebook() -> None:
    assert imported("import deepvis_widgets").isdisjoint({"torch", "torchvision", "numpy", "matplotlib", "PIL", *NOTEBOOK})


def test_the_kernel_side_imports_no_notebook() -> None:
    modules = imported("import deepvis_widgets as dv; dv.load, dv.Inspector, dv.LivePipeline, dv.ascend, dv.sweep, dv.plots")
    assert "torch" in modules
    assert modules.isdisjoint(NOTEBOOK)


@pytest.mark.parametrize("name", dv.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(dv, name)
    assert getattr(value, "__name__", name) == name  # a constant has none
    assert name in dir(dv)


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="'deepvis_widgets' has no attribute 'Inspecter'"):
        dv.Inspecter  # noqa: B018
