"""Names of the layouts of published checkpoints; apart from their converters, to be listed without torch."""

from __future__ import annotations

EDM, SCORE_SDE, CVGDIFF, ADM, DIFFUSERS = "edm", "score_sde", "cvgdiff", "adm", "diffusers"
# An ADM U-Net within a container.
DIFFUSIONBLEND = "diffusionblend"

# Those of files are in the order in which they are tried; the last one is that of a folder.
LAYOUTS = (EDM, SCORE_SDE, DIFFUSIONBLEND, CVGDIFF, ADM, DIFFUSERS)
