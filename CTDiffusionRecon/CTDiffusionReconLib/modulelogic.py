"""The module's logic as Slicer asks for it: what can be done, by name, and the parameter node."""

from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .logic import DEFAULT_METHOD, DEFAULT_THIN_METHOD, ReconstructionLogic
from .scene.comparison.views import Comparison
from .scene.parameternode import CTDiffusionReconParameterNode


class CTDiffusionReconLogic(ScriptedLoadableModuleLogic):
    """Reconstructs without any panel: `slicer.util.getModuleLogic("CTDiffusionRecon")`.

    Everything but the parameter node and the comparison is done by `reconstruction`, a `ReconstructionLogic`.
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.reconstruction = ReconstructionLogic()
        self.comparison = Comparison()

    def getParameterNode(self):
        """The module's parameter node, typed."""
        node: Any = super().getParameterNode()
        # Slicer makes the constructor.
        typed: Any = CTDiffusionReconParameterNode
        return typed(node)

    @property
    def queue(self):
        """The job queue; `queue.jobs` are the jobs of this session."""
        return self.reconstruction.queue

    def start(self, source, method=DEFAULT_METHOD, **options):
        """Start a reconstruction in the background and return its job; see `ReconstructionLogic.start`."""
        return self.reconstruction.start(source, method, **options)

    def reconstruct(self, source, method=DEFAULT_METHOD, **options):
        """Reconstruct and return the result's volume node; see `ReconstructionLogic.reconstruct`."""
        return self.reconstruction.reconstruct(source, method, **options)

    def superResolve(self, volume, method=DEFAULT_THIN_METHOD, **options):
        """Thinner slices from the thick ones of a CT or MR volume; see `ReconstructionLogic.superResolve`."""
        return self.reconstruction.superResolve(volume, method, **options)

    def batch(self, sources, method=DEFAULT_METHOD, **options):
        """The same for several inputs; see `ReconstructionLogic.batch`."""
        return self.reconstruction.batch(sources, method, **options)

    def estimate(self, source, method=DEFAULT_METHOD, **options):
        """Time and memory that a reconstruction will take; see `ReconstructionLogic.estimate`."""
        return self.reconstruction.estimate(source, method, **options)

    def retry(self, job, **changes):
        """Start a finished job again; see `ReconstructionLogic.retry`."""
        return self.reconstruction.retry(job, **changes)

    def cancelAll(self):
        """Stop every job."""
        self.reconstruction.cancelAll()

    def shutdown(self):
        """End the engine."""
        self.reconstruction.shutdown()

    def compare(self, volumes, rows=("Axial", "Coronal"), line=None):
        """Show 2 to 4 volume nodes side by side, with a plot along a markups line if one is given.

        Raises:
            ValueError: too few or too many volumes.
            RuntimeError: there is no main window.
        """
        self.comparison.show(volumes, rows, line)
