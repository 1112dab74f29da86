"""Where a result comes from: inputs, code, weights, machine kind, times (contract C1)."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import __version__
from ..core.folders import package_folder
from ..core.regularfile import sha256_file
from ..images import dicom

PACKAGES = ("torch", "numpy", "numba", "scipy", "SimpleITK", "safetensors", "h5py", "diffct")


def code_version() -> dict[str, Any]:
    """Version of the engine, with the git commit where it runs from its own repository."""
    package = package_folder()
    root = package.parents[1]
    facts: dict[str, Any] = {"version": __version__, "commit": None, "modified": None}
    # Only our own repository counts: site-packages may lie inside somebody else's.
    if not (root / ".git").exists() or package != root / "CTDiffusionRecon" / "ctdiffusion":
        return facts
    facts["commit"] = _git(root, "rev-parse", "HEAD") or None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "CTDiffusionRecon/ctdiffusion")
    facts["modified"] = None if changes is None else changes != ""
    return facts


def package_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def file_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of the DICOM files in a folder, by name; what else lies there is no input."""
    files = [path] if path.is_file() else dicom.files_in(path)
    return {file.name: sha256_file(file) for file in files}


def sha256_array(array: NDArray[Any]) -> str:
    """SHA-256 of an array's little-endian bytes: the same for the same voxels, however they were stored."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.data).hexdigest()


def peak_memory(device: torch.device) -> dict[str, int | None]:
    """Peak memory in bytes of this process, and of its tensors on the GPU."""
    gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {"process_bytes": peak_process_bytes(), "gpu_bytes": gpu}


def peak_process_bytes() -> int | None:
    """Peak memory of this process alone, or None where the system does not tell."""
    if sys.platform == "win32":
        try:
            import psutil
        except ImportError:
            return None
        return int(psutil.Process().memory_info().peak_wset)
    # The usual counter of Linux starts from that of the process which started this one; the kernel's mark of the
    # address space does not.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    # macOS counts in bytes, the others in KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
