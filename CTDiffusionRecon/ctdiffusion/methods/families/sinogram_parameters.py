"""Parameters, presets and work of the sinogram-domain systems; what they do is in `sinograms`, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.schema import parameter
from ..work import Work
from .agreement import AgreementParameters


@dataclass(frozen=True)
class SinogramParameters(AgreementParameters):
    """Parameters of every sinogram-domain sampler. Noise level 1 is a line integral of 10."""

    final_cg: int = parameter(
        10, "Conjugate-gradient steps from the FBP of the completed sinogram towards the measured views.",
        low=0, high=200,
    )  # fmt: skip
    final_error: float = parameter(
        200.0,
        "With known noise: error of that FBP that these steps assume. Smaller follows the prior, larger the data.",
        unit="HU",
        low=0.1,
        high=1000.0,
    )

    steps: int = parameter(80, "Noise levels.", low=1, high=2000)
    sigma_start: float = parameter(
        0.06, "First noise level. Higher forgets more of the start.", low=0.0005, high=1000.0
    )
    sigma_end: float = parameter(0.001, "Last noise level.", low=0.0005, high=1.0)
    rule: str = parameter(
        "renew",
        "From one level to the next: estimate, put the measured views back, add the next level's noise to all (renew); "
        "or the predictor of reverse diffusion, as published (predictor).",
        choices=("renew", "predictor"),
    )
    eta: float = parameter(1.0, "For renew: share of the noise that is fresh.", low=0.0, high=1.0)
    corrector: int = parameter(0, "For predictor: Langevin steps after each.", low=0, high=10)
    snr: float = parameter(0.075, "Signal-to-noise ratio of a Langevin step.", low=0.001, high=1.0)
    noisy: bool = parameter(False, "For predictor: add the noise that the papers write and their code drops.")
    start: str = parameter(
        "linear", "How the start is interpolated between the measured views.", choices=("linear", "fourier")
    )
    window: str = parameter(
        "ram-lak",
        "Window of the filter of the final FBP.",
        choices=("ram-lak", "shepp-logan", "cosine", "hamming", "hann"),
    )


# The released settings of MSDiff and SWORD: the last 1450 of 2000 levels, deterministic predictor and corrector; the
# levels in the range of the shipped prior, in which noise level 1 is a line integral of 10.
PUBLISHED = {
    "steps": 1450, "sigma_start": 0.2, "sigma_end": 0.0005, "rule": "predictor", "corrector": 1, "start": "linear",
    "final_cg": 0,
}  # fmt: skip


def work(parameters: SinogramParameters, evaluations: float) -> Work:
    """The work of a sampler; `evaluations` are those of all rows at each level, which sees no image."""
    seen = parameters.steps * (1.0 + parameters.corrector)
    return Work(parameters.final_cg + 1.5, seen * evaluations)
