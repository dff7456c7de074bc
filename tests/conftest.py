"""Guards around every test, and the fixtures that all of them share."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import guards

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that changes the random state or a setting of torch, or leaves a hook or a thread."""
    try:
        with contextlib.ExitStack() as stack:
            for guard in (guards.random_state_kept, guards.torch_settings_kept, guards.no_hook_left, guards.no_thread_left):
                stack.enter_context(guard())
            yield
    except guards.LeakError as leak:
        pytest.fail(f"{request.node.nodeid}: {leak}", pytrace=False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's folder of photos, videos and real weights, beside the checkout; not part of the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder shared/ beside the checkout")
    return folder


@pytest.fixture
def torch_home(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's cache with the real ImageNet weights of squeezenet1_0 in it."""
    home = shared / "torch_home"
    monkeypatch.setenv("TORCH_HOME", str(home))
    return home
