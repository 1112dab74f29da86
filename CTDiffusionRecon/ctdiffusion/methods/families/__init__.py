"""What the methods of a family share: image-domain samplers, sinogram samplers, restoring networks."""
