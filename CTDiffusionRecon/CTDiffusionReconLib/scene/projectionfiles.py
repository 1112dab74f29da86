"""Files of measured projections as a scene may keep them: by name alone, so that a saved scene tells no path.

Where such a file lies is a matter of this computer and is kept in its settings. Who sets a path in the parameter node
from a script has asked for it; the panel replaces it, unless the setting `SavePaths` says otherwise.
"""

import json
import ntpath
import posixpath
from hashlib import sha256

from ..engine import settings
from ..engine.slicerengine import scenesKeepPaths

MOST_FILES = 50
_MARK = " #"


def kept(path: str) -> str:
    """What the scene keeps of a path: the file's name, with a mark that tells files of one name apart."""
    if not _is_path(path) or scenesKeepPaths():
        return path
    name = ntpath.basename(path.rstrip("/\\")) + _MARK + sha256(path.encode("utf-8", "replace")).hexdigest()[:8]
    known = {key: value for key, value in _known().items() if key != name}
    while len(known) >= MOST_FILES:
        del known[next(iter(known))]
    settings.setValue(settings.PROJECTION_FILES, json.dumps({**known, name: path}))
    return name


def path_of(text: str) -> str:
    """The path behind what a scene keeps; the text itself where this computer does not know it."""
    return _known().get(text, text)


def _is_path(text: str) -> bool:
    return posixpath.isabs(text) or ntpath.isabs(text) or "/" in text or "\\" in text


def _known() -> dict[str, str]:
    try:
        values = json.loads(settings.value(settings.PROJECTION_FILES, "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in values.items()} if isinstance(values, dict) else {}
