"""The running job in the panel: progress with step and time left, live preview, queue, log, and errors."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

PREVIEW_PIXELS = 256


class JobPanel:
    """Shows the jobs of a queue. Nothing is polled here; the module widget's timer does that and calls `update`.

    Args:
        ui: the widgets of the .ui.
        queue: the job queue.
        retry: called with the failed job that the user wants again, or None where `showError` had no job.
    """

    def __init__(self, ui, queue, retry) -> None:
        self.ui = ui
        self.queue = queue
        self._retry = retry
        self._failed = None
        self._errorLog = None
        # Failed jobs whose error has been shown: it must not come back over a newer one.
        self._told: set[Any] = set()
        self._shown: dict[str, Any] = {}
        ui.errorFrame.setVisible(False)
        ui.progressBar.setVisible(False)
        ui.previewLabel.setVisible(False)
        ui.retryButton.connect("clicked(bool)", self._onRetry)
        ui.copyLogButton.connect("clicked(bool)", self._onCopyLog)
        ui.cancelJobButton.connect("clicked(bool)", self._onCancelJob)
        ui.cancelAllButton.connect("clicked(bool)", lambda *unused: self.queue.cancel_all())
        ui.folderButton.connect("clicked(bool)", self._onOpenFolder)
        ui.jobsListWidget.connect("currentRowChanged(int)", lambda *unused: self.update())
        ui.logCollapsibleButton.connect("contentsCollapsed(bool)", lambda *unused: self.update())

    @property
    def current(self):
        """The job that the panel is about: the running one, else the last one, else None."""
        jobs = self.queue.jobs
        return self.queue.running or (jobs[-1] if jobs else None)

    @property
    def selected(self):
        """The job selected in the list, else the current one."""
        row = self.ui.jobsListWidget.currentRow
        return self.queue.jobs[row] if 0 <= row < len(self.queue.jobs) else self.current

    def update(self) -> None:
        """Show how things stand."""
        job = self.current
        running = self.queue.running
        self.ui.progressBar.setVisible(running is not None)
        if running is not None:
            self.ui.progressBar.value = round(100.0 * running.progress)
        self._set("statusLabel", "" if job is None else statusText(job))
        self.ui.statusLabel.setVisible(job is not None)
        self._showList()
        self._showPreview(running)
        self._showLog()
        if job is not None and job.state == "failed" and job not in self._told:
            self._told.add(job)
            self.showError(job.error or _("The reconstruction failed."), job)
        elif running is not None and self._failed is not None:
            self.clearError()

    def showError(self, text: str, job=None, log=None) -> None:
        """Show what went wrong, with its log for the clipboard."""
        self._failed = job
        self._errorLog = log
        self.ui.errorLabel.text = text
        self.ui.errorFrame.setVisible(True)

    def clearError(self) -> None:
        """The error has been dealt with."""
        self._failed = self._errorLog = None
        self.ui.errorFrame.setVisible(False)

    def _set(self, widget: str, text: str) -> None:
        if self._shown.get(widget) != text:
            self._shown[widget] = text
            getattr(self.ui, widget).text = text

    def _showList(self) -> None:
        jobs, widget = self.queue.jobs, self.ui.jobsListWidget
        while widget.count < len(jobs):
            widget.addItem("")
        for row, job in enumerate(jobs):
            text = _("{name}: {state}").format(name=job.name, state=stateText(job.state))
            if widget.item(row).text() != text:
                widget.item(row).setText(text)
        selected = self.selected
        self.ui.cancelJobButton.enabled = selected is not None and not selected.finished
        self.ui.cancelAllButton.enabled = self.queue.active
        self.ui.folderButton.enabled = selected is not None

    def _showPreview(self, job) -> None:
        if job is None or job.preview_path is None:
            self.ui.previewLabel.setVisible(False)
            return
        mark = (job.folder, job.preview_count)
        if self._shown.get("preview") != mark:
            picture = qt.QPixmap(str(job.preview_path))
            # The engine replaces the file in one step; where it is missing for once, the next look will find it.
            if picture.isNull():
                return
            self._shown["preview"] = mark
            scaled = picture.scaled(
                PREVIEW_PIXELS, PREVIEW_PIXELS, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation
            )
            self.ui.previewLabel.setPixmap(scaled)
        self.ui.previewLabel.setVisible(True)

    def _showLog(self) -> None:
        if self.ui.logCollapsibleButton.collapsed or self.ui.jobsCollapsibleButton.collapsed:
            return
        job = self.selected
        text = "" if job is None else job.log
        if self._shown.get("log") != text:
            self._shown["log"] = text
            self.ui.logTextEdit.setPlainText(text)
            bar = self.ui.logTextEdit.verticalScrollBar()
            bar.value = bar.maximum

    def _onRetry(self, *unused) -> None:
        job = self._failed
        self.clearError()
        self._retry(job)

    def _onCopyLog(self, *unused) -> None:
        parts = [self.ui.errorLabel.text]
        if self._errorLog is not None:
            parts.append(self._errorLog)
        elif self._failed is not None:
            parts += [self._failed.name, *self._failed.warnings, self._failed.log]
        slicer.app.clipboard().setText("\n".join(parts))

    def _onCancelJob(self, *unused) -> None:
        if self.selected is not None:
            self.selected.cancel()

    def _onOpenFolder(self, *unused) -> None:
        if self.selected is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.selected.folder)))


def stateText(state: str) -> str:
    """A job's state in the user's language."""
    return {
        "queued": _("waiting"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
    }.get(state, state)


def statusText(job) -> str:
    """One line: what the job does now, or how it ended."""
    if job.state == "running" and job.stopping_since is not None:
        return _("{name}: stopping").format(name=job.name)
    if job.state == "running":
        if not job.phase:
            return _("{name}: starting the engine").format(name=job.name)
        text = _("{name}: {phase}, step {step} of {total}").format(
            name=job.name, phase=phaseText(job.phase), step=job.step, total=job.total
        )
        if job.eta_s is not None:
            text += ", " + _("about {time} left").format(time=durationText(job.eta_s))
        return text
    text = _("{name}: {state}").format(name=job.name, state=stateText(job.state))
    if job.warnings:
        text += "\n" + "\n".join(job.warnings)
    return text


def phaseText(phase: str) -> str:
    """What the engine does, in the user's language; phases of the methods keep their names."""
    return {
        "read": _("reading the input"),
        "simulate": _("simulating the projections"),
        "prior": _("loading the prior"),
        "projector": _("setting up the projector"),
        "quality": _("measuring quality"),
        "write": _("writing the result"),
    }.get(phase, phase)


def durationText(seconds: float) -> str:
    """`35 s`, `4 min`, `2 h 10 min`, with spaces at which no line breaks."""
    if seconds < 90:
        return _("{count} s").replace(" ", "\u00a0").format(count=max(round(seconds), 1))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{count} min").replace(" ", "\u00a0").format(count=minutes)
    text = _("{hours} h {minutes} min").replace(" ", "\u00a0")
    return text.format(hours=minutes // 60, minutes=minutes % 60)
