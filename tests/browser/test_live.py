"""The live chain, camera -> kernel -> every map of a layer on the canvas, in each front end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deepvis_widgets as dv
from tests.browser.toolbox import Toolbox


@pytest.fixture(scope="module")
def inspector() -> dv.Inspector:
    return dv.Inspector(dv.load("caffenet-mini"))


def test_a_frame_on_the_canvas_is_what_the_network_computes_for_it(front_end, inspector):
    toolbox = Toolbox.open(front_end)
    toolbox.start()
    toolbox.notebook.screenshot(f"live-{front_end.name}")
    toolbox.freeze()

    kernel = toolbox.kernel()
    assert toolbox.sequence == kernel["sequence"]
    np.testing.assert_array_equal(toolbox.tiles(), kernel["palette"][kernel["maps"]])

    pixels = torch.from_numpy(kernel["pixels"][..., :3].copy()).permute(2, 0, 1)[None]
    wanted = inspector.activations(inspector.model.normalize(pixels / 255), "conv5")[0].numpy()
    shown = kernel["low"] + kernel["maps"] / 255 * (kernel["high"] - kernel["low"])
    step = (kernel["high"] - kernel["low"]) / 255
    assert np.abs(shown - wanted).max() <= 0.51 * step + 1e-5
    assert not toolbox.notebook.errors


def test_maps_change_with_the_film_and_hold_while_frozen(lab):
    toolbox = Toolbox.open(lab)
    toolbox.start()
    before = toolbox.canvas()
    toolbox.wait_frames(10)
    assert (toolbox.canvas() != before).any()

    toolbox.freeze()
    frozen, sequence = toolbox.canvas(), toolbox.sequence
    played = toolbox.notebook.page.evaluate(
        "new Promise((done) => { let n = 0; const tick = () => (++n > 30 ? done(n) : requestAnimationFrame(tick)); tick(); })"
    )
    assert played > 30
    assert toolbox.sequence == sequence
    np.testing.assert_array_equal(toolbox.canvas(), frozen)

    toolbox.press("❄ Frozen")
    toolbox.wait_frames(5)
    assert (toolbox.canvas() != frozen).any()


def test_a_sample_picture_is_there_before_the_camera_is(lab):
    toolbox = Toolbox.open(lab)
    kernel = toolbox.kernel()
    np.testing.assert_array_equal(toolbox.tiles(), kernel["palette"][kernel["maps"]])
    assert toolbox.notebook.page.locator(".dv-predictions li").count() == 5
    assert toolbox.canvas(".dv-preview")[..., :3].std() > 20
    assert toolbox.tracks() == []


def test_another_layer_is_one_click_away(lab):
    toolbox = Toolbox.open(lab)
    toolbox.find("[data-layer=conv1]").click()
    toolbox.wait("document.querySelector('.dv-caption').textContent.startsWith('conv1')")
    toolbox.wait("document.querySelector('.dv-maps').width >= 32")
    assert toolbox.kernel()["shape"] == [64, 32, 32]
    toolbox.notebook.screenshot("conv1")
    toolbox.find("[data-layer=fc8]").click()
    toolbox.wait("document.querySelector('.dv-caption').textContent.startsWith('fc8')")
    toolbox.wait("document.querySelector('.dv-readout').textContent.startsWith('fc8')")
    kernel = toolbox.kernel()
    assert kernel["signed"]
    np.testing.assert_array_equal(toolbox.tiles(), kernel["palette"][kernel["maps"]])
    toolbox.notebook.screenshot("fc8")


def test_a_network_that_fails_on_a_frame_says_so_and_goes_on(lab):
    cell = """
import deepvis_widgets as dv, torch
class Moody(torch.nn.Module):
    broken = False
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3)
    def forward(self, x):
        if self.broken:
            raise RuntimeError("no more")
        return self.conv(x).mean((2, 3))
net = Moody()
d = dv.DeepVis(dv.wrap(net, input_size=(3, 48, 64)))
d
"""
    toolbox = Toolbox.open(lab, cell)
    toolbox.start()
    toolbox.notebook.execute("net.broken = True")
    toolbox.wait_message("RuntimeError: no more")
    toolbox.notebook.screenshot("network-fails")
    toolbox.notebook.execute("net.broken = False")
    toolbox.wait("document.querySelector('.dv-message').hidden")
    toolbox.wait_frames(5)
    assert toolbox.kernel()["frame"] == [48, 64, 4]


def test_nan_is_counted_and_chequered(lab):
    cell = """
import deepvis_widgets as dv, torch
class Broken(torch.nn.Conv2d):
    def forward(self, x):
        y = super().forward(x)
        return y.masked_fill(torch.arange(y.shape[1]).view(1, -1, 1, 1) == 2, float("nan"))
d = dv.DeepVis(dv.wrap(torch.nn.Sequential(Broken(3, 8, 5)), input_size=(3, 32, 32)))
d
"""
    toolbox = Toolbox.open(lab, cell)
    assert f"{28 * 28} values are NaN" in toolbox.find(".dv-caption").inner_text()
    colours = {tuple(pixel) for pixel in toolbox.tiles()[2].reshape(-1, 3)}
    assert colours == {(255, 0, 255), (0, 0, 0)}
