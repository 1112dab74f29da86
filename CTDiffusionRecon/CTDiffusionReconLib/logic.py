"""ReconstructionLogic: reconstruct from Python, with or without a panel, one job after the other."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import slicer
from ctdiffusion.core import atomic
from ctdiffusion.jobs.folder import JobFolder, to_json

from .engine.catalogue import find_priors, shipped_catalogue
from .engine.dependencies import Dependencies, InstallReport, dependencies_of, dependencies_query, own_dependencies
from .engine.devices import devices_query
from .engine.engine import Engine
from .engine.estimate import Estimate, calibration_query, estimate_request
from .engine.query import EngineQuery
from .engine.runner import Runner, SubprocessRunner
from .engine.slicerengine import engineOfSettings, privateJobsFolder
from .panel.resultstable import ResultsTable
from .queue.job import CANCELLED, DONE, FAILED, ReconstructionJob
from .queue.jobs import JobQueue
from .queue.request import ReconstructionRequest
from .queue.requestcheck import checked, known
from .queue.slicerequest import SuperResolutionRequest
from .scene.inputs import INPUT_FILE, InputRecord, checkVolume, exportVolume, patientAxes, recordOf, weakly
from .scene.results import loadResult
from .scene.sinograms import loadSinograms

POLL_MS = 100
# What the engine tells its own users to do, and what ours can do, in the panel and in Python.
ASSUME_HU = (
    "pass assume_hu=True (--assume-hu)",
    "check 'Values are HU even where they do not look like it' (in Python: assume_hu=True)",
)


class ReconstructionLogic:
    """Starts reconstructions and brings their results into the scene.

    A volume may be a volume node or the path of a file; the path of measured projections is known from its suffix.
    Options are those of `ReconstructionRequest`: method, geometry, views, parameters, prior, slices, ...

        node = logic.reconstruct(volume, method="dds", geometry="fan", views=30)
        job = logic.start(volume, method="tv", views=60); job.progress; job.cancel()

    Args:
        engine: gives the engine to use; that of the settings otherwise.
        runner: makes the runner of one child; Qt's inside the application, the standard library's elsewhere.
    """

    def __init__(
        self, engine: Callable[[], Engine] = engineOfSettings, runner: Callable[..., Runner] | None = None
    ) -> None:
        self.engine = engine
        self.table = ResultsTable()
        # What "auto" means, as the engine's answer to `askForDevices` says; its owner puts it here.
        self.autoDevice = "cpu"
        self._runner = runner or _defaultRunner()
        self.queue = JobQueue(engine, self._runner, deliver=self._deliver, idle=_idle())
        self._records: dict[ReconstructionJob, tuple[InputRecord, Any]] = {}
        self._timer: Any = None
        self._generation = 0
        self._scene = slicer.mrmlScene
        self._sceneTag = self._scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, self._onSceneClosed)

    # jobs -------------------------------------------------------------------------------------------------------------
    def start(
        self,
        source: Any,
        method: str = "dds",
        *,
        output: Any = None,
        inputKind: str | None = None,
        onFinished: Callable[[ReconstructionJob], None] | None = None,
        request: ReconstructionRequest | SuperResolutionRequest | None = None,
        **options: Any,
    ) -> ReconstructionJob:
        """Put a reconstruction into the queue and return at once.

        Args:
            source: volume node, or path of a volume or of measured projections.
            method: name of a method.
            output: volume node that takes the result; a new one otherwise.
            inputKind: volume or projections, for a path whose suffix does not tell.
            onFinished: called with the job when it is done, has failed or was cancelled.
            request: everything that was asked for at once, instead of `method` and options.
            options: see `ReconstructionRequest`; of measured projections all views are taken unless told otherwise.

        Raises:
            ValueError: an input or an option that is refused; one line that names it.
            OSError: the job folder cannot be written.
        """
        kind, request = self.check(source, method, output=output, inputKind=inputKind, request=request, **options)
        folder = _newFolder(request.method)
        try:
            job, record = self._prepare(source, kind, request, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._records[job] = (record, None if output is None else weakly(output))
        job.addObserver(self._onJobChanged)
        if onFinished is not None:
            job.addObserver(lambda changed: onFinished(changed) if changed.finished else None)
        self._follow()
        return self.queue.submit(job)

    def check(
        self,
        source: Any,
        method: str = "dds",
        *,
        output: Any = None,
        inputKind: str | None = None,
        request: ReconstructionRequest | SuperResolutionRequest | None = None,
        **options: Any,
    ) -> tuple[str, ReconstructionRequest | SuperResolutionRequest]:
        """Refuse what `start` would refuse, at once and without writing; returns the kind of input and the request.

        Raises:
            ValueError: see `start`.
        """
        return checked(source, method, output, inputKind, request, options)

    def reconstruct(self, source: Any, method: str = "dds", *, wait: bool = True, **options: Any) -> Any:
        """Reconstruct, and return the result's volume node; with `wait=False` the job (see `start`).

        Raises:
            ValueError, OSError: see `start`.
            RuntimeError: the reconstruction failed or was cancelled; the text says why.
        """
        job = self.start(source, method, **options)
        return self._finished(job) if wait else job

    def superResolve(self, volume: Any, method: str = "zsr", *, wait: bool = True, **options: Any) -> Any:
        """Thinner slices from the thick ones of a CT or MR volume node; returns the thin volume's node, or the job.

        Options are those of `SuperResolutionRequest`: factor, parameters, prior, device, seed, assume_hu.

        Raises:
            ValueError, OSError, RuntimeError: see `reconstruct`.
        """
        known = [item.name for item in fields(SuperResolutionRequest) if item.init]
        for name in options:
            if name not in known:
                raise ValueError(f"{name}: unknown option (known: {', '.join(known)})")
        job = self.start(volume, request=SuperResolutionRequest(method=method, **options))
        return self._finished(job) if wait else job

    def batch(
        self,
        sources: Iterable[Any],
        method: str = "dds",
        *,
        wait: bool = False,
        onFinished: Callable[[ReconstructionJob], None] | None = None,
        **options: Any,
    ) -> list[Any]:
        """Start the same reconstruction for several inputs; returns the jobs or, with `wait`, the nodes.

        With `wait`, an input that fails gives None in its place, and its reason in the application's log.

        Raises:
            ValueError: an input or an option that is refused; then none is started.
            OSError: see `start`.
        """
        sources = list(sources)
        for source in sources:
            self.check(source, method, **options)
        jobs = [self.start(source, method, onFinished=onFinished, **options) for source in sources]
        if not wait:
            return jobs
        for job in jobs:
            job.wait()
            if job.state != DONE:
                logging.error("CTDiffusionRecon: %s: %s", job.name, job.error or job.state)
        return [job.resultNode for job in jobs]

    def retry(self, job: ReconstructionJob, **changes: Any) -> ReconstructionJob:
        """Start a finished job again on the same input, with changed options if any.

        Raises:
            ValueError: the input is gone.
        """
        record, reference = self._records.get(job, (None, None))
        if record is None:
            raise ValueError(f"{job.name}: its input is not known any more")
        output = None if reference is None else reference.Get()
        source = record.node if record.reference is not None else job.source
        if source is None:
            raise ValueError(f"{job.name}: its input is no longer in the scene")
        request = job.request.changed(**changes)
        return self.start(source, output=output, inputKind=job.kind, request=request)

    def cancelAll(self) -> None:
        """Stop every job."""
        self.queue.cancel_all()

    def shutdown(self) -> None:
        """End the engine and let go of the scene; nothing is delivered any more."""
        self.queue.shutdown()
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._sceneTag is not None:
            self._scene.RemoveObserver(self._sceneTag)
            self._sceneTag = None

    # questions --------------------------------------------------------------------------------------------------------
    def askForDevices(self) -> EngineQuery:
        """Ask what the engine computes on; `poll` the query, then give its answer to `devices.device_line`."""
        return devices_query(self.engine(), self._runner).start()

    def estimate(
        self, volume: Any, method: str = "dds", *, request: ReconstructionRequest | None = None, **options: Any
    ) -> Estimate:
        """Time in s and memory in bytes of a reconstruction of a volume node, at once (see `estimate`).

        Raises:
            ValueError: a volume or an option that is refused.
        """
        checkVolume(volume)
        request = request or ReconstructionRequest(**{"method": method, **known(options)})
        device = self.autoDevice if request.device == "auto" else request.device
        size, spacing = volume.GetImageData().GetDimensions(), volume.GetSpacing()
        axes = patientAxes(volume)
        return estimate_request(request, shipped_catalogue(), tuple(size), tuple(spacing), device, axes=axes)

    def askForSpeed(self, prior: str | None = None) -> EngineQuery:
        """Have this computer timed with a prior, once and for some seconds, so that estimates become better."""
        return calibration_query(self.engine(), self._runner, prior).start()

    def dependencies(self) -> Dependencies:
        """What the engine's Python has and lacks; asks it in a process of its own where it is not the running one.

        Raises:
            ValueError, RuntimeError: there is no such interpreter, or it does not answer.
        """
        engine = self.engine()
        if not engine.foreign:
            return own_dependencies()
        return dependencies_of(dependencies_query(engine, self._runner).start().wait(), foreign=True)

    def installMissing(self, wheels: str | Path | None = None) -> InstallReport:
        """Install what is missing, after asking the user; a folder of wheels serves where there is no network."""
        from .engine.installer import install

        return install(self.dependencies(), None if wheels is None else Path(wheels))

    def priors(self) -> list[dict[str, Any]]:
        """The prior packs that the engine finds, see `catalogue.find_priors`."""
        return find_priors(self.engine())

    def loadSinograms(self, jobOrNode: Any) -> tuple[Any, Any]:
        """The projections and the residual of a result as volume nodes; see `sinograms.loadSinograms`."""
        return loadSinograms(jobOrNode)

    # inside -----------------------------------------------------------------------------------------------------------
    def _prepare(
        self, source: Any, kind: str, request: ReconstructionRequest | SuperResolutionRequest, folder: Path
    ) -> tuple[ReconstructionJob, InputRecord]:
        if isinstance(source, (str, Path)):
            path = Path(source).resolve()
            record = InputRecord(path.name.split(".")[0] or path.name, scene_generation=self._generation)
            where: str | Path = path
        else:
            path = exportVolume(source, folder)
            record = recordOf(source, self._generation)
            where = INPUT_FILE
        atomic.write_bytes(folder / "spec.json", to_json(request.spec(where, kind)))
        job = ReconstructionJob(folder, request, f"{record.name} {request.label}")
        job.kind = kind
        job.source = source if isinstance(source, (str, Path)) else None
        job.secrets = ((str(path), "<input>"), (str(Path.home()), "~"))
        named = ((INPUT_FILE, record.name),) if where == INPUT_FILE else ()
        # Thin slices have no such check box.
        job.words = (ASSUME_HU, *named) if isinstance(request, ReconstructionRequest) else named
        return job, record

    def _deliver(self, job: ReconstructionJob) -> None:
        record, reference = self._records[job]
        output = None if reference is None else reference.Get()
        job.resultNode = loadResult(job, record, self._generation, output)
        self.table.append(job, record.name)

    def _finished(self, job: ReconstructionJob) -> Any:
        job.wait()
        if job.state != DONE:
            raise RuntimeError(f"{job.name}: {job.error or job.state}")
        if job.resultNode is None:
            raise RuntimeError(f"{job.name}: {job.warnings[-1] if job.warnings else 'the result was not loaded'}")
        return job.resultNode

    def _onJobChanged(self, job: ReconstructionJob) -> None:
        if job.state == DONE:
            # The node is in the scene and the provenance has its hash: no second copy of a patient's image.
            (job.folder / INPUT_FILE).unlink(missing_ok=True)
        elif job.state == FAILED:
            # What is left explains the failure; a retry writes the input again.
            (job.folder / INPUT_FILE).unlink(missing_ok=True)
            JobFolder(job.folder).state.unlink(missing_ok=True)
        elif job.state == CANCELLED and job.result_path is None:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _onSceneClosed(self, caller: Any, event: Any) -> None:
        self._generation += 1

    def _follow(self) -> None:
        if self._timer is None and hasattr(slicer, "app"):
            from .engine.qprocessrunner import every

            self._timer = every(POLL_MS, self.queue.poll)


def _defaultRunner() -> Callable[..., Runner]:
    if not hasattr(slicer, "app"):
        return SubprocessRunner
    from .engine.qprocessrunner import QProcessRunner

    return QProcessRunner


def _idle() -> Callable[[], None] | None:
    return slicer.app.processEvents if hasattr(slicer, "app") else None


def _newFolder(method: str) -> Path:
    """A new, empty job folder. Its name is short, because paths are on some systems.

    Raises:
        OSError: it cannot be made.
    """
    root = privateJobsFolder()
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{method}"
    for number in range(1000):
        folder = root / (stem if number == 0 else f"{stem}-{number}")
        try:
            # Its owner's alone: it holds a patient's image.
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise OSError(f"{root}: no folder for the job can be made")
