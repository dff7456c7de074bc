"""The film that Chromium's fake camera plays: Motion JPEG, which it repeats for ever."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from imageio_ffmpeg import get_ffmpeg_exe

if TYPE_CHECKING:
    from pathlib import Path

SIZE = "640x480"
RATE = 30
SECONDS = 6


def make_film(film: Path, source: Path | None = None) -> Path:
    """Writes the first seconds of ``source``, or a moving test pattern, to ``film``."""
    picture = ["-i", str(source)] if source else ["-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate={RATE}"]
    form = ["-t", str(SECONDS), "-r", str(RATE), "-s", SIZE, "-an", "-f", "mjpeg", "-q:v", "3"]
    subprocess.run([get_ffmpeg_exe(), "-y", "-loglevel", "error", *picture, *form, str(film)], check=True, timeout=120)
    return film
