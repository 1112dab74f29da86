"""How long projectors and networks take on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

PARTS = ("projectors", "network", "scaling")


def run_benchmark(
    quick: bool = False,
    parts: Sequence[str] = PARTS,
    repeats: int = 5,
    device: str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Time what `parts` names; all times in seconds, memory in bytes.

    Args:
        quick: tiny sizes.
        parts: any of projectors, network, scaling.
        repeats: calls whose median is taken.
        device: auto, cpu or cuda.
        say: told what is being timed.

    Raises:
        ValueError: an unknown part, fewer than one call, or no such device.
    """
    from ..core.devices import resolve
    from ..scan.beams import Grid
    from .machine import machine_facts
    from .network import networks
    from .projectors import compare_projectors
    from .scaling import Sweep, scaling

    unknown = set(parts) - set(PARTS)
    if unknown:
        raise ValueError(f"parts: {sorted(unknown)} unknown (known: {', '.join(PARTS)})")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    place = resolve(device).device
    grid = Grid((4, 32, 32), (2.0, 8.0, 8.0)) if quick else Grid((64, 256, 256), (1.5, 1.5, 1.5))
    result: dict[str, Any] = {"machine": machine_facts(place), "quick": quick, "repeats": repeats, "notes": []}
    if "projectors" in parts:
        counts = (3, 6) if quick else (30, 180)
        result["projectors"], result["notes"] = compare_projectors(grid, counts, repeats, place, say)
    if "network" in parts:
        few = Grid((2, 32, 32), grid.spacing) if quick else Grid((8, 256, 256), grid.spacing)
        result["networks"], notes = networks(few, 2 if quick else 20, repeats, place, say)
        result["notes"] += notes
    if "scaling" in parts:
        sweep = Sweep(grid, 30, (8, 16, 32, 64, 128, 256), (15, 30, 60, 90, 180, 360), (128, 192, 256, 384, 512))
        if quick:
            sweep = Sweep(grid, 4, (2, 4), (3, 6), (16, 32))
        result["scaling"] = scaling(sweep, repeats, place, say, memory=not quick)
    return result
