"""run.py without any real installation: pip is replaced, the environment's bookkeeping is real."""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
TORCH = "torch==9.9.9"
COMPILE = "ctdiffusion.compilation"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_script", ROOT / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Setup:
    """An environment in a folder with an awkward name; `steps` collects what would have been executed."""

    def __init__(self, run: ModuleType, folder: Path) -> None:
        self.root = folder / "dossier é à ü"
        self.root.mkdir()
        (self.root / "engine").mkdir()
        self.main = self.root / "requirements.txt"
        self.main.write_text(f"# first\n{TORCH}  # big\nnumpy==1.0\n", encoding="utf-8")
        self.extra = self.root / "requirements-test.txt"
        self.extra.write_text("pytest==1.0\n", encoding="utf-8")
        for file in (self.main, self.extra):
            file.with_suffix(".lock").write_text("numpy==1.0 --hash=sha256:00\n", encoding="utf-8")
        self.environment = run.Environment(self.root / ".venv", self.root / "engine")
        self.steps: list[list[str]] = []
        self.fail_at = ""

    def follow(self, command: list[str], folder: Path) -> tuple[int, list[str]]:
        self.steps.append(command)
        if self.fail_at and self.fail_at in command[-1]:
            return 1, ["Looking in indexes", "ERROR: No matching distribution found"]
        if "venv" in command:
            target = self.environment
            target.python.parent.mkdir(parents=True, exist_ok=True)
            (target.folder / "lib/python3.11/site-packages").mkdir(parents=True, exist_ok=True)
            (target.folder / "Lib/site-packages").mkdir(parents=True, exist_ok=True)
            if not target.python.exists():
                target.python.symlink_to(sys.executable)
            (target.folder / "ctdiffusion-install.json").unlink(missing_ok=True)  # venv --clear empties the folder
        return 0, []

    def kinds(self) -> list[str]:
        return ["venv" if "venv" in step else Path(step[-1]).name for step in self.steps]


