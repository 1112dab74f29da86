"""How far a job is, from the phases that the engine reports."""

from __future__ import annotations

# Where each phase begins and ends on the bar; every phase that is not named is the method's own.
_PHASES = {
    "read": (0.0, 0.02),
    "simulate": (0.02, 0.06),
    "prior": (0.06, 0.08),
    "projector": (0.08, 0.10),
    "quality": (0.95, 0.98),
    "write": (0.98, 1.0),
}
_METHOD = (0.10, 0.95)


def overall(phase: str, step: int, total: int) -> float:
    """Position in [0, 1] of `step` of `total` steps of a phase."""
    start, stop = _PHASES.get(phase, _METHOD)
    share = min(max(step / total, 0.0), 1.0) if total > 0 else 0.0
    return start + (stop - start) * share
