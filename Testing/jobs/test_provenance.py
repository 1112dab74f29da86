"""What a result's record says of the process that made it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.jobs import provenance
from dicom_files import write_series

ENGINE = str(Path(provenance.__file__).parents[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands a process the peak of the one that started it")
def test_peak_memory_is_not_that_of_the_process_that_started_it() -> None:
    large = np.ones(1 << 27)
    own = provenance.peak_process_bytes()
    command = [sys.executable, "-c", "from ctdiffusion.jobs.provenance import peak_process_bytes as p; print(p())"]
    environment = {**os.environ, "PYTHONPATH": ENGINE}
    child = int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert own is not None and own > large.nbytes
    assert 10_000_000 < child < large.nbytes


def test_of_a_folder_the_dicom_files_are_the_input(tmp_path: Path) -> None:
    """A job in the folder, or what a system leaves there, must not make it another input."""
    files = write_series(tmp_path, np.zeros((3, 4, 4), np.int16))
    before = provenance.file_hashes(tmp_path)
    assert set(before) == {path.name for path in files}
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "events.jsonl").write_text("{}")
    assert provenance.file_hashes(tmp_path) == before
