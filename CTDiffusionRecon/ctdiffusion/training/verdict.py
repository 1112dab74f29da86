"""What a report card says, in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DO_NOT_USE = "do not use"
# Levels at which every sampler works: a prior that removes no noise there is of no use.
_WORKING = (0.01, 0.5)


def verdict(quality: Mapping[str, Any]) -> str:
    """Whether a prior of this report card is worth using, judged by volumes that it was not trained on."""
    if tried := quality.get("dds_psnr_db"):
        return _by_reconstruction(tried)
    if restored := quality.get("rmse_hu_fbp_and_restored_by_views"):
        return _by_restoration(restored)
    if ratios := quality.get("sinogram_rmse_over_sigma"):
        return _by_noise({name: float(value) for name, value in ratios.items()})
    if errors := quality.get("denoising_rmse"):
        levels = {s: float(e) / float(s) for s, e in errors.items() if _WORKING[0] <= float(s) <= _WORKING[1]}
        return _by_noise(levels)
    return "not judged: there was nothing to try it on"


def _by_reconstruction(tried: Mapping[str, Mapping[str, float]]) -> str:
    wrong = [name for name, psnr in tried.items() if not math.isfinite(psnr["dds"])]
    if wrong:
        return f"no finite reconstruction of {wrong[0]}: {DO_NOT_USE}"
    below = [name for name, psnr in tried.items() if psnr["dds"] < psnr["fbp"]]
    if below:
        psnr = tried[below[0]]
        where = f"{below[0]} ({psnr['dds']:.1f} against {psnr['fbp']:.1f} dB)"
        return f"below FBP on {len(below)} of {len(tried)} volumes, as on {where}: {DO_NOT_USE}"
    if any("tv" not in psnr for psnr in tried.values()):
        gains = [psnr["dds"] - psnr["fbp"] for psnr in tried.values()]
        return f"above FBP by {_range(gains)}; not compared with TV"
    gains = [psnr["dds"] - psnr["tv"] for psnr in tried.values()]
    losing = sum(gain < 0.0 for gain in gains)
    if sum(gains) < 0.0:
        return f"above FBP, but below TV on {losing} of {len(tried)} volumes ({_range(gains)}): use TV, or train longer"
    if losing:
        return f"above TV on the mean ({_range(gains)}), below it on {losing} of {len(tried)} volumes: usable with care"
    return f"above TV by {_range(gains)}: usable"


def _by_restoration(restored: Mapping[str, tuple[float, float]]) -> str:
    worse = [views for views, (fbp, own) in restored.items() if not own < fbp]
    if worse:
        return f"not better than FBP at {', '.join(worse)} views: {DO_NOT_USE} there"
    shares = [own / fbp for fbp, own in restored.values()]
    return f"leaves {min(shares):.0%} to {max(shares):.0%} of the error of FBP: usable"


def _by_noise(ratios: Mapping[str, float]) -> str:
    if not ratios:
        return "not judged: no noise level was tried"
    worse = [level for level, ratio in ratios.items() if not ratio < 1.0]
    if worse:
        return f"removes no noise at {', '.join(worse)}: {DO_NOT_USE}"
    least, most = min(ratios.values()), max(ratios.values())
    return f"leaves {least:.0%} to {most:.0%} of white noise; it was not tried in a reconstruction"


def _range(gains: list[float]) -> str:
    mean = sum(gains) / len(gains)
    return f"{mean:+.1f} dB on the mean, {min(gains):+.1f} to {max(gains):+.1f}"
