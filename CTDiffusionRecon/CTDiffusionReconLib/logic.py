"""ReconstructionLogic: reconstruct from Python, with or without a panel, one job after the other."""

import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import slicer
from ctdiffusion.jobs.estimate import Estimate
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.spec import Specification
from ctdiffusion.jobs.tasks import TASKS
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION

from .engine.dependencies import Dependencies, InstallReport, dependencies_of, dependencies_query, own_dependencies
from .engine.devices import devices_query
from .engine.engine import Engine
from .engine.estimate import calibration_query, estimate_request
from .engine.priors import find_priors
from .engine.query import EngineQuery
from .engine.runner import Runner
from .engine.slicerengine import engineOfSettings, idleOfApplication, runnerOfApplication
from .queue.job import CANCELLED, DONE, FAILED, ReconstructionJob
from .queue.jobs import JobQueue
from .queue.request import INPUT_FILE, changed, reconstruction, request_for
from .scene.inputs import InputRecord, checkVolume, patientAxes, weakly
from .scene.preparation import preparedJob
from .scene.requestcheck import checked, kindOfSource
from .scene.results import loadResult
from .scene.resultstable import ResultsTable
from .scene.sinograms import loadSinograms

POLL_MS = 100
DEFAULT_METHOD, DEFAULT_THIN_METHOD = TASKS[RECONSTRUCTION].default_method, TASKS[SUPERRESOLUTION].default_method


class ReconstructionLogic:
    """Starts reconstructions and brings their results into the scene.

    A volume may be a volume node or the path of a file; the path of measured projections is known from its suffix.
    Options are the fields of the engine's `JobSpec`: geometry, views, parameters, prior, slices, ... (`help(JobSpec)`).

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
        self._runner = runner or runnerOfApplication()
        self.queue = JobQueue(engine, self._runner, deliver=self._deliver, idle=idleOfApplication())
        self._records: dict[ReconstructionJob, tuple[InputRecord, Any]] = {}
        self._timer: Any = None
        self._generation = 0
        self._scene = slicer.mrmlScene
        self._sceneTag = self._scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, self._onSceneClosed)

    # jobs -------------------------------------------------------------------------------------------------------------
    def start(
        self,
        source: Any,
        method: str = DEFAULT_METHOD,
        *,
        output: Any = None,
        inputKind: str | None = None,
        onFinished: Callable[[ReconstructionJob], None] | None = None,
        request: Specification | None = None,
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
            options: fields of the specification, see `request_for`; of measured projections all views are taken
                unless told otherwise.

        Raises:
            ValueError: an input or an option that is refused; one line that names it.
            OSError: the job folder cannot be written.
        """
        request = self.check(source, method, output=output, inputKind=inputKind, request=request, **options)
        job, record = preparedJob(source, request, self._generation)
        self._records[job] = (record, None if output is None else weakly(output))
        job.addObserver(self._onJobChanged)
        if onFinished is not None:
            job.addObserver(lambda changed: onFinished(changed) if changed.finished else None)
        self._follow()
        return self.queue.submit(job)

    def check(
        self,
        source: Any,
        method: str = DEFAULT_METHOD,
        *,
        output: Any = None,
        inputKind: str | None = None,
        request: Specification | None = None,
        **options: Any,
    ) -> Specification:
        """Refuse what `start` would refuse, at once and without writing; returns the job's specification.

        Raises:
            ValueError: see `start`.
        """
        if request is None:
            request = reconstruction(
                **{"input_kind": kindOfSource(source, inputKind), **_free(options), "method": method}
            )
        elif options:
            raise ValueError(f"{next(iter(options))}: not together with a request")
        return checked(source, output, request)

    def reconstruct(self, source: Any, method: str = DEFAULT_METHOD, *, wait: bool = True, **options: Any) -> Any:
        """Reconstruct, and return the result's volume node; with `wait=False` the job (see `start`).

        Raises:
            ValueError, OSError: see `start`.
            RuntimeError: the reconstruction failed or was cancelled; the text says why.
        """
        job = self.start(source, method, **options)
        return self._finished(job) if wait else job

    def superResolve(self, volume: Any, method: str = DEFAULT_THIN_METHOD, *, wait: bool = True, **options: Any) -> Any:
        """Thinner slices from the thick ones of a CT or MR volume node; returns the thin volume's node, or the job.

        Options are the fields of the engine's `SuperResolutionSpec`: factor, profile, parameters, prior, seed, ...

        Raises:
            ValueError, OSError, RuntimeError: see `reconstruct`.
        """
        job = self.start(volume, request=request_for(SUPERRESOLUTION, **_free(options), method=method))
        return self._finished(job) if wait else job

    def batch(
        self,
        sources: Iterable[Any],
        method: str = DEFAULT_METHOD,
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
        return self.start(source, output=output, request=changed(job.request, **_free(changes)))

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
        self, volume: Any, method: str = DEFAULT_METHOD, *, request: JobSpec | None = None, **options: Any
    ) -> Estimate:
        """Time in s and memory in bytes of a reconstruction of a volume node, at once (see `estimate`).

        Raises:
            ValueError: a volume or an option that is refused.
        """
        checkVolume(volume)
        request = request or reconstruction(**{**_free(options), "method": method})
        device = self.autoDevice if request.device == "auto" else request.device
        size, spacing = volume.GetImageData().GetDimensions(), volume.GetSpacing()
        return estimate_request(request, tuple(size), tuple(spacing), device, axes=patientAxes(volume))

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
        """The prior packs that the engine finds, see `priors.find_priors`."""
        return find_priors(self.engine())

    def loadSinograms(self, jobOrNode: Any) -> tuple[Any, Any]:
        """The projections and the residual of a result as volume nodes; see `sinograms.loadSinograms`."""
        return loadSinograms(jobOrNode)

    # inside -----------------------------------------------------------------------------------------------------------
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


def _free(options: dict[str, Any]) -> dict[str, Any]:
    """Options, none of which is the input: that is the first argument.

    Raises:
        ValueError: it is.
    """
    if "input" in options:
        raise ValueError("input: give it as the first argument, not by name")
    return options
