"""Which device computes, and why."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.core import devices


@pytest.mark.parametrize(
    ("capability", "built", "usable"),
    [
        ((7, 5), ["sm_75", "sm_80"], True),
        ((7, 0), ["sm_75", "sm_80"], False),
        ((8, 9), ["sm_75", "sm_80", "sm_86"], True),
        ((9, 0), ["sm_80", "sm_90a"], True),
        ((9, 1), ["sm_80", "sm_90a"], False),
        ((12, 0), ["sm_80", "compute_90"], True),
        ((6, 1), ["sm_75", "compute_120"], False),
        ((12, 0), ["sm_100", "sm_120"], True),
        ((10, 0), ["sm_120"], False),
    ],
)
def test_a_gpu_is_used_where_this_torch_has_code_for_it(monkeypatch, capability, built, usable):
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    reason = devices.why_no_cuda()
    assert (reason is None) == usable
    assert usable or "newer or older than this torch was built for" in reason


def test_devices_say_why_it_is_the_cpu(monkeypatch):
    assert devices.resolve("cpu").device.type == "cpu"
    with pytest.raises(ValueError, match="device"):
        devices.resolve("tpu")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "no usable GPU" in devices.resolve("auto").reason
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    choice = devices.resolve("auto")
    assert (choice.device.type, choice.reason) == ("cpu", "CUDA_VISIBLE_DEVICES hides every GPU")
    with pytest.raises(ValueError, match="cuda was asked for, but CUDA_VISIBLE_DEVICES"):
        devices.resolve("cuda")
