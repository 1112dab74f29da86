"""
Your own measured projections
=============================

Measured projections are an array in a file and a small geometry file beside it. Here a script writes both, as a
scanner's export would: raw counts of a fan-beam scan with flat and dark frames. Then they are read, checked and
reconstructed. :doc:`/measured-projections` describes every field.
"""

# %%
# A phantom whose projections are known in closed form, so that nothing is reconstructed with the projector that made
# it: a water cylinder of 80 mm radius with two rods. The line integral of a disc is the length of the chord times
# its attenuation.

import json
import tempfile
from pathlib import Path

import ctdiffusion as ct
import matplotlib.pyplot as plt
import numpy as np
from ctdiffusion.acquisition.measured.consistency import check_consistency

MU_WATER = 0.0193  # 1/mm
SOURCE_TO_ISOCENTRE, SOURCE_TO_DETECTOR, PITCH = 570.0, 1040.0, 2.0  # mm
VIEWS, COLUMNS = 120, 200
# (x, y, radius in mm, attenuation in 1/mm on top of what is there)
DISCS = [(0, 0, 80, MU_WATER), (35, 0, 12, 0.5 * MU_WATER), (-20, 30, 15, -MU_WATER)]

angles = np.arange(VIEWS) * 2 * np.pi / VIEWS
columns = (np.arange(COLUMNS) - 0.5 * (COLUMNS - 1)) * PITCH
cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
source = SOURCE_TO_ISOCENTRE * np.stack([sin, -cos])  # the source stands above the image at angle 0
back = SOURCE_TO_DETECTOR - SOURCE_TO_ISOCENTRE
pixel = np.stack([-back * sin + columns * cos, back * cos + columns * sin])
ray = (pixel - source) / np.linalg.norm(pixel - source, axis=0)
integrals = np.zeros((VIEWS, COLUMNS))
for x, y, radius, mu in DISCS:
    distance = (x - source[0]) * ray[1] - (y - source[1]) * ray[0]
    integrals += mu * 2 * np.sqrt(np.clip(radius**2 - distance**2, 0, None))

# %%
# A detector counts photons: 30,000 in air, a dark level of 100, five flat and five dark frames.

random = np.random.default_rng(0)
counts = random.poisson(30_000 * np.exp(-integrals)) + 100
flat = random.poisson(30_000, (5, 1, COLUMNS)) + 100  # frame, slice, column
dark = np.full((5, 1, COLUMNS), 100)

folder = Path(tempfile.mkdtemp())
np.savez(folder / "scan.npz", counts=counts, flat=flat, dark=dark)
geometry = {
    "format": "ctdiffusion-projections",
    "version": 1,
    "name": "water with two rods",
    "file": "scan.npz",
    "data": "counts",
    "axes": ["view", "column"],
    "values": "counts",
    "flat": "flat",
    "dark": "dark",
    "photons_per_count": 1,
    "mu_water_per_mm": MU_WATER,
    "angles": {"unit": "deg", "step": 360 / VIEWS, "count": VIEWS},
    "geometry": {
        "kind": "fan",
        "source_to_isocentre_mm": SOURCE_TO_ISOCENTRE,
        "source_to_detector_mm": SOURCE_TO_DETECTOR,
        "column_spacing_mm": PITCH,
    },
    "grid_shape": [1, 192, 192],
    "grid_spacing_mm": [1, 1, 1],
}
(folder / "scan.json").write_text(json.dumps(geometry), encoding="utf-8")

# %%
# Read it. What the reader had to assume is in ``warnings``. ``check_consistency`` then asks the data whether the
# geometry fits: a shifted rotation axis or columns counted the other way would explain them better.

scan = ct.read_projections(folder / "scan.json")
print("warnings:", scan.warnings or "none")
fit = check_consistency(scan.projections)
print(f"residual {fit.residual:.4f}, best shift of the axis {fit.centre_shift:.2f} columns")
print(*fit.warnings or ["the geometry fits"], sep="\n")

# %%
# Reconstruct from all views, and from 30 of them. There is no truth to compare with, so ``metrics`` is None; the
# misfit says how well the image explains the data.

pictures = {}
for method, views in (("fbp", None), ("fbp", 30), ("tv", 30)):
    options = {"iterations": 100} if method == "tv" else {}
    result = ct.reconstruct(scan, method, views=views, **options)
    pictures[f"{method}, {views or VIEWS} views"] = result.volume.array[0]
    print(f"{method}, {views or VIEWS} views: misfit {result.misfit['relative']:.4f}")

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for axis, (name, image) in zip(axes, pictures.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=-300, vmax=700)
    axis.set_title(name)
    axis.axis("off")
figure.show()

# %%
# The HU of water (0), away from the rods, and of the dense rod (500):

for name, image in pictures.items():
    print(f"{name}: water {image[50:70, 86:106].mean():.0f} HU, rod {image[92:100, 127:135].mean():.0f} HU")