@pytest.fixture
def setup(run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    setup = Setup(run, tmp_path)
    monkeypatch.setattr(run, "follow", setup.follow)
    return setup


def test_torch_is_installed_in_a_call_of_its_own_and_all_else_by_hash(setup: Setup) -> None:
    setup.environment.prepare([setup.main, setup.extra])
    assert setup.kinds() == ["venv", "requirements.lock", TORCH, "requirements-test.lock", COMPILE]
    assert setup.steps[0][-2:] == ["--clear", str(setup.root / ".venv")]
    assert all("--require-hashes" in step and "--no-deps" in step for step in setup.steps[1:-1:2])
    assert not any("-r" in step and "--require-hashes" not in step for step in setup.steps)


def test_a_changed_lock_is_installed_again(setup: Setup) -> None:
    setup.environment.prepare([setup.main])
    lock = setup.main.with_suffix(".lock")
    lock.write_text(lock.read_text(encoding="utf-8").replace("00", "11"), encoding="utf-8")
    assert setup.environment.missing([setup.main]) == [setup.main]


def test_second_call_installs_nothing(setup: Setup) -> None:
    setup.environment.prepare([setup.main])
    setup.steps.clear()
    setup.environment.prepare([setup.main])
    assert setup.steps == []
    setup.environment.prepare([setup.main, setup.extra])
    assert setup.kinds() == ["requirements-test.lock", COMPILE]


def test_changed_requirements_are_installed_again(setup: Setup) -> None:
    setup.environment.prepare([setup.main])
    setup.main.write_bytes(setup.main.read_bytes().replace(b"\n", b"\r\n"))
    assert setup.environment.missing([setup.main]) == [], "line ends are not a change"
    setup.main.write_text(f"{TORCH}\nnumpy==2.0\n", encoding="utf-8")
    setup.steps.clear()
    setup.environment.prepare([setup.main])
    assert setup.kinds() == ["requirements.lock", TORCH, COMPILE]


@pytest.mark.parametrize("broken_step", [TORCH, "requirements.lock"])
def test_failed_step_is_named_and_done_over(run: ModuleType, setup: Setup, broken_step: str) -> None:
    setup.fail_at = broken_step
    with pytest.raises(run.SetupError) as caught:
        setup.environment.prepare([setup.main])
    text = str(caught.value)
    assert broken_step in text and "No matching distribution found" in text and "exit status 1" in text
    assert setup.environment.missing([setup.main]) == [setup.main]
    setup.fail_at = ""
    setup.steps.clear()
    setup.environment.prepare([setup.main])
    assert setup.kinds()[0] == "venv", "a half-finished environment must not be trusted"
    assert setup.environment.missing([setup.main]) == []


def test_killed_installation_is_done_over(setup: Setup, run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(command: list[str], folder: Path) -> tuple[int, list[str]]:
        if "-r" in command:
            raise KeyboardInterrupt
        return setup.follow(command, folder)

    monkeypatch.setattr(run, "follow", killed)
    with pytest.raises(KeyboardInterrupt):
        setup.environment.prepare([setup.main])
    monkeypatch.setattr(run, "follow", setup.follow)
    setup.steps.clear()
    setup.environment.prepare([setup.main])
    assert setup.kinds() == ["venv", "requirements.lock", TORCH, COMPILE]


def test_unreadable_stamp_and_other_python_mean_not_installed(setup: Setup, run: ModuleType) -> None:
    setup.environment.prepare([setup.main])
    record = setup.environment.stamp()
    assert record["python"] == run.python_tag()
    setup.environment.write_stamp({**record, "python": "cpython-3.9.1"})
    assert setup.environment.missing([setup.main]) == [setup.main]
    (setup.root / ".venv" / run.STAMP).write_text("{half", encoding="utf-8")
    assert setup.environment.missing([setup.main]) == [setup.main]


@pytest.mark.skipif(os.name == "nt", reason="makes a symbolic link")
def test_environment_somebody_else_made_is_kept(setup: Setup) -> None:
    setup.environment.bin.mkdir(parents=True)
    (setup.root / ".venv/lib/python3.11/site-packages").mkdir(parents=True)
    setup.environment.python.symlink_to(sys.executable)
    setup.environment.prepare([setup.main])
    assert setup.kinds() == ["requirements.lock", TORCH, COMPILE]


def test_package_and_command_work_in_a_path_with_spaces_and_accents(run: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "chemin avec é"
    package = root / "Quelle ü" / "ctdiffusion"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text("import sys\nprint('arguments', sys.argv[1:])\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)
    environment = run.Environment(root / ".venv", package.parent)
    environment._link_package()
    command = environment.bin / ("ctdiffusion.cmd" if os.name == "nt" else "ctdiffusion")
    answer = subprocess.run([str(command), "deux mots", "à"], capture_output=True, cwd=tmp_path, check=True)
    assert answer.stdout.decode("utf-8").strip() == "arguments ['deux mots', 'à']"
    (link,) = root.rglob("ctdiffusion-source.pth")
    assert "Quelle" in link.read_text(encoding="utf-8") and str(tmp_path) not in link.read_text(encoding="utf-8")


def test_follow_keeps_the_last_lines_of_a_failing_child(run: ModuleType, tmp_path: Path) -> None:
    script = "import sys\n[print(k) for k in range(99)]\nsys.stdout.flush()\n"
    script += "sys.stderr.buffer.write(b'broken \\xff byte\\n')\nsys.exit(3)"
    code, last = run.follow([sys.executable, "-c", script], tmp_path)
    assert code == 3
    assert len(last) == run.TAIL and last[-2] == "98" and last[-1].startswith("broken")
    code, last = run.follow([str(tmp_path / "no such program")], tmp_path)
    assert code == 127 and "no such program" in last[0]


def test_failure_text_says_what_to_do(run: ModuleType) -> None:
    assert "out of memory" in run.failure_text("installing torch", -9, [])
    assert "python3-venv" in run.failure_text("creating the virtual environment", 1, ["ensurepip is not available"])
    assert "HTTPS_PROXY" in run.failure_text("installing torch", 1, ["timeout"])


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_child_is_reported(run: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run.call([sys.executable, "-c", killed]) == 137
    assert "signal 9 (killed, probably out of memory)" in capfd.readouterr().err
    assert run.call([sys.executable, "-c", "raise SystemExit(3)"]) == 3


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("what", ["call", "follow"])
def test_a_signal_to_run_py_ends_what_it_runs(tmp_path: Path, name: str, what: str) -> None:
    """No process of ours computes on for nobody."""
    child = "import os, time; print('Downloading', os.getpid(), flush=True); time.sleep(60)"
    command = [sys.executable, "-c", child]
    code = f"""
import importlib.util, sys, pathlib
spec = importlib.util.spec_from_file_location("run_script", {str(ROOT / "run.py")!r})
run = importlib.util.module_from_spec(spec); spec.loader.exec_module(run); run.watch_signals()
if {what!r} == "call":
    sys.exit(run.call({command!r}))
try:
    run.follow({command!r}, pathlib.Path("."))
except run.Stopped as stop:
    sys.exit(128 + stop.number)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[-1])
        number = getattr(signal, name)
        since = time.monotonic()
        parent.send_signal(number)
        assert parent.wait(timeout=10) == 128 + number
        assert time.monotonic() - since < 2.0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("statuses", "expected"), [((0, 0, 0), 0), ((1, 0, 0), 1), ((0, 1, 0), 1), ((0, 0, 1), 1), ((1, 1, 5), 5)]
)
def test_the_test_command_fails_when_any_part_fails(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, statuses: tuple[int, int, int], expected: int
) -> None:
    called: list[list[str]] = []

    def call(command: list[str], **variables: str) -> int:
        called.append(command)
        return statuses[len(called) - 1]

    monkeypatch.setattr(run, "call", call)
    monkeypatch.chdir(tmp_path)
    environment = run.Environment(tmp_path / ".venv", tmp_path)
    assert run.test(environment, ["-k", "something"]) == expected
    assert [command[2] for command in called] == ["ruff", "mypy", "pytest"], "pytest's summary comes last"
    assert called[-1][3:] == ["-k", "something"]


def test_wrong_use_is_explained(
    run: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.main([]) == 2
    assert run.main(["dmeo"]) == 2
    assert "run.py demo" in capsys.readouterr().err
    assert run.main(["--help"]) == 0
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 0))
    assert run.main(["demo"]) == 2
    assert capsys.readouterr().err == "error: Python 3.10 to 3.13 is needed, this is 3.9\n"


def test_run_needs_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_requirements_are_pinned(run: ModuleType, name: str) -> None:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert lines and all("==" in line.split(";")[0] for line in lines)
    newer = {line.split("==")[0] for line in lines if 'python_version >= "3.11"' in line}
    older = {line.split("==")[0] for line in lines if 'python_version < "3.11"' in line}
    assert newer == older
    if name == "requirements.txt":
        assert lines[0] == run.torch_requirement(ROOT / name) != ""


def test_the_locks_fit_the_requirements_and_have_hashes() -> None:
    import requirements_lock

    assert requirements_lock.problems() == []
    texts = {name: (ROOT / name).with_suffix(".lock").read_text("utf-8") for name in requirements_lock.FILES}
    found = {name: requirements_lock.pins(text) for name, text in texts.items()}
    assert len(found["requirements.txt"]) > 30 and not found["requirements.txt"] & found["requirements-test.txt"]


def test_ci_runs_the_same_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash" and lines[-1] == "exec python3 run.py test --all"
