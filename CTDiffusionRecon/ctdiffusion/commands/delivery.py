"""Where a command's result goes: a job folder, or a single file made in a hidden one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..images.header import META_SUFFIXES, NIFTI_SUFFIXES, NRRD_SUFFIXES, data_file, image_suffix
from ..images.itk import toolkit
from ..images.volume import WRITABLE
from ..jobs.folder import JobFolder
from ..jobs.spec import Specification
from .running import run_here

# Endings by which somebody means a file, not a folder.
_NOT_FOLDERS = (
    *NRRD_SUFFIXES, *NIFTI_SUFFIXES, *META_SUFFIXES,
    ".dcm", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy", ".npz", ".h5", ".hdf5", ".mat", ".vtk", ".vti",
)  # fmt: skip


def deliver(spec: Specification, output: str, as_json: bool) -> int:
    """Run a job into `output`, a folder or a .nrrd, .nii.gz, .nii or .mha file; returns the exit code.

    Raises:
        ValueError: a format that cannot be written, the input itself, a file for more than one volume, or a folder
            that holds another job.
        OSError: the place cannot be written to.
    """
    out = Path(os.path.abspath(output))
    if image_suffix(out) in WRITABLE and not out.is_dir():
        _spare_input(Path(spec.input), out)
        if spec.to_dict().get("keep_projections"):
            raise ValueError(f"{out.name}: one file holds no projections as well; with them, name a folder")
        return _into_file(spec, out, as_json)
    if image_suffix(out) in _NOT_FOLDERS and not out.is_dir():
        raise ValueError(f"{out.name}: cannot write this format; use one of {', '.join(WRITABLE)}, or a folder")
    return _into_folder(spec, out, as_json)


def _spare_input(path: Path, out: Path) -> None:
    sources = [path, data_file(path)] if path.is_file() else []
    if out.exists() and any(out.samefile(source) for source in sources):
        raise ValueError(f"{out.name}: is the input; choose another name for the result")


def _into_folder(spec: Specification, out: Path, as_json: bool) -> int:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: a file of this name is in the way")
    folder = JobFolder(out)
    if folder.spec.is_file() and folder.state.is_file():
        how = "go on with it (ctdiffusion resume), or remove the folder"
        raise ValueError(f"{out}: holds the saved state of an interrupted job; {how}")
    existed, fresh = out.exists(), not folder.spec.exists()
    folder.create(spec)
    status = run_here(out, as_json=as_json)
    if status.bad_input and fresh:
        # A refused job leaves nothing behind.
        folder.remove()
        if existed:
            out.mkdir(exist_ok=True)
    elif status.state == "done" and not as_json:
        print(f"wrote {folder.volume}")
    elif status.exit_code == 130 and not as_json:
        print(f"to go on: ctdiffusion resume {out}")
    return status.exit_code


def _into_file(spec: Specification, out: Path, as_json: bool) -> int:
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out.parent}: no such folder")
    # Beside the result, so that its last step is a rename on the same disk.
    temporary = Path(tempfile.mkdtemp(prefix=".ctdiffusion-", dir=out.parent))
    try:
        folder = JobFolder(temporary)
        folder.create(spec)
        status = run_here(temporary, as_json=as_json, on_exit=lambda _: shutil.rmtree(temporary, ignore_errors=True))
        if status.state == "done":
            _hand_over(folder, out)
            if not as_json:
                print(f"wrote {out}")
        return status.exit_code
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _hand_over(folder: JobFolder, out: Path) -> None:
    suffix = image_suffix(out)
    if suffix == folder.volume.suffix:
        os.replace(folder.volume, out)
    else:
        other = folder.path / f"delivery{suffix}"
        # Not read_volume, which judges values and would clip them.
        itk = toolkit()
        itk.WriteImage(itk.ReadImage(str(folder.volume)), str(other), suffix != ".nii")
        os.replace(other, out)
    os.replace(folder.provenance, out.with_name(out.name[: -len(suffix)] + ".provenance.json"))
