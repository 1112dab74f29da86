"""Super-resolution along z: thin slices from thick ones, by a diffusion prior on the planes across them."""
