"""What can be looked at beside a camera: ipywebrtc's other streams, a picture; and what a saved notebook keeps of it all."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest

from tests.browser.toolbox import Toolbox

HOPPER = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"

STREAMS = {
    "ImageStream": f"ipywebrtc.ImageStream(image=ipywidgets.Image.from_file({str(HOPPER)!r}))",
    "WidgetStream": "ipywebrtc.WidgetStream(widget=shown, max_fps=10)",
    "VideoStream": "ipywebrtc.VideoStream.from_file(VIDEO)",
}


@pytest.mark.parametrize("kind", list(STREAMS))
def test_any_stream_of_ipywebrtc_reaches_the_kernel(lab, shared, kind):
    video = shared / "data" / "video" / "big-buck-bunny.mp4"
    cells = [
        f"import deepvis_widgets as dv, ipywebrtc, ipywidgets\nVIDEO = {str(video)!r}",
        f"shown = ipywidgets.Image.from_file({str(HOPPER)!r}, layout={{'width': '200px'}})\nshown",
        f"stream = {STREAMS[kind]}\nd = dv.DeepVis(source=stream)\nd",
    ]
    toolbox = Toolbox.open(lab, *cells)
    toolbox.press("● Camera")
    toolbox.wait_kernel("d._frame.sequence >= 1")  # a still stream has one frame and no more
    kernel = toolbox.kernel()
    assert kernel["pixels"][..., :3].std() > 20
    assert toolbox.tracks() == []


def test_a_picture_is_looked_at_and_kept(lab):
    toolbox = Toolbox.open(lab)
    toolbox.start()
    toolbox.find("input[type=file]").set_input_files(HOPPER)
    toolbox.wait_tracks_ended()
    toolbox.wait("document.querySelector('.dv-pump').dataset.state === 'stopped'")
    toolbox.wait_kernel("d._frame.held and d._frame.pixels.shape[2] == 4")
    kernel = toolbox.kernel()
    toolbox.wait("(kept) => document.querySelector('.dv-grid').dataset.sequence === String(kept)", kernel["sequence"])
    assert (toolbox.tiles() == kernel["palette"][kernel["maps"]]).all()


def test_a_file_that_is_no_picture_is_refused_and_what_was_shown_stays(lab, tmp_path):
    toolbox = Toolbox.open(lab)
    before = toolbox.canvas()
    (tmp_path / "words.txt").write_text("no picture")
    toolbox.find("input[type=file]").set_input_files(tmp_path / "words.txt")
    toolbox.wait_message("neither a picture nor a video")
    assert (toolbox.canvas() == before).all()


def test_the_last_picture_survives_in_the_saved_notebook(lab):
    toolbox = Toolbox.open(lab)
    first = saved_picture(toolbox)
    toolbox.start(10)
    toolbox.press("■ Stop")
    toolbox.wait("document.querySelector('.dv-pump').dataset.state === 'stopped'")
    toolbox.wait_kernel("d.pump.state == 'stopped' and d.grid._still['sequence'] == d._frame.sequence > 0")
    kernel = toolbox.kernel()
    stored = toolbox.notebook.execute("print(d.grid._still['sequence'], len(d.grid._pixels), len(d.predictions.items))").split()
    assert stored == [str(kernel["sequence"]), str(kernel["maps"].size), "5"]
    toolbox.wait(f"(first) => {PICTURE} !== first", first)
    assert saved_picture(toolbox).startswith("iVBOR")


PICTURE = "window.jupyterapp.shell.currentWidget.context.model.toJSON().cells[0].outputs[0].data['image/png']"


def saved_picture(toolbox: Toolbox) -> str:
    """What stands in the notebook for whoever opens it without a kernel."""
    return str(toolbox.notebook.page.evaluate(PICTURE))
