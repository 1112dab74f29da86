"""Full-size back-bones against a straightforward reading of the same architectures, on the CPU.

python Testing/benchmarks/backbones.py [--side 64] [--repeats 3]

The straightforward reading has the same weights and convolutions, but keeps maps in channels-first order, writes
attention as two matrix products with the whole softmax between them, filters by inserting zeros and convolving every
channel, and convolves repeated pixels as they are. Seconds are computing time of one thread, the least of the repeats,
in turn. Memory is by how much a forward pass raises the peak of a process, once in evaluation and once with its
activations kept, as training does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from ctdiffusion.priors.networks import adm_unet, ddpm_unet, fir, ncsnpp
from ctdiffusion.priors.networks import repeat as repeating
from ctdiffusion.priors.networks.repeat import repeat
from ctdiffusion.priors.packs.importing.presets import PRESETS
from ctdiffusion.priors.packs.pack import build_network
from torch import Tensor, nn
from torch.nn import functional

FULL_SIZE = {
    "NCSN++ (ISCS)": PRESETS["iscs-ct"].network,
    "NCSN++ (MSDiff)": PRESETS["msdiff"].network,
    "DDPM (CvG-Diff)": PRESETS["cvgdiff"].network,
    "ADM (DDS)": PRESETS["dds-aapm256"].network,
    "ADM (DiffusionBlend)": {**PRESETS["diffusionblend-aapm"].network, "blocks": 2, "attention_levels": [3, 4, 5]},
}


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention with its whole matrix of weights."""
    weights = torch.einsum("bhif,bhjf->bhij", q, k) * q.shape[-1] ** -0.5
    out = torch.einsum("bhij,bhjf->bhif", torch.softmax(weights, dim=-1), v)
    return out.transpose(1, 2).flatten(2)


def filtered(x: Tensor, up: int, down: int, before: int, after: int) -> Tensor:
    """Zeros between the pixels, a border, and the filter on every channel as an image of its own."""
    batch, channels, rows, columns = x.shape
    spread = x.reshape(batch * channels, 1, rows, 1, columns, 1)
    spread = functional.pad(spread, (0, up - 1, 0, 0, 0, up - 1)).reshape(batch * channels, 1, rows * up, columns * up)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8.0 * up
    kernel = torch.outer(taps, taps)[None, None]
    out = functional.conv2d(functional.pad(spread, (before, after, before, after)), kernel)[..., ::down, ::down]
    return out.reshape(batch, channels, *out.shape[2:])


@contextmanager
def straightforward() -> Iterator[None]:
    """Every network that is called within computes in the straightforward way."""
    with (
        mock.patch.object(fir, "blur", lambda x: filtered(x, 1, 1, 2, 2)),
        mock.patch.object(fir, "downsample", lambda x: filtered(x, 1, 2, 1, 1)),
        mock.patch.object(fir, "upsample", lambda x: filtered(x, 2, 1, 2, 1)),
        mock.patch.object(repeating, "convolve_repeated", lambda x, convolution: convolution(repeat(x))),
        mock.patch.object(adm_unet, "convolve_repeated", lambda x, convolution: convolution(repeat(x))),
        mock.patch.object(ncsnpp, "attend", attend),
        mock.patch.object(ddpm_unet, "attend", attend),
        mock.patch.object(adm_unet, "attend", attend),
    ):
        yield


def build(name: str) -> nn.Module:
    """A full-size network with random weights, in the straightforward way within `straightforward`."""
    torch.manual_seed(0)
    return build_network(FULL_SIZE[name], "benchmark").eval()


def inputs(network: nn.Module, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """One stack, its level and its label."""
    x = torch.rand(1, int(network.channels), side, side, generator=torch.Generator().manual_seed(1))
    return x, torch.tensor([0.5]), torch.tensor([1])


def seconds(name: str, side: int, repeats: int) -> tuple[float, float, float]:
    """Computing time of ours and of the straightforward reading, and the largest relative difference of outputs."""
    ours = build(name)
    with straightforward(), torch.device("meta"):
        plain = build(name)
    plain.load_state_dict(ours.state_dict(), assign=True)
    ours = ours.to(memory_format=torch.channels_last)
    x, level, label = inputs(ours, side)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.process_time()
            output = ours(x.to(memory_format=torch.channels_last), level, label)
            times["ours"].append(time.process_time() - start)
            with straightforward():
                start = time.process_time()
                expected = plain(x, level, label)
                times["plain"].append(time.process_time() - start)
    difference = float((output - expected).abs().max() / expected.abs().max())
    # The first pass of each also prepares its convolutions.
    return min(times["ours"][1:]), min(times["plain"][1:]), difference


def peak(name: str, side: int, keep: bool) -> None:
    """Print by how many kB a forward pass raises this process's peak memory (Linux)."""
    network = build(name).to(memory_format=torch.channels_last)
    x, level, label = inputs(network, side)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = status("VmRSS")
    with torch.inference_mode(not keep):
        network(x, level, label)
    print(status("VmHWM") - before)


def status(field: str) -> int:
    """A field of this process's memory in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak", nargs=2, metavar=("NETWORK", "MODE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.peak:
        return peak(args.peak[0], args.side, args.peak[1] == "keep")
    print(f"{args.side} x {args.side} pixels, batch 1, one thread")
    for name in FULL_SIZE:
        ours, plain, difference = seconds(name, args.side, args.repeats)
        memory = []
        for mode in ("evaluate", "keep"):
            command = [sys.executable, __file__, "--side", str(args.side), "--peak", name, mode]
            memory.append(int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024)
        print(
            f"{name:22s} {ours:7.2f} s, straightforward {plain:7.2f} s, ratio {ours / plain:.2f}; "
            f"difference {difference:.1e}; {memory[0]:.0f} MB, activations kept {memory[1]:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
