"""A thin stand-in for the part of 3D Slicer that PyPI does not offer: the Qt layer around its real MRML core.

Real here: the MRML scene, nodes, logics, storage and `slicer.util` (wheel slicer-core), and Qt 6 (PySide6, offscreen).
Ours: what PythonQt, CTK and qMRML add, written from their documented behaviour, as little as the module needs. It never
grows a convenience that Slicer lacks, and refuses what PythonQt refuses, so that what runs here runs there.
"""
