"""A steered run stays one that can be made again, its memory is bounded, and nothing that goes wrong outlives it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deepvis_widgets.live.film import Film, Still
from deepvis_widgets.live.optimization import Optimization
from deepvis_widgets.synthesis import Constant, Regularization, Settings, ascend, visualize
from deepvis_widgets.synthesis.gradient import GradientOf
from deepvis_widgets.synthesis.objectives import Objective
from deepvis_widgets.synthesis.target import find_target
from tests.networks import Function, seeded, small_classifier, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deepvis_widgets.models import VisionModel
    from deepvis_widgets.synthesis import Step

PATIENCE = 60  # seconds
PLAIN = Settings(Regularization(decay=0.01), Constant(50.0))
STRONG = Settings(Regularization(decay=0.3, blur_sigma=1.0, blur_every=2), Constant(20.0))


class Driver:
    """An optimization, and what it told. Its network can be held up before a pass, and made to fail."""

    def __init__(self, **options: Any) -> None:
        self.changed = threading.Condition()
        self.steps: list[Step] = []
        self.states: list[str] = []
        self.errors: list[Exception] = []
        self.threads: set[threading.Thread] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False
        self.factor = 1.0
        self.at: dict[int, Callable[[], Any]] = {}  # what to do when that step has come
        network = nn.Sequential(
            OrderedDict(entry=Function(self.pass_through), **dict(seeded(small_classifier).named_children()))
        )
        self.model: VisionModel = wrapped(network)
        self.job = Optimization(
            self.model, "head", 3, on_step=self.step, on_state=self.state, on_error=self.error, **{"steps": 12, **options}
        )
        self.job.settings = PLAIN

    def pass_through(self, x: Tensor) -> Tensor:
        assert self.gate.wait(PATIENCE)
        if self.failing:
            raise ArithmeticError("the network is broken")
        return x * self.factor

    def note(self, change: Callable[[], Any]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def step(self, step: Step) -> None:
        self.threads.add(threading.current_thread())
        self.note(lambda: self.steps.append(step))
        self.at.get(step.index, lambda: None)()

    def state(self, state: Any) -> None:
        self.note(lambda: self.states.append(state))

    def error(self, error: Exception) -> None:
        self.note(lambda: self.errors.append(error))

    def until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), (self.job.state, self.states, self.errors)

    def finish(self) -> None:
        """Run to the end."""
        self.job.run()
        self.until(lambda: self.job.state == "done")

    @property
    def indices(self) -> list[int]:
        return [step.index for step in self.steps]


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.gate.set()
    made.job.close()


def same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b)


def expected(driver: Driver, steer: Callable[[int], Settings] = lambda _: PLAIN, steps: int = 12) -> list[Step]:
    """The same by a plain loop; ``steer`` says what holds for the update after each step."""
    found: list[Step] = []
    first = {"regularization": PLAIN.regularization, "step_size": PLAIN.step_size}
    for step in ascend(driver.model, "head", 3, steps=steps, steer=lambda: steer(found[-1].index), **first):
        found.append(step)  # noqa: PERF402 - `steer` looks at it meanwhile
    return found


def test_it_runs_ascend_on_a_thread_of_its_own(driver: Driver) -> None:
    driver.finish()
    plain = expected(driver)
    assert driver.indices == list(range(12))
    pairs = list(zip(driver.steps, plain, strict=True))
    assert all(same(ours.x, theirs.x) and same(ours.scores, theirs.scores) for ours, theirs in pairs)
    assert driver.states == ["running", "done"]
    assert driver.threads != {threading.current_thread()}
    assert driver.job.visualization.ends[0].reason == "steps done"


def test_settings_handed_over_hold_from_the_next_step(driver: Driver) -> None:
    driver.at[4] = lambda: setattr(driver.job, "settings", STRONG)
    driver.finish()
    steered = expected(driver, lambda index: STRONG if index >= 4 else PLAIN)
    assert [step.settings for step in driver.steps] == [PLAIN] * 5 + [STRONG] * 7
    assert same(driver.steps[-1].x, steered[-1].x)
    assert not same(driver.steps[5].x, expected(driver)[5].x)


def test_a_steered_and_rewound_run_is_made_again_by_its_recipe(driver: Driver) -> None:
    driver.at[3] = lambda: setattr(driver.job, "settings", STRONG)
    driver.finish()
    driver.at.clear()
    driver.job.rewind(6)
    driver.job.settings = PLAIN
    driver.finish()
    made = driver.job.visualization
    again = made.rerun(driver.model)
    assert same(made.x, again.x)
    assert same(made.last, again.last)
    assert same(made.history.scores, again.history.scores)
    assert [index for index, _ in made.recipe.changes] == [0, 4, 7]


def test_restarting_gives_the_same_bits(driver: Driver) -> None:
    driver.finish()
    first, driver.steps = driver.steps, []
    driver.job.restart()
    driver.until(lambda: len(driver.steps) == 12)
    assert all(same(a.x, b.x) for a, b in zip(first, driver.steps, strict=True))


def test_single_steps_make_the_same_run(driver: Driver) -> None:
    for count in range(1, 13):
        driver.job.step()
        driver.until(lambda count=count: len(driver.steps) == count and driver.job.state != "running")  # type: ignore[misc]
    assert driver.states == ["running", "paused"] * 11 + ["running", "done"]
    assert same(driver.steps[-1].x, expected(driver)[-1].x)


def test_pausing_holds_and_going_on_changes_nothing(driver: Driver) -> None:
    driver.at[5] = driver.job.pause
    driver.job.run()
    driver.until(lambda: driver.job.state == "paused")
    assert driver.indices == list(range(6))
    driver.finish()
    assert driver.indices == list(range(12))
    assert same(driver.steps[-1].x, expected(driver)[-1].x)


def test_a_single_step_asked_for_in_a_pause_is_one_with_the_present_settings(driver: Driver) -> None:
    driver.at[2] = driver.gate.clear
    driver.job.run()
    driver.until(lambda: len(driver.steps) == 3)
    driver.until(lambda: driver.job._in_hand is not None)
    driver.job.pause()
    driver.job.settings = STRONG
    driver.job.step()
    driver.gate.set()
    driver.until(lambda: len(driver.steps) == 5 and driver.job.state == "paused")
    assert driver.steps[-1].settings == STRONG


def test_going_on_from_a_picture_with_the_same_settings_gives_the_same_bits(driver: Driver) -> None:
    driver.finish()
    first, driver.steps = driver.steps, []
    best = driver.job.visualization
    assert driver.job.rewind(7).index == 7
    assert driver.job.state == "paused"
    driver.finish()
    assert driver.indices == [7, 8, 9, 10, 11]
    assert all(same(a.x, b.x) and same(a.scores, b.scores) for a, b in zip(first[7:], driver.steps, strict=True))
    again = driver.job.visualization
    assert same(best.x, again.x)
    assert same(best.indices, again.indices)
    assert same(best.history.scores, again.history.scores)


def test_looking_back_forgets_nothing_and_going_on_forgets_what_came_after(driver: Driver) -> None:
    driver.finish()
    driver.job.rewind(3)
    driver.job.rewind(8)
    driver.job.rewind(5)
    assert len(driver.job.highlights.history) == 12
    assert [still.index for still in driver.job.film] == list(range(12))
    driver.job.step()
    driver.until(lambda: driver.job.state == "paused" and len(driver.steps) == 13)
    assert len(driver.job.highlights.history) == 6
    assert [still.index for still in driver.job.film] == list(range(6))


def test_the_best_picture_after_rewinding_is_one_of_this_run(driver: Driver) -> None:
    driver.finish()
    driver.job.rewind(4)
    driver.job.settings = Settings(Regularization(decay=1.0), Constant(1e-9))  # the mean colour, over and over
    driver.finish()
    made = driver.job.visualization
    best = int(made.history.scores.argmax())
    assert 4 <= best == int(made.indices[0]) < 11
    assert same(made.x, driver.steps[12 + best - 4].x)


def test_the_end_of_a_finished_run_is_still_its_end(driver: Driver) -> None:
    driver.finish()
    driver.job.rewind(2)
    driver.job.rewind(11)
    assert driver.job.state == "done"


def test_more_steps_go_on_where_it_ended(driver: Driver) -> None:
    driver.finish()
    driver.job.steps = 20
    driver.finish()
    assert driver.indices == [*range(12), *range(11, 20)]
    assert same(driver.steps[-1].x, expected(driver, steps=20)[-1].x)
    assert driver.job.visualization.recipe.options["steps"] == 20


def test_fewer_steps_end_a_run_that_is_on(driver: Driver) -> None:
    driver.at[8] = lambda: setattr(driver.job, "steps", 5)
    driver.finish()
    assert driver.indices == [*range(9), 8]
    assert driver.job.visualization.ends[0].reason == "steps done"


def test_run_after_the_end_starts_over(driver: Driver) -> None:
    driver.finish()
    driver.finish()
    driver.until(lambda: len(driver.steps) == 24)
    assert driver.indices == [*range(12), *range(12)]
    assert len(driver.job.highlights.history) == 12


def test_a_step_in_hand_is_dropped_when_another_order_comes(driver: Driver) -> None:
    """So that nothing of the old run is shown after the new one has begun."""
    driver.at[2] = driver.gate.clear
    driver.job.run()
    driver.until(lambda: len(driver.steps) == 3)
    driver.job.begin("head", 5, steps=4)
    driver.job.settings = PLAIN
    driver.job.run()
    driver.at.clear()
    driver.gate.set()
    driver.until(lambda: driver.job.state == "done")
    assert driver.indices == [0, 1, 2, 0, 1, 2, 3]
    assert same(driver.steps[-1].scores, visualize(driver.model, "head", 5, steps=4, regularization=PLAIN.regularization,
                                                   step_size=PLAIN.step_size).history.scores[-1])  # fmt: skip


def test_a_restart_after_a_rest_waits_for_the_last_change(driver: Driver) -> None:
    driver.finish()
    began = time.monotonic()
    for _ in range(3):
        driver.job.restart(rest=0.2)
        last = time.monotonic()
    driver.until(lambda: len(driver.steps) == 24)
    assert time.monotonic() - last >= 0.2
    assert driver.states.count("running") == 2
    assert began < last


def test_a_pause_calls_off_a_restart_to_come(driver: Driver) -> None:
    driver.finish()
    driver.job.restart(rest=30)
    driver.job.pause()
    driver.job.restart()
    driver.until(lambda: len(driver.steps) == 24)


def test_stopping_ends_it_and_says_so(driver: Driver) -> None:
    driver.at[5] = driver.job.stop
    driver.finish()
    assert driver.job.visualization.ends[0].reason == "stopped"
    assert driver.indices == list(range(6))


def test_what_the_network_raises_ends_the_run_and_the_next_goes_on(driver: Driver) -> None:
    driver.at[3] = lambda: setattr(driver, "failing", True)
    driver.finish()
    driver.until(lambda: len(driver.errors) == 1)
    assert "the network is broken" in str(driver.errors[0])
    assert driver.indices == [0, 1, 2, 3]
    driver.at.clear()
    driver.failing = False
    driver.finish()
    driver.until(lambda: driver.job.state == "done" and len(driver.steps) == 16)
    assert len(driver.errors) == 1


@pytest.mark.parametrize(("layer", "unit"), [("head", 99), ("nowhere", 0)])
def test_what_cannot_be_made_is_told_and_another_can(driver: Driver, layer: str, unit: int) -> None:
    driver.job.begin(layer, unit, steps=3)
    driver.finish()
    driver.until(lambda: len(driver.errors) == 1)
    assert isinstance(driver.errors[0], ValueError)
    driver.job.begin("head", 0, steps=3)
    driver.finish()
    driver.until(lambda: driver.indices == [0, 1, 2])


def test_a_score_that_is_not_finite_ends_it_and_the_last_good_picture_stays(driver: Driver) -> None:
    driver.at[3] = lambda: setattr(driver, "factor", float("nan"))
    driver.finish()
    (end,) = driver.job.visualization.ends
    assert (end.reason, end.index) == ("not finite", 4)
    assert end.advice
    assert same(driver.steps[4].x, driver.steps[3].x)
    assert not driver.errors


def test_a_callback_that_fails_ends_the_run_not_the_thread(driver: Driver) -> None:
    driver.at[2] = lambda: 1 / 0
    driver.finish()
    driver.until(lambda: len(driver.errors) == 1)
    assert isinstance(driver.errors[0], ZeroDivisionError)
    driver.at.clear()
    driver.finish()
    driver.until(lambda: len(driver.steps) == 15)


def test_a_run_begun_while_another_is_in_the_network_is_like_one_alone(driver: Driver) -> None:
    """In the middle of a pass the network has other weights: whoever looks at them then must wait."""
    target = find_target(driver.model, "head", (16, 16), pre_activation=True)
    objective = Objective.of((2,), None, target.shape, "head")
    driver.at[1] = driver.gate.clear
    driver.job.begin("head", 3, steps=3, precision="bfloat16")
    driver.job.run()
    driver.until(lambda: len(driver.steps) == 2 and driver.job._in_hand is not None)
    until_within(driver.model)
    beside: list[GradientOf] = []
    other = threading.Thread(target=lambda: beside.append(GradientOf(driver.model, target, objective, "bfloat16")))
    other.start()
    other.join(0.2)
    driver.gate.set()
    other.join(PATIENCE)
    assert beside[0].low_precision


def until_within(model: VisionModel) -> None:
    """Wait until a pass is under way."""
    end = time.monotonic() + PATIENCE
    while model.lock.acquire(blocking=False):
        model.lock.release()
        assert time.monotonic() < end


def test_closing_while_it_runs_leaves_no_thread(driver: Driver) -> None:
    driver.job.begin("head", 0, steps=100_000)
    driver.job.run()
    driver.until(lambda: bool(driver.threads))
    (thread,) = driver.threads
    driver.job.close()
    assert not thread.is_alive()
    seen = len(driver.steps)
    for order in (driver.job.run, driver.job.restart, driver.job.step, driver.job.stop, driver.job.close):
        order()
    driver.job.restart(rest=0.01)
    assert len(driver.steps) == seen
    assert not [each for each in threading.enumerate() if each.name == "deepvis-optimization"]


def test_closing_does_not_wait_for_a_rest(driver: Driver) -> None:
    driver.job.restart(rest=1000)
    began = time.monotonic()
    driver.job.close()
    assert time.monotonic() - began < PATIENCE


def test_there_is_no_result_before_the_first_step(driver: Driver) -> None:
    assert driver.job.here is None
    with pytest.raises(ValueError, match="no picture yet"):
        _ = driver.job.visualization
    with pytest.raises(ValueError, match="nothing has run"):
        driver.job.rewind(0)


def test_the_recipe_of_a_kept_picture_makes_that_picture(driver: Driver) -> None:
    driver.at[3] = lambda: setattr(driver.job, "settings", STRONG)
    driver.finish()
    still = driver.job.film.at(9)
    recipe = driver.job.recipe(still)
    options = recipe.options | {"steer": recipe.steer()}
    assert same(visualize(driver.model, recipe.layer, recipe.unit, **options).last, still.step.x)  # type: ignore[misc]


@given(count=st.integers(1, 700), pictures=st.integers(2, 20))
def test_a_film_is_bounded_even_and_has_both_ends(count: int, pictures: int) -> None:
    film = Film(pictures)
    for index in range(count):
        film.add(still(index))
        assert len(film) <= pictures
    indices = [kept.index for kept in film]
    assert (indices[0], indices[-1]) == (0, count - 1)
    assert {b - a for a, b in pairwise(indices[:-1])} <= {film.stride}
    assert len(film) == count or len(film) > pictures // 2 - 1
    for index in range(count):
        assert film.at(index).index == max(at for at in indices if at <= index)


def test_a_film_holds_no_more_memory_than_allowed() -> None:
    film = Film(nbytes=10 * still(0).step.x.nbytes)
    for index in range(300):
        film.add(still(index))
        assert film.nbytes <= film.limit
    assert len(film) > 3


def still(index: int) -> Still:
    """With a picture of its own that is also the best, as in a run whose score rises."""
    x = torch.zeros(1, 3, 8, 8)
    step: Any = type("FakeStep", (), {"index": index, "x": x})
    return Still(step, type("FakeHighlights", (), {"best": x, "first_majority": NOTHING})())  # type: ignore[arg-type]


NOTHING = torch.zeros(1, 3, 8, 8)


def test_the_users_network_is_as_it_was(driver: Driver) -> None:
    module = driver.model.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    grads = [parameter.requires_grad for parameter in module.parameters()]
    driver.finish()
    assert all(same(value, before[name]) for name, value in module.state_dict().items())
    assert [parameter.requires_grad for parameter in module.parameters()] == grads
    assert not any(isinstance(each, nn.Module) and each.training for each in module.modules())
