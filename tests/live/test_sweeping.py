"""A sweep can be watched, paused and stopped, keeps what is there, and leaves no thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch

from deepvis_widgets.live.searches import Search, declared
from deepvis_widgets.live.sweeping import Plan, SweepJob
from deepvis_widgets.synthesis import Regularization, ladder, plane, random_settings, sweep
from tests.networks import seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deepvis_widgets.models import VisionModel

PATIENCE = 60  # seconds
SETTINGS = tuple(Regularization(decay=0.01 * n) for n in range(4))


class Watched:
    """A job, and a way to wait for its state."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.errors: list[Exception] = []
        self.at_change: Callable[[], Any] = lambda: None
        self.job = SweepJob(self._tell, self.errors.append)

    def _tell(self) -> None:
        self.at_change()
        with self.changed:
            self.changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), (self.job.state, self.errors)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr("deepvis_widgets.live.sweeping.BETWEEN", -1.0)  # told of every step
    made = Watched()
    yield made
    made.job.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-sweep"]


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return wrapped(seeded(small_classifier), name="mine")


def plan(model: VisionModel, steps: int = 5, settings: tuple[Regularization, ...] = SETTINGS) -> Plan:
    return Plan(model, "conv", 1, settings, {"steps": steps})


def test_results_are_those_of_a_plain_sweep_in_the_order_of_the_settings(watched: Watched, model: VisionModel) -> None:
    watched.job.start(plan(model))
    watched.until(lambda: watched.job.state == "done")
    expected = sweep(model, "conv", 1, SETTINGS, steps=5).results
    assert [result.regularization for result in watched.job.results] == list(SETTINGS)
    for result, other in zip(watched.job.results, expected, strict=True):
        assert torch.equal(result.x, other.x)
        assert result.activation == other.activation
    assert (watched.job.total, watched.job.share, watched.job.forming) == (4, 1.0, None)


def test_pictures_are_there_while_they_form_and_progress_only_grows(watched: Watched, model: VisionModel) -> None:
    seen: list[tuple[int, float]] = []

    def look() -> None:
        if watched.job.forming is not None:
            seen.append((watched.job.forming.index, watched.job.share))

    watched.at_change = look
    watched.job.start(plan(model, steps=6))
    watched.until(lambda: watched.job.state == "done")
    assert [index for index, _ in seen] == list(range(6))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, pytest.approx(5 / 6))


def test_a_paused_sweep_holds_until_it_goes_on(watched: Watched, model: VisionModel) -> None:
    watched.at_change = lambda: watched.job.forming is not None and watched.job.forming.index == 3 and watched.job.pause()
    watched.job.start(plan(model, steps=8))
    watched.until(lambda: watched.job.state == "paused")
    watched.at_change = lambda: None
    assert watched.job.forming.index == 3
    assert watched.job.results == ()
    watched.job.resume()
    watched.until(lambda: watched.job.state == "done")
    assert len(watched.job.results) == 4
    assert all(result.end.reason == "steps done" for result in watched.job.results)


@pytest.mark.parametrize("paused", [False, True])
def test_a_stopped_sweep_keeps_what_is_there_measured(watched: Watched, model: VisionModel, paused: bool) -> None:
    def end() -> None:
        if watched.job.state == "running" and watched.job.forming is not None and watched.job.forming.index == 3:
            watched.job.pause() if paused else watched.job.stop()

    watched.at_change = end
    watched.job.start(plan(model, steps=1000))
    if paused:
        watched.until(lambda: watched.job.state == "paused")
        watched.job.stop()
    watched.until(lambda: watched.job.state == "stopped")
    assert len(watched.job.results) == 4
    assert {result.end.reason for result in watched.job.results} == {"stopped"}
    assert all(result.activation == result.activation for result in watched.job.results)


def test_another_plan_takes_the_place_of_the_one_under_way(watched: Watched, model: VisionModel) -> None:
    watched.job.start(plan(model, steps=100_000))
    watched.until(lambda: watched.job.forming is not None)
    watched.job.start(plan(model, steps=3, settings=SETTINGS[2:]))
    watched.until(lambda: watched.job.state == "done")
    assert [result.regularization for result in watched.job.results] == list(SETTINGS[2:])


@pytest.mark.parametrize("paused", [False, True])
def test_closing_while_it_runs_ends_the_thread(watched: Watched, model: VisionModel, paused: bool) -> None:
    watched.job.start(plan(model, steps=100_000))
    watched.until(lambda: watched.job.forming is not None)
    if paused:
        watched.job.pause()
    watched.job.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-sweep"]
    watched.job.start(plan(model))  # nothing, and no error
    assert not [thread for thread in threading.enumerate() if thread.name == "deepvis-sweep"]


def test_an_error_ends_the_sweep_and_is_told_and_the_next_one_runs(watched: Watched, model: VisionModel) -> None:
    watched.job.start(Plan(model, "no such layer", 1, SETTINGS, {"steps": 3}))
    watched.until(lambda: watched.job.state in ("stopped", "done"))
    told = [str(error) for error in watched.errors] + [result.end.advice for result in watched.job.results]
    assert any("no such layer" in text for text in told)
    watched.job.start(plan(model))
    watched.until(lambda: watched.job.state == "done")


BASE = Regularization(decay=0.01, blur_every=4)
SIGMA, DECAY = declared("blur_sigma"), declared("decay")


def test_each_kind_of_search_tries_what_the_engine_declares() -> None:
    assert Search("ladder", BASE, SIGMA, DECAY, rungs=5).settings() == ladder(SIGMA, 5, BASE)
    assert Search("plane", BASE, SIGMA, DECAY, side=3).settings() == plane(SIGMA, DECAY, 3, BASE)
    assert Search("random", BASE, SIGMA, DECAY, count=7, seed=2).settings() == random_settings(7, 2, base=BASE)


def test_pictures_are_told_apart_by_what_varies() -> None:
    search = Search("ladder", BASE, SIGMA, DECAY, rungs=3)
    assert [search.label(setting) for setting in search.settings()] == ["off", "0.3 px", "10 px"]
    search = Search("plane", BASE, SIGMA, DECAY, side=2)
    assert [search.label(setting) for setting in search.settings()] == ["0.3 · 1e-05", "0.3 · 1", "10 · 1e-05", "10 · 1"]


@pytest.mark.parametrize(("first", "second"), [("blur_sigma", "blur_every"), ("blur_every", "blur_sigma")])
def test_a_row_of_a_plane_has_one_value_of_its_first_prior(first: str, second: str) -> None:
    search = Search("plane", BASE, declared(first), declared(second), side=30)  # blur_every has only 20 values
    tried = search.settings()
    rows = [tried[start : start + search.columns] for start in range(0, len(tried), search.columns)]
    assert all(len({setting.values()[first] for setting in row}) == 1 for row in rows)
    assert len({row[0].values()[first] for row in rows}) == len(rows)


def test_a_plane_of_one_prior_is_refused() -> None:
    with pytest.raises(ValueError, match="two different priors, not blur sigma twice"):
        Search("plane", BASE, SIGMA, SIGMA).settings()
    with pytest.raises(ValueError, match="no prior 'none'; there are decay, "):
        declared("none")
