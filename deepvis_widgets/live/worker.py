"""A thread that does one thing to each newest item."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from .mailbox import Closed, Empty, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
T = TypeVar("T")
IDLE = 10.0  # seconds after which a thread that nobody needs ends; a cell run again leaves none behind


class Worker(Generic[T]):
    """Runs ``work(item)`` on a thread of its own for the newest item put.

    The thread starts with the first item and ends with `close`, or when nothing came for a while; then the next starts another.

    Long work belongs here and not in a cell or a widget callback: those block the kernel's messages on some ipykernels.

    Args:
        work: what to do.
        failed: told of an item and the exception it caused; the next item goes on as if nothing had been.
        name: of the thread.
    """

    def __init__(self, work: Callable[[T], None], failed: Callable[[T, Exception], None], name: str) -> None:
        self._work, self._failed, self._name = work, failed, name
        self._mailbox: Mailbox[T] = Mailbox()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Hand over an item; the one it replaces, if that was not begun. After `close`, nothing happens."""
        with self._lock:
            if self._closed:
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"deepvis-{self._name}", daemon=True)
                self._thread.start()
            return self._mailbox.put(item)

    @property
    def dropped(self) -> int:
        """How many items were replaced before they were begun."""
        return self._mailbox.dropped

    def close(self) -> None:
        """End the thread after what it is doing, and wait for that (unless it is the thread that calls)."""
        with self._lock:
            self._closed = True
            self._mailbox.close()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            try:
                item = self._mailbox.take(IDLE)
            except (Closed, Empty):
                with self._lock:
                    if self._closed or self._mailbox.empty:  # else an item came in just as the thread gave up
                        self._thread = None
                        return
                continue
            try:
                self._do(item)
            except Exception:
                log.exception("an item failed, and so did telling of it")  # the page may be gone; the next item goes on

    def _do(self, item: T) -> None:
        try:
            self._work(item)
        except Exception as error:  # noqa: BLE001 - whatever a user's network raises belongs on the screen, not in a log
            self._failed(item, error)
