"""The image-domain systems: each against a closed-form posterior, and what must hold for all of them."""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.families.image_parameters import SIGMA_LIMITED, SIGMA_START, SamplingParameters
from ctdiffusion.methods.families.images import first_level
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import methods
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.packs.pack import load_pack
from ctdiffusion.samplers.admm import TotalVariationConsistency
from ctdiffusion.samplers.consistency import ConjugateGradientConsistency
from ctdiffusion.samplers.nullspace import NullSpaceConsistency
from ctdiffusion.samplers.schedule import geometric
from ctdiffusion.scan.beams import ConeBeam, Grid, ParallelBeam, equispaced, limited_angle
from ctdiffusion.scan.projections import Projections
from methods.test_dds import DEVIATION, SIDE, UNIT, Interrupted, dense, small_problem
from priors.small_pack import small_pack
from samplers import version_one
from samplers.gaussian_prior import GaussianPrior, posterior

SYSTEMS = ("dds", "dds-tv", "ddnm", "iscs", "diffusionblend", "diffusionblend++", "diffpir", "dps")


class TripletGaussian(GaussianPrior):
    """The same exact prior for stacks."""

    def predict_stacks(self, x: torch.Tensor, label: int, sigma: float, spacing: float) -> torch.Tensor:
        return GaussianPrior.predict_x0(self, x, sigma, spacing)


def run(name: str, problem: Problem, **values: Any) -> torch.Tensor:
    method = methods()[name]
    return method.run(problem, from_mapping(method.parameters, values, "test"))


@pytest.mark.parametrize("name", ["dds", "dds-tv", "iscs", "diffusionblend", "diffusionblend++", "diffpir"])
def test_mean_of_samples_is_the_posterior_mean(name: str) -> None:
    problem = small_problem(300, TripletGaussian(torch.tensor(0.3), DEVIATION))
    # Independent slices: each is a sample of its own.
    own: dict[str, dict[str, Any]] = {"iscs": {"noise_length": 1}, "dds-tv": {"tv": 1e-9}, "diffpir": {"zeta": 0.5}}
    values = {} if name == "diffpir" else {"eta": 1.0}
    samples = run(
        name, problem, steps=60, sigma_end=0.003, cg_iterations=40, trust=1.0, model_error=0.0, final_cg=0,
        **values, **own.get(name, {}),
    ).flatten(1)
    y = problem.projections.data[0].flatten()
    mean, covariance = posterior(
        dense(problem) * UNIT, y, torch.full_like(y, 0.02**2), torch.full((SIDE * SIDE,), 0.3), DEVIATION
    )
    assert float((samples.mean(0) / UNIT - mean).square().mean().sqrt()) < 0.05 * DEVIATION
    # DDS replaces the posterior of x0 given x by its mean at every level, so its spread is too small, not too large.
    spread = float((samples / UNIT).var(0).mean() / covariance.diagonal().mean())
    assert 0.05 < spread < 1.1, f"variance is {spread:.2f} of the posterior's"


def test_mean_of_null_space_samples_is_the_posterior_mean_of_exact_data() -> None:
    """In the directions that early-stopped SIRT takes from the data."""
    problem = small_problem(60, TripletGaussian(torch.tensor(0.3), DEVIATION), noise_level=None)
    samples = run("ddnm", problem, steps=12, sigma_end=0.003, eta=1.0, sirt_iterations=100, final_cg=0)
    matrix = dense(problem) * UNIT
    _, values, directions = torch.linalg.svd(matrix, full_matrices=True)
    values = torch.nn.functional.pad(values, (0, directions.shape[0] - values.shape[0])) / values.max()
    y = problem.projections.data[0].flatten()
    mean, _ = posterior(matrix, y, torch.full_like(y, 1e-4**2), torch.full((SIDE * SIDE,), 0.3), DEVIATION)
    seen = values > 0.2
    assert int(seen.sum()) > 20
    error = (directions @ (samples.flatten(1).mean(0) / UNIT - mean))[seen]
    assert float(error.square().mean().sqrt()) < 0.1 * DEVIATION


