"""Where a command's result goes: a job folder, or a single file made in a hidden one."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from .. import __version__
from ..images.dicom_series import write_series
from ..images.header import META_SUFFIXES, NIFTI_SUFFIXES, NRRD_SUFFIXES, data_file, image_suffix
from ..images.itk import toolkit
from ..images.volume import WRITABLE, Volume
from ..jobs.folder import JobFolder, missing_folders, remove_empty
from ..jobs.lock import JobLock
from ..jobs.spec import Specification
from .running import run_here

# Endings by which somebody means a file, not a folder.
_NOT_FOLDERS = (
    *NRRD_SUFFIXES, *NIFTI_SUFFIXES, *META_SUFFIXES,
    ".dcm", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy", ".npz", ".h5", ".hdf5", ".mat", ".vtk", ".vti",
)  # fmt: skip


def deliver(spec: Specification, output: str, as_json: bool, dicom: bool = False) -> int:
    """Run a job into `output`, a folder or a .nrrd, .nii.gz, .nii or .mha file; returns the exit code.

    Args:
        dicom: `output` becomes a folder with a DICOM series, not a job folder.

    Raises:
        ValueError: a format that cannot be written, the input itself, a file for more than one volume, or a folder
            that holds another job.
        OSError: the place cannot be written to.
    """
    out = Path(os.path.abspath(output))
    one_file = image_suffix(out) in WRITABLE and not out.is_dir()
    if (one_file or dicom) and spec.to_dict().get("keep_projections"):
        raise ValueError(f"{out.name}: one volume holds no projections as well; with them, name a job folder")
    if dicom:
        if one_file or image_suffix(out) in _NOT_FOLDERS:
            raise ValueError(f"{out.name}: a DICOM series is a folder; name one without an ending")
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise ValueError(f"{out}: is there already; a DICOM series goes into a new folder")
        return _alone(spec, out, as_json, _hand_over_series)
    if one_file:
        _spare_input(Path(spec.input), out)
        return _alone(spec, out, as_json, _hand_over)
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


def _alone(spec: Specification, out: Path, as_json: bool, hand_over: HandOver) -> int:
    """Run a job in a hidden folder beside `out`; only its volume, and its provenance, are kept.

    A job that is stopped is kept, visibly, to go on with.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out.parent}: no such folder")
    record = _record(out)
    for path in (out, record) if hand_over is _hand_over else (record,):
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
            _keep(folder, out)
            lock.release(remove=True)

        status = run_here(temporary, as_json=as_json, on_exit=tidy)
        if status.state == "done":
            hand_over(folder, out, record)
            if not as_json:
                print(f"wrote {out}")
        elif status.exit_code == 130:
            kept = _keep(folder, out)
            if not as_json:
                print(f"to go on: ctdiffusion resume {kept} -o {out}" + " --dicom" * (hand_over is not _hand_over))
        return status.exit_code
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        lock.release(remove=True)


def _keep(folder: JobFolder, out: Path) -> Path:
    """Give a hidden job folder a name to see, that of the result with `.job`."""
    number, kept = 1, out.with_name(f"{out.name}.job")
    while kept.exists():
        number += 1
        kept = out.with_name(f"{out.name}.job{number}")
    os.rename(folder.path, kept)
    return kept


def resume_to(job: Path, output: str | None, as_json: bool, dicom: bool = False) -> int:
    """Go on with a job; its volume goes to `output` where that is named, and a job that was kept for it is removed.

    Raises:
        ValueError, OSError: see `deliver`.
    """
    if output is None:
        return run_here(job, resume=True, as_json=as_json).exit_code
    out = Path(os.path.abspath(output))
    if not dicom and image_suffix(out) not in WRITABLE:
        raise ValueError(f"{out.name}: cannot write this format; use one of {', '.join(WRITABLE)}")
    folder = JobFolder(job)
    _spare_input(Path(folder.read_spec().input), out)
    status = run_here(job, resume=True, as_json=as_json)
    if status.state == "done":
        (_hand_over_series if dicom else _hand_over)(folder, out, _record(out))
        if job.name.startswith(f"{out.name}.job"):
            shutil.rmtree(job, ignore_errors=True)
        if not as_json:
            print(f"wrote {out}")
    return status.exit_code


def _record(out: Path) -> Path:
    """Where the provenance of a result in a single file goes."""
    return out.with_name(out.name[: len(out.name) - len(image_suffix(out))] + ".provenance.json")


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


HandOver = Callable[[JobFolder, Path, Path], None]


def _hand_over(folder: JobFolder, out: Path, record: Path) -> None:
    """Put the volume of a finished job where one file is wanted."""
    suffix = image_suffix(out)
    if suffix == folder.volume.suffix:
        _copied(folder.volume, out)
    else:
        other = folder.path / f"delivery{suffix}"
        # Not read_volume, which judges values and would clip them.
        itk = toolkit()
        itk.WriteImage(itk.ReadImage(str(folder.volume)), str(other), suffix != ".nii")
        _copied(other, out)
    _copied(folder.provenance, record)


def _hand_over_series(folder: JobFolder, out: Path, record: Path) -> None:
    """Put the volume of a finished job where a DICOM series is wanted."""
    spec = folder.read_spec()
    image = toolkit().ReadImage(str(folder.volume))
    array = toolkit().GetArrayFromImage(image)
    volume = Volume(array, image.GetSpacing(), image.GetOrigin(), tuple(image.GetDirection()))
    made = folder.path / "series"
    made.mkdir()
    simulated = " (simulated)" if getattr(spec, "input_kind", "") == "volume" else ""
    parameters = ", ".join(f"{name} {value}" for name, value in spec.parameters.items())
    derivation = f"CTDiffusionRecon {__version__}: {spec.method}{simulated}; {parameters or 'default parameters'}"
    write_series(volume, made, f"{spec.label}{simulated}", derivation)
    if out.is_dir():
        out.rmdir()
    os.replace(made, out)
    _copied(folder.provenance, record)


def _copied(source: Path, target: Path) -> None:
    """Move a file over another in one step, from another disk as well."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        hidden = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            shutil.copyfile(source, hidden)
            os.replace(hidden, target)
        finally:
            hidden.unlink(missing_ok=True)
