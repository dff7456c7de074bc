"""The camera: private, off when nobody looks, and when it cannot be had the widget says what to do."""

from __future__ import annotations

import pytest

from tests.browser.toolbox import CELL, Toolbox


@pytest.mark.parametrize(
    ("camera", "words"), [("denied", "was refused"), ("absent", "No camera was found"), ("insecure", "https://")]
)
def test_a_camera_that_cannot_be_had_is_explained(lab, camera, words):
    toolbox = Toolbox.open(lab, camera=camera)
    toolbox.press("● Camera")
    toolbox.wait_message(words)
    toolbox.notebook.screenshot(f"camera-{camera}")
    toolbox.wait_kernel(f"d.pump.state == 'stopped' and not d.pump.running and {words!r} in d.pump.message")
    # A second try is a new question, not the old answer.
    toolbox.press("● Camera")
    toolbox.wait_message(words)


def test_stop_ends_the_track_and_start_opens_it_again(front_end):
    toolbox = Toolbox.open(front_end)
    toolbox.start()
    assert "live" in toolbox.tracks()
    toolbox.press("■ Stop")
    toolbox.wait_tracks_ended()
    toolbox.start()
    toolbox.notebook.execute("d.pump.running = False")
    toolbox.wait_tracks_ended()


@pytest.mark.parametrize("how", ["clear", "close", "run again"])
def test_the_camera_goes_off_when_the_widget_goes(lab, how):
    toolbox = Toolbox.open(lab)
    toolbox.start()
    if how == "clear":
        toolbox.notebook.page.evaluate("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    elif how == "close":
        toolbox.notebook.execute("d.close()")
    else:
        toolbox.notebook.run_all()
    toolbox.wait_tracks_ended()


def test_after_a_restart_of_the_kernel_the_cell_runs_again(lab):
    toolbox = Toolbox.open(lab)
    toolbox.start()
    toolbox.notebook.restart()
    toolbox.wait_tracks_ended()
    toolbox.notebook.run_all()
    toolbox.wait(
        "document.querySelector('.dv-pump')?.dataset.state === 'idle' && document.querySelector('.dv-maps')?.width > 1"
    )
    toolbox.start()
    toolbox.wait_frames(10)


def test_a_camera_that_is_unplugged_is_explained(lab):
    toolbox = Toolbox.open(lab)
    toolbox.start()
    toolbox.notebook.page.evaluate(
        "givenStreams.at(-1).getTracks().forEach((track) => { track.stop(); track.dispatchEvent(new Event('ended')); })"
    )
    toolbox.wait_message("was disconnected")
    toolbox.start()


def test_another_camera_can_be_picked(lab):
    toolbox = Toolbox.open(lab, camera="two")
    toolbox.start()
    picker = toolbox.find(".dv-pump select")
    assert picker.locator("option").count() == 2
    other = picker.locator("option:not(:checked)").first.get_attribute("value")
    picker.select_option(other)
    toolbox.wait("(id) => givenStreams.at(-1).getVideoTracks()[0].getSettings().deviceId === id", other)
    toolbox.wait("document.querySelector('.dv-pump').dataset.state === 'live'")
    toolbox.wait_frames(5)
    assert toolbox.tracks().count("live") == 1


def test_without_ipywebrtc_in_the_browser_the_pump_opens_the_camera_itself(lab):
    cell = """
import deepvis_widgets as dv
class Absent(dv.Camera().__class__):
    _model_module = "no-such-extension"
d = dv.DeepVis()
"""
    plain = "d.pump.stream = None\nd"
    toolbox = Toolbox.open(lab, cell, plain)
    toolbox.start()
    toolbox.wait_frames(5)


def test_nothing_of_a_camera_is_written_to_disk(lab):
    watch = """
import sys
written = []
def note(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        written.append(str(args[0]))
sys.addaudithook(note)
open("witness.txt", "w").close()
"""
    toolbox = Toolbox.open(lab, watch, CELL)
    toolbox.start(20)
    toolbox.press("■ Stop")
    toolbox.wait_tracks_ended()
    names = toolbox.notebook.execute("print([name for name in written if '__pycache__' not in name])")
    assert names.strip() == "['witness.txt']"
