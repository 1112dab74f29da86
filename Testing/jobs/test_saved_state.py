"""A saved state comes back to the bit, or not at all."""

from __future__ import annotations

import os
import struct
from contextlib import suppress

import pytest
import torch
from ctdiffusion.core.safetensorsbytes import read_parts, tensors_in
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.saved_state import state_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

STATE = {
    "x": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
    "empty": torch.zeros(0, 5),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False, True]),
    "half": torch.tensor([1.5, -2.0]).half(),
    "z": torch.tensor([1.0, float("-inf")], dtype=torch.float64),
}
CONTENT = state_bytes(13, STATE, "job")


def read(content: bytes, folder) -> tuple[int, dict[str, torch.Tensor]] | None:
    job = JobFolder(folder)
    job.state.write_bytes(content)
    return job.load_state("job")


def test_a_state_comes_back(tmp_path):
    step, tensors = read(CONTENT, tmp_path)
    assert step == 13
    kinds = [{name: (t.dtype, t.shape) for name, t in state.items()} for state in (tensors, STATE)]
    assert kinds[0] == kinds[1]
    assert all(torch.equal(tensors[name], value) for name, value in STATE.items())
    assert all(torch.equal(load(CONTENT)[name], value) for name, value in STATE.items()), "a plain safetensors file"


def test_every_flipped_bit_is_noticed(tmp_path):
    """In the tensors, in the header's step, names, types and shapes, in the checksum itself; blanks mean nothing."""
    passed = []
    for place in range(8 * len(CONTENT)):
        damaged = bytearray(CONTENT)
        damaged[place // 8] ^= 1 << place % 8
        try:
            found = read(bytes(damaged), tmp_path)
        except ValueError as error:
            assert "damaged" in str(error) or "another specification" in str(error)
            continue
        step, tensors = found
        passed.append(place)
        assert step == 13 and all(torch.equal(tensors[name], value) for name, value in STATE.items())
    # A blank of the header's padding may become another kind of blank.
    header = 8 + struct.unpack("<Q", CONTENT[:8])[0]
    assert all(CONTENT[place // 8] == 0x20 and place // 8 < header for place in passed)


def test_a_state_without_a_checksum_is_not_used(tmp_path):
    content = save({"x": torch.ones(3)}, metadata={"step": "1", "job": "job"})
    with pytest.raises(ValueError, match="damaged"):
        read(content, tmp_path)


@pytest.mark.parametrize("cut", [0, 4, 8, 100, len(CONTENT) - 1])
def test_a_state_that_is_cut_off_is_not_used(tmp_path, cut):
    with pytest.raises(ValueError, match="damaged"):
        read(CONTENT[:cut], tmp_path)


def test_a_sparse_file_beyond_memory_is_not_read(tmp_path):
    job = JobFolder(tmp_path)
    job.state.write_bytes(CONTENT)
    os.truncate(job.state, 1 << 40)
    with pytest.raises(ValueError, match="damaged"):
        job.load_state("job")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, framed):
    """As a whole file, or as the header of one."""
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(struct.pack("<Q", len(content)) + content if framed else content)
    with open(path, "rb") as file, suppress(ValueError):
        # An empty object with no data is a file without tensors.
        assert tensors_in(*read_parts(file, 1 << 20))[1] == {}
