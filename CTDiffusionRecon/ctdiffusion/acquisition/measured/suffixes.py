"""Endings of files with measured projections. Needs neither numpy nor h5py."""

from __future__ import annotations

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs")
# What is taken for measured projections where nothing else is said.
MEASURED_SUFFIXES = (".json", ".npz", *HDF5_SUFFIXES)
