"""What a real Slicer runs as the module's own test: the main path on the sample, with the real engine."""

import numpy as np
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from .sampledata import loadSample, registerSampleData


def makeLogic():
    """A logic of the module as it is loaded now."""
    from CTDiffusionRecon import CTDiffusionReconLogic

    return CTDiffusionReconLogic()


class CTDiffusionReconTest(ScriptedLoadableModuleTest):
    """The main path on the sample: load, reconstruct a slab by FBP in the engine's process, look at the result."""

    def setUp(self):
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run everything."""
        for test in (self.test_sample_and_fbp, self.test_cancel, self.test_bad_input):
            self.setUp()
            test()

    def test_sample_and_fbp(self):
        """A result lies on its input, carries its provenance, and its numbers are those of a reconstruction."""
        self.delayDisplay("Loading the sample")
        registerSampleData()
        volume = loadSample()
        logic = makeLogic()
        try:
            self.delayDisplay("Reconstructing four slices from 90 views")
            node = logic.reconstruct(volume, method="fbp", geometry="fan", views=90, slices=(30, 34), wait=True)
            self.assertIsNotNone(node)
            self.assertEqual(node.GetImageData().GetDimensions(), (256, 256, 4))
            found, wanted = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
            node.GetIJKToRASMatrix(found)
            volume.GetIJKToRASMatrix(wanted)
            corner = np.array(wanted.MultiplyPoint((0, 0, 30, 1)))
            np.testing.assert_allclose(found.MultiplyPoint((0, 0, 0, 1)), corner, atol=1e-3)
            reference = slicer.util.arrayFromVolume(volume)[30:34]
            middle = np.s_[:, 64:192, 64:192]
            error = slicer.util.arrayFromVolume(node)[middle] - np.clip(reference, -1000, None)[middle]
            self.assertLess(float(np.sqrt(np.mean(error**2))), 150.0)
            self.assertEqual(node.GetAttribute("CTDiffusionRecon.Method"), "fbp")
        finally:
            logic.shutdown()
        self.delayDisplay("Test passed")

    def test_cancel(self):
        """A cancelled job leaves no node."""
        registerSampleData()
        volume = loadSample()
        logic = makeLogic()
        try:
            before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
            job = logic.start(volume, method="sirt", geometry="fan", views=60, parameters={"iterations": 10000})
            self.assertTrue(job.cancel())
            self.assertTrue(job.wait(10))
            self.assertEqual(job.state, "cancelled")
            self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), before)
        finally:
            logic.shutdown()

    def test_bad_input(self):
        """What cannot be is refused by name."""
        logic = makeLogic()
        try:
            with self.assertRaises(ValueError):
                logic.reconstruct(None, method="fbp", views=30)
        finally:
            logic.shutdown()
