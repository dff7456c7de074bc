"""The guards can fail: what they watch for is noticed, told by name, and put back."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from tests import guards

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("python", random.random),
        ("numpy", lambda: np.random.rand(1)),  # noqa: NPY002
        ("torch", lambda: torch.rand(1)),
    ],
)
def test_a_changed_random_state_is_told_and_put_back(name: str, draw: Callable[[], object]) -> None:
    with pytest.raises(guards.LeakError, match=f"random state changed: {name}$"), guards.random_state_kept():
        draw()


def test_a_changed_setting_is_told_and_put_back() -> None:
    def change() -> None:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)

    with pytest.raises(guards.LeakError, match="default dtype, grad mode"), guards.torch_settings_kept():
        change()
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"])
def test_a_hook_on_a_living_module_is_told_and_removed(register: str) -> None:
    module = nn.Conv2d(1, 1, 1, bias=False, device="meta")
    with pytest.raises(guards.LeakError, match=r"1 hook\(s\)"), guards.no_hook_left():
        getattr(module, register)(lambda *_: None)
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    assert not module._backward_hooks


def test_a_removed_hook_or_a_module_that_is_gone_is_no_leak() -> None:
    kept = nn.ReLU()
    with guards.no_hook_left():
        kept.register_forward_hook(lambda *_: None).remove()
        dropped = nn.ReLU()
        dropped.__dict__["itself"] = dropped  # only the collector can take it
        dropped.register_forward_hook(lambda *_: None)
        del dropped


@pytest.mark.parametrize(("name", "daemon"), [("other", False), ("deepvis-worker", True)])
def test_a_running_thread_is_told(name: str, daemon: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "GRACE_S", 0.01)
    stop = threading.Event()
    try:
        with pytest.raises(guards.LeakError, match=name), guards.no_thread_left():
            threading.Thread(target=stop.wait, name=name, daemon=daemon).start()
    finally:
        stop.set()


def test_a_daemon_of_another_library_is_no_leak() -> None:
    stop = threading.Event()
    with guards.no_thread_left():
        threading.Thread(target=stop.wait, name="tqdm", daemon=True).start()
    stop.set()


def test_the_suite_fails_the_very_test_that_leaks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import torch

        def test_leaks():
            torch.rand(1)

        def test_after_it():
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "tests.conftest", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*test_leaks: random state changed: torch*"])
