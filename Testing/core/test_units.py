"""HU, attenuation and the prior's range are one another's inverse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ctdiffusion.core.units import MU_WATER, AttenuationScale, HUWindow
from hypothesis import given
from hypothesis import strategies as st

HU = st.floats(-1024.0, 30000.0)


def test_water_and_air():
    scale = AttenuationScale()
    assert scale.to_mu(0.0) == MU_WATER and scale.to_mu(-1000.0) == 0.0
    assert scale.to_hu(0.0) == -1000.0
    assert AttenuationScale(0.02).to_mu(500.0) == pytest.approx(0.03)


@given(hu=HU, mu_water=st.floats(1e-4, 10.0))
def test_hu_round_trip(hu, mu_water):
    scale = AttenuationScale(mu_water)
    assert scale.to_hu(scale.to_mu(hu)) == pytest.approx(hu, abs=1e-8)


@given(hu=HU, low=st.floats(-2000.0, 0.0), width=st.floats(1.0, 5000.0))
def test_window_round_trip(hu, low, width):
    window = HUWindow(low, low + width)
    assert window.denormalise(window.normalise(hu)) == pytest.approx(hu, abs=1e-7)
    assert window.normalise(window.low) == 0.0 and window.normalise(window.high) == pytest.approx(1.0)


def test_float32_arrays_and_tensors_keep_their_type_and_a_hundredth_of_a_hu():
    hu = np.linspace(-1024, 3071, 1000, dtype=np.float32)
    scale = AttenuationScale()
    for values in (hu, torch.from_numpy(hu)):
        back = scale.to_hu(scale.to_mu(values))
        assert back.dtype == values.dtype
        assert float(abs(back - values).max()) < 1e-2


@pytest.mark.parametrize("mu_water", [0.0, -1.0, float("nan"), float("inf"), 100.0])
def test_impossible_water_is_refused(mu_water):
    with pytest.raises(ValueError, match="mu_water"):
        AttenuationScale(mu_water)


@pytest.mark.parametrize("window", [(0.0, 0.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_empty_windows_are_refused(window):
    with pytest.raises(ValueError, match="window"):
        HUWindow(*window)
