"""A job folder and everything that happens in it: specification, run, progress, stopping, provenance, estimates."""
