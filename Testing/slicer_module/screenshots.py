"""Pictures of the panel in its states and of the comparison, taken from the module as it runs on the stand-in.

python Testing/slicer_module/screenshots.py --write            real jobs (minutes), into Resources/Screenshots
python Testing/slicer_module/screenshots.py --write FOLDER     into another folder
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH = 480
VIEWS = {"comparison": (1280, 640), "profile": (1280, 720)}
PANELS = ("panel-empty", "panel-ready", "panel-running", "panel-done", "panel-error", "panel-thin")
NAMES = (*PANELS, "comparison", "profile")
METHODS = ("fbp", "tv", "dds")


def take(session: Any, panel: Any, folder: Path, choose: Callable[[Any, str], None], fail: Callable[[], None]) -> None:
    """Go through the states and save a picture of each.

    Args:
        session, panel: the running stand-in and the module's widget.
        folder: where the pictures go.
        choose: sets the panel for one of METHODS.
        fail: has the next job fail.
    """
    import driving

    def picture(name: str) -> None:
        save(session, panel, folder / f"{name}.png")

    only(panel, "inputCollapsibleButton", "scanCollapsibleButton", "methodCollapsibleButton", "outputCollapsibleButton")
    session.process_until(lambda: not panel.outputPanel.isAsking, 300)
    picture("panel-empty")
    panel.ui.sampleButton.click()
    sample = panel._parameterNode.inputVolume
    choose(panel, METHODS[-1])
    picture("panel-ready")
    only(panel, "inputCollapsibleButton", "methodCollapsibleButton", "jobsCollapsibleButton")
    results = []
    for method in METHODS:
        choose(panel, method)
        last = method == METHODS[-1]
        job = driving.press_apply(panel)
        if last:
            session.process_until(lambda job=job: job.finished or (job.progress > 0.4 and job.preview_path), 3000)
            session.process_until(lambda: False, 0.5)
            picture("panel-running")
        driving.finish(session, job, 3000)
        if job.state != "done":
            raise RuntimeError(f"{job.name}: {job.error}\n{job.log}")
        results.append(job.resultNode)
    only(panel, "inputCollapsibleButton", "resultsCollapsibleButton", "compareCollapsibleButton")
    panel.comparePanel.refresh()
    panel.comparePanel.check([sample, *results])
    picture("panel-done")
    compare(session, panel, folder, sample)
    only(panel, "thinCollapsibleButton")
    panel._parameterNode.thickVolume = sample
    picture("panel-thin")
    fail()
    only(panel, "inputCollapsibleButton", "methodCollapsibleButton", "jobsCollapsibleButton")
    driving.finish(session, driving.press_apply(panel), 600)
    picture("panel-error")


def compare(session: Any, panel: Any, folder: Path, sample: Any) -> None:
    """The comparison side by side, and with a profile."""
    from slicer_standin import grab

    sample.GetDisplayNode().SetAutoWindowLevel(False)
    sample.GetDisplayNode().SetWindowLevel(1500.0, -300.0)
    viewport = session.app.layoutManager().viewport()
    viewport.show()
    for name, button in (("comparison", panel.ui.compareButton), ("profile", panel.ui.profileButton)):
        viewport.resize(*VIEWS[name])
        button.click()
        session.process_until(lambda: False, 0.5)
        grab.views(session, folder / f"{name}.png", *VIEWS[name])
    panel.ui.backButton.click()


def only(panel: Any, *opened: str) -> None:
    """Open these sections and collapse the others."""
    for name, widget in vars(panel.ui).items():
        if name.endswith("CollapsibleButton") and name not in ("parametersCollapsibleButton", "logCollapsibleButton"):
            widget.collapsed = name not in opened


def save(session: Any, panel: Any, path: Path) -> None:
    """The panel as high as it needs to be."""
    from PySide6 import QtWidgets
    from slicer_standin import grab

    panel.parent.show()
    panel.parent.resize(WIDTH, 100)
    session.process_until(lambda: False, 0.3)
    layout = QtWidgets.QWidget.layout(panel.parent)
    height = max(layout.totalHeightForWidth(WIDTH), layout.totalMinimumSize().height())
    grab.widget(panel.parent, path, WIDTH, height)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] != "--write":
        print(__doc__)
        return 2
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    from slicer_standin import bootstrap

    folder = Path(arguments[1]) if len(arguments) > 1 else ROOT / "Resources" / "Screenshots"
    place = Path(tempfile.mkdtemp())
    os.environ["HOME"] = str(place)  # shown as ~ in what goes wrong
    session = bootstrap.start(place)
    panel = session.load_module(ROOT / "CTDiffusionRecon" / "CTDiffusionRecon.py")

    def choose(panel: Any, method: str) -> None:
        node = panel._parameterNode
        node.method, node.views = method, 30
        panel.ui.sliceChoiceComboBox.currentIndex = 1
        node.firstSlice, node.lastSlice = 24, 39

    def fail() -> None:
        """A prior pack whose weights are damaged."""
        import shutil

        from CTDiffusionReconLib.engine import settings

        original = next(f for f in sorted((ROOT / "Resources" / "Priors").iterdir()) if (f / "prior.json").is_file())
        pack = place / "priors" / "damaged-pack"
        shutil.copytree(original, pack)
        text = (pack / "prior.json").read_text(encoding="utf-8")
        (pack / "prior.json").write_text(text.replace(f'"{original.name}"', '"damaged-pack"'), encoding="utf-8")
        with open(pack / "weights.safetensors", "r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(b"\x00" * 500)
        settings.addPriorFolder(str(pack.parent))
        panel.methodSection.refreshPriors()
        panel._parameterNode.prior = "damaged-pack"

    take(session, panel, folder, choose, fail)
    session.unload_modules()
    print(*sorted(path.name for path in folder.glob("*.png")), sep="\n", flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
