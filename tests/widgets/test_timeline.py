"""The timeline draws each score once, forgets what was rewound, and tells what the page asks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepvis_widgets.widgets.timeline import Timeline
from tests.widgets.conftest import Page

WORDS = {"step": "step 1 / 10"}


def made() -> tuple[Timeline, Page, list[tuple[str, int]]]:
    orders: list[tuple[str, int]] = []
    timeline = Timeline(lambda order, number: orders.append((order, number)))
    timeline.clear(10, 2)
    return timeline, Page(timeline), orders


def drawn(page: Page) -> list[list[float]]:
    """The curve as the page has put it together."""
    curve: list[list[float]] = []
    for content, buffers in page.received:
        del curve[content["from"] :]
        curve += np.frombuffer(buffers[0], np.float32).reshape(-1, content["samples"]).tolist()
    return curve


def test_each_score_is_sent_once_however_often_it_is_told() -> None:
    timeline, page, _ = made()
    for index in range(7):
        timeline.add(index, [index, -index])
        if index in (2, 3, 6):
            timeline.tell(WORDS, keep=False)
    assert [len(buffers[0]) // 8 for _, buffers in page.received] == [3, 1, 3]
    assert drawn(page) == [[index, -index] for index in range(7)]


def test_what_came_after_the_picture_gone_on_from_is_forgotten() -> None:
    timeline, page, _ = made()
    for index in range(5):
        timeline.add(index, [index, 0])
    timeline.tell(WORDS, keep=False)
    timeline.add(2, [20, 1])
    timeline.tell(WORDS, keep=False)
    assert drawn(page) == [[0, 0], [1, 0], [20, 1]]
    assert timeline.scores == ((0, 0), (1, 0), (20, 1))


def test_what_is_kept_is_the_whole_curve() -> None:
    timeline, page, _ = made()
    for index in range(4):
        timeline.add(index, [index, 1])
    timeline.tell(WORDS, keep=True)
    assert not page.received
    assert np.frombuffer(timeline._curve, np.float32).tolist() == [0, 1, 1, 1, 2, 1, 3, 1]
    assert (timeline.index, timeline._words) == (3, WORDS)


def test_what_is_the_same_as_last_time_is_drawn_again_all_the_same() -> None:
    """The page may have been shown something else in between, by messages."""
    timeline, _, _ = made()
    timeline.add(0, [1, 2])
    timeline.look(0, WORDS, rewound=False)
    timeline.tell({"step": "step 9 / 10"}, keep=False)
    changes: list[str] = []
    timeline.observe(lambda change: changes.append(change["name"]), list(timeline.keys))
    timeline.look(0, WORDS, rewound=False)
    assert changes == ["_kept"]


def test_orders_of_the_page_are_told_and_nonsense_is_not() -> None:
    _, page, orders = made()
    nonsense: list[Any] = [None, "scrub", 3, {"kind": "explode"}, {"kind": "scrub", "number": "a"}, {}]
    for content in [{"kind": "scrub", "number": 4}, {"kind": "run"}, *nonsense]:
        page.message(content)
    assert orders == [("scrub", 4), ("run", 0)]
