"""What no test may leave behind. Each guard is a context manager that raises `LeakError` at its end, and puts things back.

Putting back matters as much as telling: a test that leaks must not make the tests after it fail.
"""

from __future__ import annotations

import contextlib
import gc
import random
import threading
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUR_THREADS = "deepvis"
POOLS = "asyncio_"  # the pool of playwright's event loop, which lives as long as the browser
GRACE_S = 5.0  # for a thread that was told to stop and is on its way out


class LeakError(AssertionError):
    """Something that was there before is changed, or something is still there that was not."""


# name -> (read, write)
_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
}
_RANDOM_STATES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "python": (random.getstate, random.setstate),
    "numpy": (np.random.get_state, np.random.set_state),  # the legacy state: what a stray np.random.rand changes
    "torch": (torch.get_rng_state, torch.set_rng_state),
}


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """The global generators of python, numpy and torch stand where they stood."""
    yield from _kept(_RANDOM_STATES, "random state")


@contextlib.contextmanager
def torch_settings_kept() -> Iterator[None]:
    """Torch's global settings are as they were."""
    yield from _kept(_SETTINGS, "setting of torch")


@contextlib.contextmanager
def no_hook_left() -> Iterator[None]:
    """Every hook that was registered is removed, or its module is gone."""
    handles: list[tuple[weakref.ref[Any], int]] = []
    register = RemovableHandle.__init__

    def recorded(self: RemovableHandle, hooks: Any, **kwargs: Any) -> None:
        register(self, hooks, **kwargs)
        handles.append((weakref.ref(hooks), self.id))

    def left() -> list[Any]:
        found = [(hooks(), key) for hooks, key in handles]
        return [hooks[key] for hooks, key in found if hooks is not None and key in hooks]

    try:
        with mock.patch.object(RemovableHandle, "__init__", recorded):
            yield
    finally:
        if left():
            gc.collect()  # modules that only wait for the collector, in a cycle, are gone too
        if hooks := left():
            for reference, key in handles:
                (reference() or {}).pop(key, None)
            raise LeakError(f"{len(hooks)} hook(s) left on a module that is still alive: {hooks}")


@contextlib.contextmanager
def no_thread_left() -> Iterator[None]:
    """No thread that would keep the process alive, and none of ours, is still running."""
    before = set(threading.enumerate())
    try:
        yield
    finally:
        new = [thread for thread in threading.enumerate() if thread not in before and _must_end(thread)]
        for thread in new:
            thread.join(GRACE_S)
        if alive := [thread.name for thread in new if thread.is_alive()]:
            raise LeakError(f"thread(s) still running: {alive}")


def _must_end(thread: threading.Thread) -> bool:
    return thread.name.startswith(OUR_THREADS) or not (thread.daemon or thread.name.startswith(POOLS))


def _kept(states: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]], what: str) -> Iterator[None]:
    before = {name: read() for name, (read, _) in states.items()}
    try:
        yield
    finally:
        changed = [name for name, (read, _) in states.items() if not _same(read(), before[name])]
        for name in changed:
            states[name][1](before[name])
        if changed:
            raise LeakError(f"{what} changed: {', '.join(changed)}")


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):  # numpy's state is a tuple with an array inside
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(np.array_equal(a, b)) if isinstance(a, (np.ndarray, torch.Tensor)) else bool(a == b)
