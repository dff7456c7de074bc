"""Sliders know every declared parameter, take no value that cannot be, and say so to whoever gave it."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets

from deepvis_widgets.synthesis import PARAMETERS, Regularization
from deepvis_widgets.synthesis.declarations import Parameter
from deepvis_widgets.widgets.sliders import PAPER, Sliders

GLOW = Parameter("glow", 2, 8, "lamps", "Makes it glow.", integer=True)


@pytest.fixture
def sliders() -> Sliders:
    return Sliders(values={"decay": 0.1})


class Comm:
    """Records what goes to the page."""

    def __init__(self, widget: Sliders) -> None:
        self.widget = widget
        self.sent: list[dict[str, Any]] = []
        widget.send_state = lambda key=None: self.sent.append({key: getattr(widget, key)})

    def set(self, **state: Any) -> None:
        """What the comm does with a change from the page."""
        self.widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def test_every_parameter_is_declared_to_the_page_with_all_that_its_row_shows(sliders: Sliders) -> None:
    assert [row["name"] for row in sliders.declared] == [parameter.name for parameter in PARAMETERS]
    for row, parameter in zip(sliders.declared, PARAMETERS, strict=True):
        assert row == {name: getattr(parameter, name) for name in ("name", "low", "high", "unit", "about", "scale", "integer")}
    assert sliders.first == [name for name in PAPER if name in sliders.values]
    assert len(sliders.first) == 5


def test_a_new_parameter_needs_no_change_here() -> None:
    sliders = Sliders([GLOW], {"glow": 3})
    assert (sliders.values, sliders.defaults, sliders.first) == ({"glow": 3}, {"glow": 3}, [])
    with pytest.raises(traitlets.TraitError, match=r"glow must be a whole number from 0 \(off\) to 8 lamps, not 2.5"):
        sliders.values = {"glow": 2.5}


def test_what_is_missing_is_off_and_the_values_make_a_regularization(sliders: Sliders) -> None:
    assert Regularization(**sliders.values) == Regularization(decay=0.1)
    sliders.values = {"blur_sigma": 1}
    assert Regularization(**sliders.values) == Regularization(blur_sigma=1)
    assert sliders.defaults["decay"] == 0.1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"decay": 7}, r"decay must be a number from 0 \(off\) to 1 .*, not 7"),
        ({"decay": -1e-9}, "decay must be"),
        ({"decay": float("nan")}, "decay must be"),
        ({"decay": "much"}, "not 'much'"),
        ({"blur_every": 1.5}, "a whole number"),
        ({"no_such": 1}, r"no parameter 'no_such'; there are decay, "),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_python_and_from_the_page(
    sliders: Sliders, bad: dict[str, Any], words: str
) -> None:
    before = sliders.values
    with pytest.raises(traitlets.TraitError, match=words):
        sliders.values = bad
    assert (sliders.values, sliders.message) == (before, "")
    comm = Comm(sliders)
    comm.set(values={**before, **bad})
    assert sliders.values == before
    with pytest.raises(traitlets.TraitError, match=words):
        raise traitlets.TraitError(sliders.message)
    assert comm.sent[-1] == {"values": before} or {"values": before} in comm.sent


def test_the_page_is_told_of_a_mistake_until_the_next_good_value(sliders: Sliders) -> None:
    comm = Comm(sliders)
    comm.set(values={"decay": 9})
    assert sliders.message.endswith("nothing was changed")
    comm.set(values={**sliders.values, "decay": 0.2})
    assert (sliders.values["decay"], sliders.message) == (0.2, "")


def test_observers_hear_of_good_values_only(sliders: Sliders) -> None:
    heard: list[float] = []
    sliders.observe(lambda change: heard.append(change["new"]["decay"]), "values")
    comm = Comm(sliders)
    for decay in (0.2, 9, 0.3):
        comm.set(values={**sliders.values, "decay": decay})
    assert heard == [0.2, 0.3]
