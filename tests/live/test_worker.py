"""The worker does each newest item once, on one thread of its own, whatever the last one raised, and leaves no thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from deepvis_widgets.live import worker
from deepvis_widgets.live.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60  # seconds


class Recorder:
    """Work that notes what it was given, and can be held up or made to fail."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.done: list[int] = []
        self.failed: list[tuple[int, Exception]] = []
        self.threads: list[threading.Thread] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.hold: set[int] = set()
        self.worker: Worker[int] = Worker(self.work, self.fail, "test")

    def work(self, item: int) -> None:
        self.threads.append(threading.current_thread())
        if item in self.hold:
            self.begun.set()
            assert self.go_on.wait(PATIENCE)
        if item < 0:
            raise ArithmeticError(item)
        with self.changed:
            self.done.append(item)
            self.changed.notify_all()

    def fail(self, item: int, error: Exception) -> None:
        with self.changed:
            self.failed.append((item, error))
            self.changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.go_on.set()
    made.worker.close()


def test_only_the_newest_of_what_came_meanwhile_is_done(recorder: Recorder) -> None:
    recorder.hold = {1}
    assert recorder.worker.put(1) is None
    assert recorder.begun.wait(PATIENCE)
    assert [recorder.worker.put(item) for item in (2, 3, 4)] == [None, 2, 3]
    recorder.go_on.set()
    recorder.until(lambda: 4 in recorder.done)
    assert recorder.done == [1, 4]
    assert recorder.worker.dropped == 2


def test_an_exception_is_handed_over_with_its_item_and_the_next_item_goes_on(recorder: Recorder) -> None:
    for item in (-1, 1, -2, 2):
        recorder.worker.put(item)
        recorder.until(lambda item=item: item in recorder.done or item in [failed for failed, _ in recorder.failed])  # type: ignore[misc]
    assert recorder.done == [1, 2]
    assert [(item, type(error), error.args) for item, error in recorder.failed] == [
        (-1, ArithmeticError, (-1,)),
        (-2, ArithmeticError, (-2,)),
    ]
    assert len(set(recorder.threads)) == 1


def test_no_thread_is_started_before_there_is_work_and_none_is_left_after_close() -> None:
    before = set(threading.enumerate())
    recorder = Recorder()
    assert set(threading.enumerate()) == before
    recorder.worker.put(1)
    recorder.until(lambda: recorder.done == [1])
    (thread,) = set(recorder.threads)
    assert thread.name == "deepvis-test"
    assert thread.daemon
    recorder.worker.close()
    assert not thread.is_alive()


def test_close_waits_for_the_work_in_hand_and_drops_the_rest(recorder: Recorder) -> None:
    recorder.hold = {1}
    recorder.worker.put(1)
    assert recorder.begun.wait(PATIENCE)
    recorder.worker.put(2)
    closing = threading.Thread(target=recorder.worker.close)
    closing.start()
    recorder.go_on.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert recorder.done in ([1], [1, 2])  # the second had begun if `close` came last
    assert recorder.worker.put(3) is None
    recorder.worker.close()  # twice is as good as once
    assert 3 not in recorder.done
    assert not recorder.threads[0].is_alive()


def test_an_idle_thread_ends_and_the_next_item_starts_another(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE", 0.01)
    for item in (1, 2):
        recorder.worker.put(item)
        recorder.until(lambda item=item: item in recorder.done)  # type: ignore[misc]
        recorder.threads[-1].join(PATIENCE)
        assert not recorder.threads[-1].is_alive()
    assert recorder.done == [1, 2]
    assert recorder.threads[0] is not recorder.threads[1]


def test_no_item_is_lost_at_the_moment_a_thread_gives_up(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE", 0.0)  # it gives up at once, so every item may meet one that is just leaving
    for item in range(200):
        recorder.worker.put(item)
        recorder.until(lambda item=item: item in recorder.done)  # type: ignore[misc]
    assert recorder.done == list(range(200))


def test_work_may_close_its_own_worker() -> None:
    ended = threading.Event()

    def work(_item: int) -> None:
        mine.close()
        ended.set()

    mine: Worker[int] = Worker(work, lambda item, error: None, "own")
    mine.put(1)
    assert ended.wait(PATIENCE)


def test_a_worker_outlives_a_complaint_that_fails_itself(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    def complain(item: int, error: Exception) -> None:
        recorder.fail(item, error)
        raise ConnectionError("there is nobody to complain to")

    recorder.worker = Worker(recorder.work, complain, "test")
    recorder.worker.put(-1)
    recorder.until(lambda: bool(recorder.failed))
    recorder.worker.put(1)
    recorder.until(lambda: recorder.done == [1])
    assert "there is nobody to complain to" in caplog.text
