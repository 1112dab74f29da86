"""Child processes: output of any kind and amount, how they end, and that nothing outlives them."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest
from CTDiffusionReconLib.engine.outputlog import OutputLog
from CTDiffusionReconLib.engine.processtree import descendants
from CTDiffusionReconLib.engine.runner import SubprocessRunner, describe_exit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def started(code: str, *arguments: str, tmp_path, capacity: int = 64_000) -> SubprocessRunner:
    runner = SubprocessRunner(capacity)
    runner.start([sys.executable, "-c", code, *arguments], dict(os.environ), tmp_path)
    return runner


def until(condition, timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def finish(runner: SubprocessRunner, timeout_s: float = 20.0) -> int | None:
    end = time.monotonic() + timeout_s
    while runner.is_running:
        runner.pump(0.05)
        assert time.monotonic() < end
    runner.pump()
    return runner.exit_code


def test_output_arguments_and_exit_code(tmp_path):
    code = "import sys; print(sys.argv[1]); print('bad', file=sys.stderr); sys.exit(3)"
    nasty = "a b;$(touch x) 'é\" \\"
    runner = started(code, nasty, tmp_path=tmp_path)
    assert finish(runner) == 3
    assert runner.stdout.text().strip() == nasty
    assert runner.stderr.text().strip() == "bad"
    assert list(tmp_path.iterdir()) == []


def test_100_megabytes_of_rubbish_stay_bounded(tmp_path):
    code = (
        "import sys\n"
        "block = (b'\\xff\\xfe\\x1b[31mred\\x1b[0m\\r' + bytes(range(128, 256))) * 7000\n"
        "for i in range(100_000_000 // len(block) + 1): sys.stdout.buffer.write(block)\n"
        "sys.stdout.buffer.write(b'\\nthe last line\\n')\n"
    )
    before = psutil.Process().memory_info().rss
    runner = started(code, tmp_path=tmp_path)
    assert finish(runner, 60) == 0
    assert runner.stdout.total > 100_000_000
    assert len(runner.stdout.raw()) <= 64_000
    assert psutil.Process().memory_info().rss - before < 30_000_000
    text = runner.stdout.text()
    assert text.endswith("the last line\n") and "\x1b" not in text and "\r" not in text


def test_the_child_sees_its_input_close(tmp_path):
    runner = started("import sys; print('on', flush=True); sys.stdin.read(); print('off')", tmp_path=tmp_path)
    until(lambda: "on" in runner.stdout.text())
    runner.ask_to_stop()
    assert finish(runner) == 0
    assert "off" in runner.stdout.text()


def test_the_whole_tree_is_killed(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "one = \"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        ' time.sleep(60)"\n'
        "subprocess.Popen([sys.executable, '-c', one]); time.sleep(60)\n"
    )
    runner = started(code, tmp_path=tmp_path)
    until(lambda: len(descendants(runner.pid)) == 2)
    family = [runner.pid, *descendants(runner.pid)]
    assert sorted(family[1:]) == sorted(child.pid for child in psutil.Process(runner.pid).children(recursive=True))
    runner.kill_tree()
    assert finish(runner) == -signal.SIGKILL
    until(lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in family))


def test_pumping_after_a_child_whose_own_child_keeps_the_pipe(tmp_path):
    code = (
        "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)']).pid)\n"
    )
    runner = started(code, tmp_path=tmp_path)
    until(lambda: not runner.is_running and runner.stdout.total > 0)
    try:
        since = time.monotonic()
        for _ in range(20):
            runner.pump()
        assert time.monotonic() - since < 2.0
    finally:
        os.kill(int(runner.stdout.text()), signal.SIGKILL)


def test_what_cannot_be_started_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="/no/such/program"):
        SubprocessRunner().start(["/no/such/program"], {}, tmp_path)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "ended normally"),
        (-9, "killed, probably out of memory"),
        (137, "killed, probably out of memory"),
        (-11, "crashed (SIGSEGV)"),
        (-1073741819, "crashed (0xc0000005)"),
        (3221225477, "crashed (0xc0000005)"),
        (-15, "ended from outside"),
        (2, "ended with exit code 2"),
        (130, "ended with exit code 130"),
        (None, "still running"),
    ],
)
def test_how_it_ended_in_words(code, text):
    assert describe_exit(code) == text


def test_log_keeps_the_end_and_says_so():
    log = OutputLog(100)
    for number in range(100):
        log.write(f"line {number:04d}\n".encode())
    lines = log.text().splitlines()
    assert lines[0] == "[...]" and lines[-1] == "line 0099" and len(lines) < 12
    assert not log.complete
    short = OutputLog(100)
    short.write(b"10 %\r50 %\r100 %\r\n\x1b]0;title\x07ok\n")
    assert short.complete and short.text() == "100 %\nok\n"
