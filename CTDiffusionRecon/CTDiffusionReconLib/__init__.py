"""The parts of the Slicer module. Importing this package imports neither torch nor the engine's heavy modules."""
