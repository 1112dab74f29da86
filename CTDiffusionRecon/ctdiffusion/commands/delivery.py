"""Where a command's result goes: a job folder, or a single file made in a hidden one."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from ..images.header import META_SUFFIXES, NIFTI_SUFFIXES, NRRD_SUFFIXES, data_file, image_suffix
from ..images.itk import toolkit
from ..images.volume import WRITABLE
from ..jobs.folder import JobFolder, missing_folders, remove_empty
from ..jobs.lock import JobLock
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
    sources = [path, data_file(path)] if os.path.isfile(path) else []
    if out.exists() and any(out.samefile(source) for source in sources):
        raise ValueError(f"{out.name}: is the input; choose another name for the result")


def _into_folder(spec: Specification, out: Path, as_json: bool) -> int:
    folder = JobFolder(out)
    if folder.spec.is_file() and folder.state.is_file():
        how = "go on with it (ctdiffusion resume), or remove the folder"
        raise ValueError(f"{out}: holds the saved state of an interrupted job; {how}")
    made = missing_folders(out)
    lock = folder.claim()
    # Held from before the first byte to behind the last one: another job cannot slip in between.
    fresh = not folder.spec.exists()
    refused = False
    try:
        folder.begin(spec)
        status = run_here(out, as_json=as_json, lock=lock)
        # A refused job leaves nothing behind.
        refused = fresh and status.bad_input
        if refused:
            folder.remove()
    finally:
        lock.release(remove=refused)
        if refused:
            remove_empty(made)
    if status.state == "done" and not as_json:
        print(f"wrote {folder.volume}")
    elif status.exit_code == 130 and not as_json:
        print(f"to go on: ctdiffusion resume {out}")
    return status.exit_code


def _into_file(spec: Specification, out: Path, as_json: bool) -> int:
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out.parent}: no such folder")
    record = _record(out)
    for path in (out, record):
        check_replaceable(path)
    lock = JobLock(out.parent, f".ctdiffusion-{sha256(os.fsencode(out.name)).hexdigest()[:16]}.lock", "is writing it")
    lock.acquire()
    temporary = None
    try:
        # Beside the result, so that its last step is a rename on the same disk.
        temporary = Path(tempfile.mkdtemp(prefix=".ctdiffusion-", dir=out.parent))
        folder = JobFolder(temporary)
        folder.create(spec)

        def tidy(reason: str) -> None:
            shutil.rmtree(folder.path, ignore_errors=True)
            lock.release(remove=True)

        status = run_here(temporary, as_json=as_json, on_exit=tidy)
        if status.state == "done":
            _hand_over(folder, out, record)
            if not as_json:
                print(f"wrote {out}")
        return status.exit_code
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        lock.release(remove=True)


def _record(out: Path) -> Path:
    """Where the provenance of a result in a single file goes."""
    return out.with_name(out.name[: -len(image_suffix(out))] + ".provenance.json")


def check_replaceable(path: Path) -> None:
    """Refuse a name under which no file can be put in the end, before anything is computed.

    Raises:
        ValueError: a folder, pipe, device file or socket has the name.
        OSError: no file can have it.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        raise ValueError(f"{path}: is there and no regular file; choose another name for the result")


def _hand_over(folder: JobFolder, out: Path, record: Path) -> None:
    suffix = image_suffix(out)
    if suffix == folder.volume.suffix:
        os.replace(folder.volume, out)
    else:
        other = folder.path / f"delivery{suffix}"
        # Not read_volume, which judges values and would clip them.
        itk = toolkit()
        itk.WriteImage(itk.ReadImage(str(folder.volume)), str(other), suffix != ".nii")
        os.replace(other, out)
    os.replace(folder.provenance, record)
