"""One slot for the newest item: what a camera delivers faster than a network takes is dropped, not queued."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - not an error: how a mailbox says that nothing more will come
    """Nothing will come any more."""


class Empty(Exception):  # noqa: N818 - likewise
    """Nothing came in time."""


class Mailbox(Generic[T]):
    """Latest wins: `put` never waits, and `take` waits for something newer than the last it gave."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: list[T] = []
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> T | None:
        """Leave an item; what it pushed out, if nobody had taken that."""
        with self._changed:
            pushed_out = self._item.pop() if self._item else None
            self.dropped += pushed_out is not None
            self._item.append(item)
            self._changed.notify()
            return pushed_out

    @property
    def empty(self) -> bool:
        """Whether nothing lies there."""
        return not self._item

    def take(self, timeout: float | None = None) -> T:
        """Wait for an item, at most ``timeout`` seconds.

        Raises:
            Closed: the mailbox is closed.
            Empty: nothing came in time.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: self._item or self._closed, timeout)
            if self._closed:
                raise Closed
            if not came:
                raise Empty
            return self._item.pop()

    def close(self) -> None:
        """Wake whoever waits; what lies there is let go."""
        with self._changed:
            self._closed = True
            self._item.clear()
            self._changed.notify_all()
