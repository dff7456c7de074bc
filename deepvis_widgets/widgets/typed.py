"""What was typed, as what it means; what cannot be is answered by a sentence that says what to type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deepvis_widgets.activations import Layer


def unit_names(layer: Layer, labels: Sequence[str] | None) -> list[str]:
    """For each unit of a layer that has one a class, its number and name: 12 · tarantula."""
    return [f"{unit} · {label}" for unit, label in enumerate(labels)] if labels and len(labels) == layer.units else []


def read_unit(text: str, layer: Layer, names: Sequence[str] = ()) -> int:
    """A unit's number from what was typed: the number, or enough of a name.

    Raises:
        ValueError: there is no such unit, or there are several; the message says which there are.
    """
    number = re.match(r"\s*(-?\d+)\s*(·.*)?$", text)
    if number:
        if 0 <= int(number[1]) < layer.units:
            return int(number[1])
        raise ValueError(f"{layer.name} has units 0 to {layer.units - 1}, not {number[1]}; type one of these")
    found = list(_matches(text.strip().lower(), names))
    if len(found) == 1 or (found and found[0][0] == 0):
        return found[0][1]
    if found:
        some = ", ".join(names[unit] for _, unit in found[:3])
        raise ValueError(
            f"{text!r} could be {len(found)} units of {layer.name}: {some} ...; type more of the name, or the number"
        )
    kind = "a number from 0 to" if not names else "part of a name, or a number from 0 to"
    raise ValueError(f"{layer.name} has no unit {text!r}; type {kind} {layer.units - 1}")


def read_size(text: str) -> tuple[int, int]:
    """Height and width in pixels from "64" or "64 × 96".

    Raises:
        ValueError: it is no size.
    """
    sides = _numbers(text, "a size", "64, or 64 × 96")
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(f"{text!r} is no size; type it as 64, or 64 × 96")
    return sides[0], sides[-1]


def read_place(text: str) -> tuple[int, ...]:
    """Row and column from "6, 6".

    Raises:
        ValueError: it is no position.
    """
    return _numbers(text, "a position", "6, 6")


def _matches(text: str, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """How well each name fits (0 exactly, 1 begins so, 2 has it inside) and its unit, best first."""
    words = [name.partition(" · ")[2].lower() for name in names]
    ranks = (
        (0 if word == text else 1 if word.startswith(text) else 2, unit)
        for unit, word in enumerate(words)
        if text and text in word
    )
    return iter(sorted(ranks))


def _numbers(text: str, what: str, example: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\s*\d+(\s*[,x×\s]\s*\d+)*\s*", text):
        raise ValueError(f"{text!r} is no {what.partition(' ')[2]}; type it as {example}")
    return tuple(int(number) for number in re.findall(r"\d+", text))
