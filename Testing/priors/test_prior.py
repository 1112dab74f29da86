"""The prior's evaluation: independent of batch and padding, guarded against memory and NaN."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ctdiffusion.priors.denoiser import EDMDenoiser
from ctdiffusion.priors.packs.pack import build_network, load_pack
from ctdiffusion.priors.prior import Prior
from priors.small_pack import INFO, small_pack


@pytest.fixture
def prior(tmp_path: Path) -> Prior:
    return load_pack(small_pack(tmp_path / "small"))


def noisy(slices: int, rows: int = 24, columns: int = 20) -> torch.Tensor:
    return torch.randn((slices, rows, columns), generator=torch.Generator().manual_seed(1))


def test_the_batch_size_does_not_change_the_answer(prior: Prior) -> None:
    x = noisy(7)
    whole = prior.predict_x0(x, 0.1, 1.0)
    prior.batch = 2
    assert torch.allclose(prior.predict_x0(x, 0.1, 1.0), whole, atol=1e-5)
    assert torch.allclose(prior.predict_x0(x[3:4], 0.1, 1.0)[0], whole[3], atol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(17, 23), (16, 16), (5, 40), (1, 3)])
def test_any_size_is_padded_and_cut_back(prior: Prior, rows: int, columns: int) -> None:
    assert prior.predict_x0(noisy(2, rows, columns), 0.1, 1.0).shape == (2, rows, columns)


def test_low_noise_is_left_alone_and_infinite_noise_forgets_the_input() -> None:
    network = build_network(INFO.network, "test")
    for value in network.parameters():
        torch.nn.init.zeros_(value)
    prior = Prior(INFO, EDMDenoiser(network, 0.3, 0.25))
    x = noisy(1)
    assert torch.allclose(prior.predict_x0(x, 0.002, 1.0), x, atol=3e-4)
    # A zero network leaves the skip path: the posterior mean of a white Gaussian of this mean and deviation.
    sigma = 1.0
    expected = 0.25 + (x - 0.25) * 0.3**2 / (0.3**2 + sigma**2)
    assert torch.allclose(prior.predict_x0(x, sigma, 1.0), expected, atol=1e-5)


def test_condition_reaches_the_network(prior: Prior) -> None:
    x = noisy(1)
    assert not torch.allclose(prior.predict_x0(x, 0.1, 0.7), prior.predict_x0(x, 0.1, 2.5), atol=1e-5)


def test_out_of_memory_halves_the_batch(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = prior._evaluate
    sizes = []

    def limited(x: torch.Tensor, label: int, sigma: float, spacing: float) -> torch.Tensor:
        sizes.append(x.shape[0])
        if x.shape[0] > 2:
            raise torch.OutOfMemoryError("injected")
        return evaluate(x, label, sigma, spacing)

    x = noisy(7)
    expected = prior.predict_x0(x, 0.1, 1.0)
    monkeypatch.setattr(prior, "_evaluate", limited)
    assert torch.allclose(prior.predict_x0(x, 0.1, 1.0), expected, atol=1e-5)
    assert sizes == [7, 4, 2, 2, 2, 1]


def test_nan_weights_at_run_time_stop_the_sampler(prior: Prior) -> None:
    with torch.no_grad():
        prior._denoiser.network.head.bias[0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        prior.predict_x0(noisy(1), 0.1, 1.0)


def test_nan_in_reduced_precision_is_tried_again_in_float32(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = prior._evaluate

    def overflowing(x: torch.Tensor, label: int, sigma: float, spacing: float) -> torch.Tensor:
        return evaluate(x, label, sigma, spacing) * (float("nan") if prior.reduced_precision else 1.0)

    x = noisy(2)
    expected = prior.predict_x0(x, 0.1, 1.0)
    monkeypatch.setattr(prior, "_evaluate", overflowing)
    prior.reduced_precision = True
    assert torch.equal(prior.predict_x0(x, 0.1, 1.0), expected)
    assert not prior.reduced_precision


def test_foreign_pixel_sizes_are_named(prior: Prior) -> None:
    assert prior.gate(1.5, 1.5) == []
    assert "0.148" in prior.gate(0.148, 0.148)[0]


def test_pixels_that_are_not_square_are_named(prior: Prior) -> None:
    assert prior.gate(1.4, 1.6) == []
    assert prior.gate(1.0, 2.25) == [f"prior {prior.info.name} knows square pixels, these are 1 x 2.25 mm"]


def test_expected_error_interpolates_the_report_card(prior: Prior) -> None:
    from dataclasses import replace

    prior.info = replace(prior.info, quality={"denoising_rmse": {"0.01": 0.004, "0.1": 0.016}})
    assert prior.expected_error(0.01) == pytest.approx(0.004)
    assert prior.expected_error(0.1) == pytest.approx(0.016)
    assert prior.expected_error(0.0316227766) == pytest.approx(0.008)
    assert prior.expected_error(5.0) == pytest.approx(0.016)


def test_stacks_are_denoised_together_and_padded_like_slices(prior: Prior) -> None:
    x = torch.randn(3, 3, 13, 18, generator=torch.Generator().manual_seed(1))
    together = prior.predict_stacks(x, 1, 0.1, 1.5)
    assert together.shape == x.shape
    prior.batch = 1
    torch.testing.assert_close(prior.predict_stacks(x, 1, 0.1, 1.5), together, rtol=1e-4, atol=1e-5)
    changed = x.clone()
    changed[:, 2] += 1.0
    assert float((prior.predict_stacks(changed, 1, 0.1, 1.5) - together)[:, 0].abs().max()) > 1e-3
    assert float((prior.predict_stacks(x, 3, 0.1, 1.5) - together).abs().max()) > 1e-3, "the label must matter"
    same = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(prior.predict_stacks(same, 0, 0.1, 1.5).mean(1), prior.predict_x0(x[:, 0], 0.1, 1.5))


def test_stacks_that_the_prior_does_not_know_are_refused(prior: Prior) -> None:
    with pytest.raises(ValueError, match="label 2"):
        prior.predict_stacks(torch.zeros(1, 3, 8, 8), 2, 0.1, 1.5)
    with pytest.raises(ValueError, match="not 5 with label 1"):
        prior.predict_stacks(torch.zeros(1, 5, 8, 8), 1, 0.1, 1.5)
