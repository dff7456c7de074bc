"""Exports: files for the user's own computer and text for the clipboard; the kernel may run elsewhere."""

from __future__ import annotations

from pathlib import Path

import anywidget

STATIC = Path(__file__).parent / "static"


class Exports(anywidget.AnyWidget):
    """Takes no room until the browser refuses the clipboard; then the text stands here to be copied by hand."""

    _esm = STATIC / "exports.js"
    _css = STATIC / "exports.css"

    def download(self, name: str, data: bytes, mime: str = "application/octet-stream") -> None:
        """Have the browser save a file.

        Args:
            name: of the file, without folders.
            data: what is in it.
            mime: its type.
        """
        self.send({"kind": "download", "name": name, "mime": mime}, buffers=[data])

    def copy(self, text: str) -> None:
        """Put a text on the clipboard of whoever looks at the page."""
        self.send({"kind": "copy", "text": text})
