"""
Simulate a scan and compare methods
===================================

The chest CT that ships is scanned by 30 noisy views of a fan beam, in simulation, and reconstructed by filtered
back-projection, total variation and the diffusion method DDS. A **simulated** study: the projections are computed on a
grid twice as fine as the one that is reconstructed, and have photon noise.
"""

# %%
# To be quick: one slice, 16 noise levels for DDS instead of 40, and 150 iterations for TV instead of up to 400.

import ctdiffusion as ct
import matplotlib.pyplot as plt
from ctdiffusion.studies.demo import sample_path

volume = ct.read_volume(sample_path())
results = ct.compare(volume, ["fbp", "tv", "dds"], views=30, slices=(30, 31), steps=16, iterations=150, seed=0)

# %%
# Every result has its volume in HU, its quality against the true slices, and its misfit to the data. No method saw
# the true slices.

for name, result in results.items():
    numbers = result.metrics
    print(
        f"{name:4} PSNR {numbers['psnr_axial']:5.2f} dB   SSIM {numbers['ssim_axial']:.3f}   "
        f"RMSE {numbers['rmse_hu']:5.1f} HU   misfit {result.misfit['relative']:.4f}"
    )

# %%
# A soft-tissue window. Look at the vessels too: a diffusion prior may draw them convincingly where the views do not
# determine them.

truth = volume.array[30]
pictures = {"truth": truth, **{name.upper(): result.volume.array[0] for name, result in results.items()}}
figure, axes = plt.subplots(1, len(pictures), figsize=(11, 3.2), layout="constrained")
for axis, (name, image) in zip(axes, pictures.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=-160, vmax=240)
    axis.set_title(name)
    axis.axis("off")
figure.show()
