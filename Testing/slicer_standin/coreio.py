"""The file types that tests read and write through `slicer.util`: volumes, and scenes as .mrb or .mrml."""

from __future__ import annotations

import os
from pathlib import Path

import slicer


class CoreIOManager:
    """qSlicerCoreIOManager, on the real logics and storage nodes."""

    def __init__(self, scene, folder: Path) -> None:
        self._scene, self._folder = scene, folder

    def fileType(self, name):
        return "SceneFile" if name.lower().endswith((".mrb", ".mrml")) else "VolumeFile"

    def fileWriterFileType(self, node):
        return "TableFile" if node.IsA("vtkMRMLTableNode") else "VolumeFile"

    def loadNodes(self, kind, properties, loaded=None, messages=None):
        """True on success; nodes are appended to `loaded`, what went wrong to `messages`."""
        name = properties["fileName"]
        if not os.path.exists(name):
            return self._failed(messages, f"no such file: {name}")
        if kind == "SceneFile":
            return self._load_scene(name, properties, messages)
        if kind != "VolumeFile":
            return self._failed(messages, f"the stand-in reads no {kind}")
        logic = slicer.modules.volumes.logic()
        options = (1 if properties.get("labelmap") else 0) + (8 if properties.get("singleFile", True) else 0)
        title = properties.get("name") or Path(name).name.split(".")[0]
        node = logic.AddArchetypeVolume(name, title, options)
        if node is None:
            return self._failed(messages, f"not a volume: {name}")
        if properties.get("show", True):
            selection = slicer.app.applicationLogic().GetSelectionNode()
            selection.SetActiveVolumeID(node.GetID())
            slicer.app.applicationLogic().PropagateVolumeSelection()
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def _load_scene(self, name, properties, messages):
        clear = properties.get("clear", True)
        if name.lower().endswith(".mrb"):
            return bool(self._scene.ReadFromMRB(name, clear, messages))
        self._scene.SetURL(name)
        return bool(self._scene.Connect(messages) if clear else self._scene.Import(messages))

    def saveNodes(self, kind, properties, messages=None):
        name = str(properties["fileName"])
        if kind == "SceneFile":
            if name.lower().endswith(".mrb"):
                return bool(self._scene.WriteToMRB(name, None, messages))
            self._scene.SetURL(name)
            return bool(self._scene.Commit(name, messages))
        node = self._scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(name)
        storage.SetUseCompression(int(properties.get("useCompression", 1)))
        return bool(storage.WriteData(node))

    @staticmethod
    def _failed(messages, text):
        if messages is not None:
            messages.AddMessage(slicer.vtk_error_event if hasattr(slicer, "vtk_error_event") else 27, text)
        return False
