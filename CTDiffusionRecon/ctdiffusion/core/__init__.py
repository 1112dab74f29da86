"""What every room uses: units, noise, progress, strict values, whole files, devices."""
