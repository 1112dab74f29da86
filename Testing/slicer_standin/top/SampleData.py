"""`import SampleData`: registration of data sets, and loading one from a local file."""

import os
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

import slicer


class SampleDataSource:
    """One registered data set."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class SampleDataLogic:
    """Keeps the data sets of all modules by category."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileType=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
    ):
        listed = [
            [item] if isinstance(item, str) or item is None else list(item) for item in (uris, fileNames, checksums)
        ]
        source = SampleDataSource(
            sampleName=sampleName,
            uris=listed[0],
            fileNames=listed[1],
            nodeNames=[nodeNames] if isinstance(nodeNames, str) or nodeNames is None else list(nodeNames),
            checksums=listed[2],
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileProperties=loadFileProperties or {},
        )
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        known = slicer.modules.sampleDataSources.setdefault(category, [])
        if all(other.sampleName != sampleName for other in known):
            known.append(source)

    def sourceForSampleName(self, sampleName):
        for sources in getattr(slicer.modules, "sampleDataSources", {}).values():
            for source in sources:
                if source.sampleName == sampleName:
                    return source
        return None

    def downloadSample(self, sampleName):
        source = self.sourceForSampleName(sampleName)
        nodes = self.downloadFromSource(source) if source else []
        return nodes[0]

    def downloadFromSource(self, source):
        if source.customDownloader:
            return source.customDownloader(source)
        nodes = []
        for uri, name, checksum in zip(source.uris, source.nodeNames, source.checksums, strict=True):
            parts = urlparse(uri)
            if parts.scheme != "file":
                raise RuntimeError("the stand-in downloads nothing")
            path = url2pathname(unquote(parts.path))
            if checksum:
                algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
                if slicer.util.computeChecksum(algorithm, path) != digest:
                    raise ValueError(f"checksum mismatch: {os.path.basename(path)}")
            nodes.append(slicer.util.loadVolume(path, {**source.loadFileProperties, "name": name}))
        return nodes
