"""Installing what is missing into Slicer's Python, by Slicer's own means and after asking."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from . import dependencies
from .dependencies import OF_SLICER, OPTIONAL, REQUESTER, TORCH, TORCH_VERSIONS, Dependencies, InstallReport


def install(
    found: Dependencies,
    wheels: Path | None = None,
    ask: Callable[[str], bool] | None = None,
    check: Callable[[], Dependencies] = dependencies.own_dependencies,
) -> InstallReport:
    """Install what is missing; whatever happens ends up in the report, nothing is raised.

    Args:
        found: what is there now.
        wheels: folder with wheels for a computer without network.
        ask: puts a question to the user; Slicer's own dialog otherwise.
        check: looks again afterwards.
    """
    report = InstallReport()
    if found.foreign or any(name in OF_SLICER for name in found.missing):
        report.text = found.explanation()
        return report
    try:
        if TORCH in found.missing:
            _torch(report, wheels, ask)
        if not report.declined and not report.text:
            _others(report, wheels, ask)
    except RuntimeError as error:
        report.note(dependencies.error_text(error))
        report.declined = "declined" in str(error).lower()
        report.text = _("Nothing was installed.") if report.declined else dependencies.error_text(error)
    except Exception as error:
        report.note(dependencies.error_text(error))
        report.text = _("The installation failed: {reason}").format(reason=dependencies.error_text(error))
    after = check()
    report.ok = after.complete
    report.restart = report.ok and bool(found.packages.get(TORCH)) and TORCH in found.missing
    if not report.ok and not report.text:
        report.text = after.explanation()
    return report


def _torch(report: InstallReport, wheels: Path | None, ask: Callable[[str], bool] | None) -> None:
    """torch by the PyTorch extension, which knows the GPU; from a folder of wheels where one is named."""
    if wheels is not None:
        report.note(f"{TORCH} from wheels in {wheels}")
        _confirm(report, ask, _("Install torch from the folder {folder}?").format(folder=wheels))
        if not report.declined:
            _pip([f"{TORCH}{TORCH_VERSIONS}"], wheels)
        return
    try:
        import PyTorchUtils
    except ImportError:
        report.note("the extension PyTorch is not installed")
        report.text = _(
            "torch is installed by the extension PyTorch, which is missing. Install it in the Extensions Manager, "
            "start Slicer again, and try again. Without network: name a folder of wheels that holds torch."
        )
        return
    logic = PyTorchUtils.PyTorchUtilsLogic()
    report.note(f"{TORCH} {TORCH_VERSIONS} by the extension PyTorch")
    # It asks the user itself. torchvision is not needed, but the extension installs the pair.
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_VERSIONS) is None:
        report.declined = True
        report.text = _("torch was not installed.")


def _others(report: InstallReport, wheels: Path | None, ask: Callable[[str], bool] | None) -> None:
    here = dependencies.own_dependencies()
    lacking = [line for line in dependencies.requirements() if here.packages.get(dependencies.name_of(line)) is None]
    if not lacking:
        return
    try:
        _install(lacking, report, wheels, ask)
    except (RuntimeError, ValueError):
        raise
    except Exception as error:
        # One package that helps but cannot be had here must not keep the others away.
        needed = [line for line in lacking if dependencies.name_of(line) not in OPTIONAL]
        report.note(dependencies.error_text(error))
        if needed == lacking or not needed:
            if needed:
                raise
            return
        _install(needed, report, wheels, ask)


def _install(lacking: list[str], report: InstallReport, wheels: Path | None, ask: Callable[[str], bool] | None) -> None:
    report.note("pip: " + ", ".join(lacking))
    packaging = _packaging()
    if packaging is not None and wheels is None and ask is None:
        with _Constraints() as path:
            packaging.pip_ensure(lacking, constraints=path, requester=REQUESTER)
        return
    names = ", ".join(dependencies.name_of(line) for line in lacking)
    _confirm(report, ask, _("Install these Python packages into Slicer: {names}?").format(names=names))
    if not report.declined:
        _pip(lacking, wheels)


def _confirm(report: InstallReport, ask: Callable[[str], bool] | None, question: str) -> None:
    agreed = ask(question) if ask is not None else slicer.util.confirmOkCancelDisplay(question, REQUESTER)
    if not agreed:
        report.declined = True
        report.text = _("Nothing was installed.")


def _pip(requirements: list[str], wheels: Path | None) -> None:
    options = dependencies.wheel_options(wheels)
    with _Constraints() as path:
        slicer.util.pip_install([*requirements, *options, "-c", path])


def _packaging() -> Any:
    """`slicer.packaging`, which Slicer has from 5.12 on."""
    try:
        import slicer.packaging
    except ImportError:
        return None
    return slicer.packaging


class _Constraints:
    """A constraints file for the length of a block."""

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(suffix=".txt", prefix="constraints-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dependencies.constraints_text())
        return self._path

    def __exit__(self, *unused: Any) -> None:
        Path(self._path).unlink(missing_ok=True)
