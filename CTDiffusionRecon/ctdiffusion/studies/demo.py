"""The demo: a real chest CT, 30 simulated noisy views, three methods, one picture.

python -m ctdiffusion.studies.demo [FOLDER] [--full] [--device auto|cpu|cuda]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..acquisition.settings import SimulationSettings
from ..core import atomic, devices
from ..core.folders import resource_folders
from ..core.monitor import Monitor
from ..core.regularfile import sha256_file
from ..images.orientation import to_lps
from ..images.volume import read_volume, write_volume
from ..jobs import provenance
from ..methods.registry import method_named
from ..scan.beams import equispaced
from ..scan.machines import default_geometry
from .report.comparison import comparison_png
from .report.entry import Entry
from .report.html import Page, report_html
from .study import run_study

if TYPE_CHECKING:
    from ..priors.kinds import AnyPrior

SAMPLE = "LIDC-IDRI-0001_256x256x64.nii.gz"
SLAB = (26, 40)
VIEWS = 30
METHODS = ("fbp", "tv", "dds")
SEED = 0
TITLE = "Chest CT from 30 simulated noisy fan-beam views"
ATTRIBUTION = (
    "LIDC-IDRI, The Cancer Imaging Archive, doi:10.7937/k9/tcia.2015.lo9ql9sx, CC BY 3.0 "
    "(creativecommons.org/licenses/by/3.0). Clipped to [-1024, 3071] HU, averaged 2 x 2 to 256 x 256, 64 of its "
    "slices. Nobody may try to identify the person."
)


class Progress(Monitor):
    """One line on a terminal that tells the phase, the step and the time left; warnings are kept and printed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._live = sys.stdout.isatty()
        self._phase = ""
        self._since = 0.0
        self._first = 0

    def step(self, phase: str, step: int, total: int, image: object = None) -> None:
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._since, self._first = phase, now, step
            if not self._live:
                print(f"  {phase} ...", flush=True)
        if self._live:
            done = step - self._first
            left = f", {(now - self._since) / done * (total - step):.0f} s left" if done > 0 else ""
            print(f"\r\x1b[K  {phase} {step}/{total}{left}", end="", flush=True)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.clear()
        print(f"  warning: {text}", flush=True)

    def clear(self) -> None:
        """Make the line free for other output."""
        if self._live:
            print("\r\x1b[K", end="", flush=True)


def sample_path() -> Path:
    """Where the sample lies: in the repository's Resources, or beside the package once installed in Slicer.

    Raises:
        FileNotFoundError: in neither.
    """
    places = [folder / SAMPLE for folder in resource_folders("Sample")]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"{places[0]}: the sample volume is not here")


def run(folder: Path, full: bool, device: str = "auto", methods: Sequence[str] = METHODS) -> list[Entry]:
    """Reconstruct the sample and write volumes, picture and report into `folder`.

    Raises:
        ValueError, OSError: the sample or the prior is missing or damaged, or the folder cannot be written to.
    """
    from ..priors.kinds import load_prior

    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    path = sample_path()
    whole, _ = to_lps(read_volume(path))
    start, stop = (0, whole.array.shape[0]) if full else SLAB
    reference = whole.slices(start, stop)
    choice = devices.resolve(device)
    prior = None
    for method in map(method_named, methods):
        if method.needs_prior and prior is None:
            prior = load_prior(None, method.prior_kind, method.default_prior, method.name, choice.device)
    geometry = default_geometry("fan", equispaced(VIEWS), reference.grid)
    settings = SimulationSettings()
    print(f"{TITLE}: slices {start} to {stop - 1} of {SAMPLE}, on {choice.device} ({choice.reason})", flush=True)

    progress = Progress()
    results = run_study(
        reference, geometry, settings, [(name, {}) for name in methods], SEED, device, prior, progress, start
    )
    progress.clear()
    entries = [
        Entry(
            method_named(r.method).title,
            r.volume,
            r.metrics,
            r.misfit,
            r.seconds,
            asdict(method_named(r.method).parameters()),
        )
        for r in results
    ]
    write_volume(reference, folder / "reference.nrrd")
    for result in results:
        write_volume(result.volume, folder / f"{result.method}.nrrd")
    picture = comparison_png(entries, reference, TITLE)
    atomic.write_bytes(folder / "comparison.png", picture)
    facts = _settings(settings, geometry.to_dict(), (start, stop))
    page = Page(
        TITLE,
        "The sample that ships with CTDiffusionRecon, reconstructed by filtered back-projection, total variation and a "
        "diffusion method from the same simulated measurement.",
        facts,
        _provenance(path, prior, choice.reason, str(choice.device), time.monotonic() - started),
        [*_honesty(settings), *progress.warnings],
        ATTRIBUTION,
    )
    atomic.write_bytes(folder / "report.html", report_html(page, entries, picture).encode())
    return entries


def _settings(settings: SimulationSettings, geometry: dict[str, Any], slices: tuple[int, int]) -> dict[str, object]:
    angles = geometry.pop("angles")
    lengths = ("source_to_isocentre", "source_to_detector", "column_spacing", "column_offset")
    scan = {f"{name} (mm)" if name in lengths else name: value for name, value in geometry.items()}
    return {
        "slices": f"{slices[0]} to {slices[1] - 1}",
        "views": f"{len(angles)}, equally spaced over 360 degrees",
        **{f"geometry: {name}": value for name, value in scan.items()},
        **{f"simulation: {name}": value for name, value in asdict(settings).items()},
        "seed": SEED,
    }


def _honesty(settings: SimulationSettings) -> list[str]:
    return [
        f"The measurement is simulated: from the volume on a grid {settings.oversampling} times finer than the one it "
        f"is reconstructed on, with Poisson noise of {settings.photons:g} photons per ray and electronic noise of "
        f"{settings.electronic:g} photons. Beam hardening, scatter and motion are not simulated.",
        "No method saw the reference: it is compared with the results afterwards. The prior was not trained on this "
        "patient.",
        "A diffusion prior completes what 30 views do not determine with what is common in its training data. Small "
        "structures may look convincing and be wrong: look at the error images. Not for diagnosis.",
    ]


def _provenance(path: Path, prior: AnyPrior | None, reason: str, device: str, seconds: float) -> dict[str, object]:
    facts: dict[str, object] = {
        "sample SHA-256": sha256_file(path),
        **{f"code: {name}": value for name, value in provenance.code_version().items()},
        **{f"package: {name}": value for name, value in provenance.package_versions().items()},
        "device": f"{device} ({reason})",
        "seconds in all": f"{seconds:.0f}",
    }
    if prior is not None:
        info = prior.info
        facts |= {
            "prior": f"{info.name}, version {info.version}, licence {info.licence}",
            "prior weights SHA-256": info.weights_sha256,
            "prior training data": "; ".join(info.training_data),
            "prior attribution": info.attribution,
        }
    return facts
