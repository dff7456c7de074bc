"""What widgets that are made of widgets share."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import ipywidgets


class Telling(Protocol):
    """What can say in the page what went wrong."""

    def tell(self, error: Exception) -> None:
        """Say it."""
        ...


def told(method: Callable[..., Any]) -> Callable[..., None]:
    """What a user's click raises is said in the widget; the comm layer would swallow it without a trace."""

    @wraps(method)
    def wrapped(self: Telling, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.tell(error)

    return wrapped


def inside(box: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """All widgets in a box, and in the boxes in it."""
    for child in getattr(box, "children", ()):
        yield child
        yield from inside(child)