def test_limited_angle_starts_from_more_noise() -> None:
    """The FBP of a limited arc is no good start; a level that was asked for stays."""
    sparse, limited = (ParallelBeam(angles, 9, 1.0) for angles in (equispaced(8, math.pi), limited_angle(30, 0.0, 1.7)))
    assert first_level(SamplingParameters(), sparse) == SIGMA_START
    assert first_level(SamplingParameters(), limited) == SIGMA_LIMITED > SIGMA_START
    assert first_level(SamplingParameters(sigma_start=0.5), limited) == 0.5


def test_inter_slice_noise_leaves_the_marginal_of_a_slice_alone() -> None:
    """Over seeds, one slice has the same distribution with and without correlated noise."""
    statistics = []
    for policy in ("independent", "inter-slice"):
        samples = []
        for seed in range(60):
            problem = replace(small_problem(5, GaussianPrior(torch.tensor(0.3), DEVIATION)), noise=NoiseSource(seed))
            mu = run("iscs", problem, steps=12, noise_policy=policy, noise_length=0, trust=1.0, final_cg=0)
            samples.append(mu[2].flatten() / UNIT)
        stacked = torch.stack(samples)
        statistics.append((stacked.mean(0), stacked.std(0)))
    (mean_a, std_a), (mean_b, std_b) = statistics
    assert float((mean_a - mean_b).abs().mean()) < 2.0 * float(std_a.mean()) * (2 / 60) ** 0.5
    assert float(std_b.mean() / std_a.mean()) == pytest.approx(1.0, abs=0.1)


def test_inter_slice_noise_makes_equal_slices_agree() -> None:
    """The measurement is the same in every slice: what differs between slices is the sampler's doing."""
    problem = small_problem(6, GaussianPrior(torch.tensor(0.3), DEVIATION))
    rough = {
        policy: float(run("iscs", problem, noise_policy=policy, final_cg=0).diff(dim=0).abs().mean())
        for policy in ("independent", "inter-slice", "shared")
    }
    assert rough["shared"] < 1e-6
    assert rough["inter-slice"] < 0.2 * rough["independent"]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return small_pack(tmp_path / "small")


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("slices", [1, 2, 4, 7, 11])
def test_any_number_of_slices(pack: Path, name: str, slices: int) -> None:
    mu = run(name, small_problem(slices, load_pack(pack)), steps=3)
    assert mu.shape[0] == slices and bool(torch.isfinite(mu).all())


def version_one_of(problem: Problem, name: str, transition: str, eta: float, steps: int) -> torch.Tensor:
    """DDS and DDNM with their defaults, as version 1 went through them."""
    prior: Any = problem.prior
    scale, window = problem.projections.scale, prior.info.hu_window
    operator, projections = problem.operator, problem.projections

    def to_mu(x: torch.Tensor) -> torch.Tensor:
        return scale.to_mu(window.denormalise(x))

    def to_prior(mu: torch.Tensor) -> torch.Tensor:
        return window.normalise(scale.to_hu(mu))

    def tau(trust: float, sigma: float) -> float:
        return float(scale.to_mu(window.high) - scale.to_mu(window.low)) * prior.expected_error(sigma) / trust**0.5

    if name == "dds":
        gradients = ConjugateGradientConsistency.of(operator, projections, 10, 0.01).carrying()
        agree = lambda x0, sigma: to_prior(gradients(to_mu(x0), tau(0.1, sigma)))  # noqa: E731
    else:
        null_space = NullSpaceConsistency.of(operator, projections, 10)
        agree = lambda x0, sigma: to_prior(null_space(to_mu(x0)))  # noqa: E731
    pixel = problem.grid.in_plane_spacing
    start = to_prior(operator.fbp(projections.data, "hann")).clamp(0.0, 1.0)
    x0 = version_one.sample(
        start,
        geometric(0.3, 0.01, steps),
        lambda x, sigma, step: prior.predict_x0(x, sigma, pixel),
        agree,
        version_one.transition(transition, eta),
        lambda step: problem.noise.normal(step, tuple(start.shape)),
    )
    x0 = prior.predict_x0(x0, 0.01, pixel)
    return ConjugateGradientConsistency.of(operator, projections, 20, 0.01)(to_mu(x0), tau(0.05, 0.01))


