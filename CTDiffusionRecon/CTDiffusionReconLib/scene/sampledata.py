"""The chest CT that comes with the extension, as one of Slicer's sample data sets."""

from pathlib import Path

from slicer.i18n import translate

CATEGORY = "CTDiffusionRecon"
SAMPLE_NAME = "CT chest for CTDiffusionRecon"
FILE_NAME = "LIDC-IDRI-0001_256x256x64.nii.gz"
SHA256 = "301c8930423c5b62c96d1d21cfe365d44981a87028c14b07a3e4175ee02d1510"
NODE_NAME = "CT chest"


def sampleFile():
    """The file: beside the installed module, or at the top of the repository; None where it is missing."""
    module = Path(__file__).resolve().parents[2]
    for folder in (module, module.parent):
        path = folder / "Resources" / "Sample" / FILE_NAME
        if path.is_file():
            return path
    return None


def registerSampleData() -> None:
    """Add the sample to the Sample Data module. Nothing is downloaded: the file is on disk."""
    import SampleData

    path = sampleFile()
    if path is None:
        return
    icon = Path(__file__).resolve().parents[2] / "Resources" / "Icons" / "CTDiffusionReconSample.png"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=translate("CTDiffusionRecon", CATEGORY),
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(icon),
        uris=path.as_uri(),
        fileNames=FILE_NAME,
        checksums=f"SHA256:{SHA256}",
        nodeNames=NODE_NAME,
    )


def loadSample():
    """Load the sample through the Sample Data module and return its volume node.

    Raises:
        FileNotFoundError: the file does not ship with this build.
    """
    import SampleData

    if sampleFile() is None:
        raise FileNotFoundError(f"{FILE_NAME}: the sample is missing; install the extension again")
    logic = SampleData.SampleDataLogic()
    if logic.sourceForSampleName(SAMPLE_NAME) is None:
        registerSampleData()
    return logic.downloadSample(SAMPLE_NAME)
