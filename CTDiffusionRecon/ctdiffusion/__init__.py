"""Diffusion-based CT reconstruction: the engine of the CTDiffusionRecon extension."""

__version__ = "0.1.0"