@pytest.mark.parametrize("name", ["dds", "ddnm"])
@pytest.mark.parametrize("transition", ["dds", "renew", "ancestral", "diffpir"])
def test_jobs_of_version_one_mean_what_they_did(pack: Path, name: str, transition: str) -> None:
    """To the bit but for how conjugate gradients start; and the one name that means something else today is told."""
    texts: list[str] = []

    class Warnings(Monitor):
        def warn(self, text: str) -> None:
            texts.append(text)

    problem = replace(small_problem(3, load_pack(pack)), monitor=Warnings())
    expected = version_one_of(problem, name, transition, 0.6, 4)
    assert torch.equal(run(name, problem, transition=transition, eta=0.6, steps=4), expected)
    assert len([text for text in texts if text.startswith("transition: ")]) == (transition == "diffpir")


@pytest.mark.parametrize("name", SYSTEMS)
def test_resuming_gives_the_same_bits(pack: Path, name: str) -> None:
    problem = small_problem(4, load_pack(pack))
    unbroken = run(name, problem, steps=5)
    monitor = Interrupted(3)
    with pytest.raises(KeyboardInterrupt):
        run(name, replace(problem, monitor=monitor), steps=5)
    monitor.stop = -1
    assert torch.equal(run(name, replace(problem, monitor=monitor), steps=5), unbroken)


