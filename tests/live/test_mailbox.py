"""The mailbox holds the latest item and nothing else, and wakes whoever waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepvis_widgets.live.mailbox import Closed, Empty, Mailbox

PATIENCE = 60  # seconds


@given(st.lists(st.none() | st.integers(), max_size=40))
def test_take_gives_the_latest_and_put_gives_back_what_it_replaced(actions: list[int | None]) -> None:
    """None takes, a number is put."""
    box: Mailbox[int] = Mailbox()
    latest: list[int] = []  # the model: at most one item
    dropped = 0
    for item in actions:
        if item is None:
            if latest:
                assert box.take() == latest.pop()
            else:
                with pytest.raises(Empty):
                    box.take(timeout=0)
        else:
            dropped += len(latest)
            assert box.put(item) == (latest.pop() if latest else None)
            latest.append(item)
        assert box.empty == (not latest)
        assert box.dropped == dropped


def test_nothing_is_lost_twice_or_out_of_order_between_threads() -> None:
    box: Mailbox[int] = Mailbox()
    count = 2000
    taken: list[int] = []

    def reader() -> None:
        while not taken or taken[-1] != count - 1:
            taken.append(box.take(PATIENCE))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(reader)
        replaced = [box.put(item) for item in range(count)]
        reading.result(PATIENCE)
    dropped = [item for item in replaced if item is not None]
    assert taken == sorted(set(taken))
    assert sorted([*taken, *dropped]) == list(range(count))
    assert box.dropped == len(dropped)


def test_close_wakes_whoever_waits_and_lets_go_of_what_lies_there() -> None:
    box: Mailbox[int] = Mailbox()
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        box.take(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(wait)
        assert waiting.wait(PATIENCE)
        box.close()
        assert isinstance(taking.exception(PATIENCE), Closed)
    box.put(1)
    with pytest.raises(Closed):
        box.take(PATIENCE)


def test_none_is_an_item_like_any_other() -> None:
    box: Mailbox[object] = Mailbox()
    box.put(None)
    assert not box.empty
    assert box.take(0) is None
