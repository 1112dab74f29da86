"""Several methods on the same measurement: the runner behind the demo and the validation tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import pipeline
from ..acquisition.settings import SimulationSettings
from ..core import devices
from ..core.monitor import Monitor
from ..core.schema import from_mapping
from ..images.volume import Volume
from ..methods.registry import Method, method_named
from ..scan.beams import Geometry

if TYPE_CHECKING:
    from ..priors.kinds import AnyPrior


@dataclass(frozen=True)
class StudyResult:
    """What one method made of the measurement; `seconds` is the method's own time."""

    method: str
    volume: Volume
    metrics: dict[str, float]
    misfit: dict[str, float | None]
    seconds: float


def run_study(
    volume: Volume,
    geometry: Geometry,
    settings: SimulationSettings,
    methods: Iterable[tuple[str, Mapping[str, Any]]],
    seed: int = 0,
    device: str = "auto",
    prior: AnyPrior | Mapping[str, AnyPrior] | None = None,
    monitor: Monitor | None = None,
    first_slice: int = 0,
) -> list[StudyResult]:
    """Reconstruct one simulated measurement of `volume` by several methods, which share it and its projector.

    Args:
        volume: the true volume in HU; the methods never see it (contract C5).
        geometry: the scan.
        settings: noise and discretisation of the simulation.
        methods: names with their parameters (those left out keep their defaults).
        seed: seed of the measurement's noise and of every method.
        device: auto, cpu or cuda.
        prior: for the methods that need one; or several by name: each method takes the one called like its default.
        monitor: progress and cancel, for all methods.
        first_slice: absolute index of the volume's first slice, where it is part of a larger one.

    Raises:
        ValueError: unknown method or parameter, or a geometry that does not fit; before anything is computed.
    """
    monitor = monitor or Monitor()
    chosen: list[tuple[Method, Any]] = []
    for name, values in methods:
        method = method_named(name)
        if method.needs_prior and _of(prior, method.default_prior) is None:
            raise ValueError(f"prior: method {name} needs a prior")
        chosen.append((method, from_mapping(method.parameters, values, f"methods.{name}")))
    place = devices.resolve(device).device
    simulated = pipeline.simulated(volume, geometry, settings, seed, first_slice)
    for text in simulated.warnings:
        monitor.warn(text)
    measurement = simulated.to(place)
    operator = pipeline.operator_for(measurement, place)
    results = []
    for method, parameters in chosen:
        own = _of(prior, method.default_prior)
        result = pipeline.run_method(measurement, operator, method, parameters, own, seed, monitor)
        assert result.metrics is not None
        results.append(StudyResult(method.name, result.volume, result.metrics, result.misfit, result.seconds))
    return results


def _of(prior: AnyPrior | Mapping[str, AnyPrior] | None, name: str) -> AnyPrior | None:
    return prior.get(name) if isinstance(prior, Mapping) else prior
