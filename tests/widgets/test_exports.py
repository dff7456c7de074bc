"""Files and texts reach the page as they are."""

from __future__ import annotations

from deepvis_widgets.widgets.exports import Exports
from tests.widgets.conftest import Page


def test_a_file_is_sent_with_its_name_and_every_byte() -> None:
    exports = Exports()
    page = Page(exports)
    data = bytes(range(256))
    exports.download("scores.csv", data, "text/csv")
    ((content, buffers),) = page.received
    assert content == {"kind": "download", "name": "scores.csv", "mime": "text/csv"}
    assert b"".join(bytes(buffer) for buffer in buffers) == data


def test_a_text_is_sent_as_it_is() -> None:
    exports = Exports()
    page = Page(exports)
    exports.copy("dv.visualize(model, 'fc8', 3)  # déjà vu\n")
    assert page.sent("copy") == [{"kind": "copy", "text": "dv.visualize(model, 'fc8', 3)  # déjà vu\n"}]
