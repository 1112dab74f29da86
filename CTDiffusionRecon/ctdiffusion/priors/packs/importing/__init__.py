"""Importing published checkpoints: recognise the layout, read the architecture, convert once in a separate process."""