class Scales(Monitor):
    """Weighs the tensors that are alive at the end of each step."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def step(self, phase: str, step: int, total: int, image: torch.Tensor | None = None) -> None:
        if phase == "sampling":
            alive = [found for found in gc.get_objects() if issubclass(type(found), torch.Tensor)]
            storages = {found.untyped_storage().data_ptr(): found.untyped_storage().nbytes() for found in alive}
            self.bytes.append(sum(storages.values()))


@pytest.mark.parametrize("name", SYSTEMS)
def test_memory_grows_with_the_slab_and_not_with_the_steps(pack: Path, name: str) -> None:
    prior = load_pack(pack)
    weighed = []
    for slices in (8, 16):
        monitor = Scales()
        run(name, replace(small_problem(slices, prior), monitor=monitor), steps=8)
        # A step may leave one volume more or less behind than the one before; none may pile up.
        volume = 4 * slices * SIDE * SIDE
        assert abs(monitor.bytes[-1] - monitor.bytes[2]) <= 2 * volume
        weighed.append(max(monitor.bytes))
    assert weighed[0] < weighed[1] < 2.2 * weighed[0]


@pytest.mark.parametrize("name", SYSTEMS)
def test_presets_are_parameters_of_their_method(pack: Path, name: str) -> None:
    method = methods()[name]
    for preset in method.presets.values():
        values = {**preset, "steps": 2}
        mu = run(name, small_problem(4, load_pack(pack)), **values)
        assert bool(torch.isfinite(mu).all())


@pytest.mark.parametrize("name", SYSTEMS)
def test_cone_beam(pack: Path, name: str) -> None:
    grid = Grid((6, 12, 12), (2.0, 2.0, 2.0))
    geometry = ConeBeam(equispaced(10), 200.0, 300.0, 16, 28, 2.0, 2.0)
    operator = make_operator(geometry, grid)
    truth = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)) * 0.04
    projections = Projections(operator.forward(truth), geometry, simulated=True, noise_free=True)
    problem = Problem(projections, operator, grid, NoiseSource(0), Monitor(), load_pack(pack))
    mu = run(name, problem, steps=3, final_cg=30)
    assert float((operator.forward(mu) - projections.data).norm() / projections.data.norm()) < 0.05


def test_priors_of_something_else_are_refused(pack: Path) -> None:
    prior = load_pack(pack)
    for change, text in (({"modality": "MR"}, "MR images"), ({"domain": "sinogram"}, "CT sinograms")):
        prior.info = replace(prior.info, **change)
        with pytest.raises(ValueError, match=f"prior: small is a prior of {text}"):
            run("dds", small_problem(2, prior))
        prior = load_pack(pack)
    prior.info = replace(prior.info, labels=(0,))
    with pytest.raises(ValueError, match="label"):
        run("diffusionblend", small_problem(4, prior))


def test_null_space_consistency_changes_only_what_the_data_see() -> None:
    problem = small_problem(2, GaussianPrior(torch.tensor(0.3), DEVIATION), noise_level=None)
    null_space = NullSpaceConsistency.of(problem.operator, problem.projections, 4000)
    estimate = torch.rand(problem.grid.shape, generator=torch.Generator().manual_seed(2)) * UNIT
    result = null_space(estimate)
    data = problem.projections.data
    assert float((problem.operator.forward(result) - data).norm() / data.norm()) < 1e-2
    # The component of the change in the null space of A is nil, up to SIRT's own metric C, which is nearly constant.
    matrix = dense(problem).double()
    seen = matrix.T @ torch.linalg.pinv(matrix.T, rtol=1e-6)
    change = (result - estimate).flatten(1).double()
    assert float((change - change @ seen.T).norm() / change.norm()) < 0.1


def test_total_variation_step_converges_to_the_minimiser() -> None:
    """Many steps at one level minimise 1/2 |A mu - y|_W^2 + |mu - mu0|^2 / 2 tau^2 + strength / tau |D mu|_1."""
    problem = small_problem(4, GaussianPrior(torch.tensor(0.3), DEVIATION))
    generator = torch.Generator().manual_seed(4)
    estimate = UNIT * (0.3 + 0.1 * torch.randn(problem.grid.shape, generator=generator))
    tau, strength = 0.05 * UNIT, 1.0

    def objective(mu: torch.Tensor) -> float:
        residual = problem.operator.forward(mu) - problem.projections.data
        data = 0.5 * float((residual.square() / (0.02**2 + 1e-8)).sum())
        near = 0.5 * float(((mu - estimate) / tau).square().sum())
        return data + near + strength / tau * float(mu.diff(dim=0).abs().sum())

    smooth = TotalVariationConsistency.of(problem.operator, problem.projections, 30, 0.0, strength, "z")
    values = []
    for _ in range(60):
        mu = smooth(estimate, tau)
        values.append(objective(mu))
    assert values[-1] < values[0]
    assert values[-1] == pytest.approx(min(values), rel=1e-3)
    for step in range(20):
        other = mu + 1e-3 * UNIT * torch.randn(mu.shape, generator=torch.Generator().manual_seed(step))
        assert objective(other) > values[-1]
    inside = mu.diff(dim=0).abs() < 1e-4 * UNIT
    assert float(inside.float().mean()) > 0.2, "total variation makes differences vanish"


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_a_dead_pixel_read_does_not_matter_where_all_rays_count_alike(pack: Path, name: str) -> None:
    results = []
    for reading in (0.0, 7.0):
        problem = small_problem(4, load_pack(pack))
        projections = problem.projections
        assert projections.variance is not None
        data, variance = projections.data.clone(), projections.variance.clone()
        data[:, :, 5], variance[:, :, 5] = reading, torch.inf
        problem = replace(problem, projections=replace(projections, data=data, variance=variance))
        values = {"tv": 0.1} if name in ("dds", "iscs") else {}
        results.append(run(name, problem, steps=3, sigma_start=5.0, weighted=False, **values))
    assert float((results[1] - results[0]).norm() / results[0].norm()) < 0.2


@pytest.mark.parametrize(
    ("name", "slices", "told"),
    [
        ("iscs", 1, "noise_policy"),
        ("iscs", 2, ""),
        ("dds-tv", 1, "tv"),
        ("dds-tv", 2, ""),
        ("diffusionblend", 2, "fewer than three"),
        ("diffusionblend", 3, ""),
        ("diffusionblend++", 2, "fewer than three"),
        ("diffusionblend++", 8, "fewer than nine"),
        ("diffusionblend++", 9, ""),
    ],
)
def test_too_few_slices_for_a_system_are_told(pack: Path, name: str, slices: int, told: str) -> None:
    texts: list[str] = []

    class Warnings(Monitor):
        def warn(self, text: str) -> None:
            texts.append(text)

    run(name, replace(small_problem(slices, load_pack(pack)), monitor=Warnings()), steps=2)
    found = [text for text in texts if "slice" in text]
    assert len(found) == bool(told)
    assert not told or told in found[0]
