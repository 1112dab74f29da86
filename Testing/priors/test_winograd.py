"""Winograd convolutions: the numbers of plain ones for every size and channel count, and when they step aside."""

import copy

import pytest
import torch
from ctdiffusion.priors.denoiser import EDMDenoiser
from ctdiffusion.priors.networks.cold_unet import ColdUNet
from ctdiffusion.priors.networks.unet import TripletUNet
from ctdiffusion.priors.winograd import layer as layers
from ctdiffusion.priors.winograd.convolution import Workspace, chunk
from ctdiffusion.priors.winograd.layer import WinogradConv2d, accelerate
from torch import nn

numba = pytest.importorskip("numba")


def pair(inputs: int, outputs: int, bias: bool = True) -> tuple[nn.Conv2d, WinogradConv2d]:
    torch.manual_seed(inputs + outputs)
    plain = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    return plain, WinogradConv2d.of(plain, Workspace())


@pytest.mark.parametrize(
    ("inputs", "outputs", "images", "rows", "columns"),
    [
        (24, 24, 1, 16, 16),
        (48, 48, 3, 64, 64),  # several chunks
        (33, 50, 2, 17, 30),  # nothing is a multiple of anything
        (130, 24, 1, 19, 21),  # channels in two blocks
        (24, 300, 1, 18, 16),  # in three
        (48, 48, 9, 5, 7),  # tiles that are all border
        (24, 24, 1, 4, 67),
        (24, 24, 40, 3, 9),  # images lower than a tile
    ],
)
@torch.inference_mode()
def test_the_same_numbers_as_the_plain_convolution(inputs, outputs, images, rows, columns):
    plain, fast = pair(inputs, outputs)
    x = torch.randn(images, inputs, rows, columns)
    want = plain(x)
    weights = layers.transformed(plain.weight)
    shift = plain.bias.expand(images, -1)
    got = layers.convolve(x, weights, torch.ones_like(shift), shift, Workspace())
    assert got.shape == want.shape
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert (got - want).abs().max() < 4e-5  # its rounding; a wrong term makes 1e-1
    if fast.takes(x):
        assert torch.equal(fast(x), got)


@torch.inference_mode()
def test_scale_shift_activation_and_addition_are_done_per_image():
    plain, fast = pair(40, 56, bias=False)
    x, added = torch.randn(3, 40, 18, 20), torch.randn(3, 56, 18, 20)
    scale, shift = 3.0 * torch.randn(3, 56), 30.0 * torch.randn(3, 56)
    modulated = scale[:, :, None, None] * plain(x) + shift[:, :, None, None]
    want = nn.functional.silu(modulated)
    assert (fast.convolved(x, scale, shift, activate=True) - want).abs().max() < 3e-4
    assert (fast.convolved(x, scale, shift, added=added) - modulated - added).abs().max() < 3e-4


@torch.inference_mode()
def test_memory_formats_and_several_threads_give_the_same(monkeypatch):
    _, fast = pair(48, 48)
    x = torch.randn(2, 48, 33, 40)
    want = fast(x)
    assert torch.equal(fast(x.contiguous(memory_format=torch.channels_last)), want)
    assert torch.equal(fast(torch.randn(2, 50, 33, 40).index_copy_(1, torch.arange(48), x)[:, :48]), want)
    monkeypatch.setattr("ctdiffusion.priors.winograd.convolution.threads", lambda: 3)
    assert (fast(x) - want).abs().max() < 1e-5


def test_chunks_are_odd_and_fit():
    for total in (1, 16, 64, 1000, 65536):
        for channels in (24, 48, 224, 512, 4096):
            for shares in (1, 2, 16):
                step = chunk(total, channels, 24, shares, 77872)
                assert step >= 1
                assert step * channels <= 77872
                assert step % 2 or step == 77872 // channels


def test_it_steps_aside_for_gradients_other_types_and_little_work():
    plain, fast = pair(24, 24)
    x = torch.randn(1, 24, 16, 16)
    assert not fast.takes(x)  # the parameters want gradients
    fast(x).sum().backward()
    plain_grad = fast.weight.grad.clone()
    fast.weight.grad = None
    nn.functional.conv2d(x, plain.weight, plain.bias, padding=1).sum().backward()
    assert torch.equal(plain_grad, fast.weight.grad)
    with torch.no_grad():
        assert fast.takes(x)
        assert not fast.takes(x.double())
        assert not fast.takes(x[:, :, :8, :8])
        with torch.autocast("cpu", torch.bfloat16):
            assert not fast.takes(x)
        assert not copy.deepcopy(fast).double().takes(x.double())


@torch.no_grad()
def test_new_weights_are_noticed():
    plain, fast = pair(24, 24)
    x = torch.randn(1, 24, 16, 16)
    fast(x)
    plain.weight.mul_(2.0)  # the same parameter
    assert (fast(x) - plain(x)).abs().max() < 1e-4
    fast.load_state_dict({"weight": torch.randn(24, 24, 3, 3), "bias": torch.zeros(24)})
    assert (fast(x) - plain(x)).abs().max() < 1e-3


def with_values(network: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(0.05 * torch.randn(value.shape))
    return network.eval()


@pytest.mark.parametrize("size", [(64, 64), (72, 104), (40, 24)])
@torch.inference_mode()
def test_networks_give_the_same_with_it(size):
    network = with_values(EDMDenoiser(TripletUNet((32, 48, 64), (1, 2, 1)), 0.3, 0.25))
    x = torch.rand(2, 3, *size)
    conditions = torch.tensor([0.1, 1.0]), torch.tensor([0, 2]), torch.zeros(2)
    want = network(x, *conditions)
    names = list(network.state_dict())
    assert accelerate(network) == 14
    assert list(network.state_dict()) == names
    got = network(x, *conditions)
    assert (got - want).abs().max() < 3e-5 * max(1.0, float(want.abs().max()))
    cold = with_values(ColdUNet((360, 18), (32, 48), (1, 1)))
    want = cold(x[:, :1], torch.tensor([0, 1]))
    assert accelerate(cold) == 6
    assert (cold(x[:, :1], torch.tensor([0, 1])) - want).abs().max() < 3e-5 * max(1.0, float(want.abs().max()))


def test_what_does_not_suit_is_left_alone(monkeypatch):
    odd = [
        nn.Conv2d(32, 32, 1),
        nn.Conv2d(32, 32, 3),
        nn.Conv2d(32, 32, 3, stride=2, padding=1),
        nn.Conv2d(32, 32, 3, padding=2, dilation=2),
        nn.Conv2d(32, 32, 3, padding=1, groups=2),
        nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(12, 48, 3, padding=1),
        nn.ConvTranspose2d(32, 32, 3, padding=1),
    ]
    assert accelerate(nn.Sequential(*odd)) == 0
    two = [nn.Conv2d(32, 64, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)]
    monkeypatch.setattr(layers, "MOST_BYTES", 32 * 32 * 9 * 16)
    network = nn.Sequential(*two)
    assert accelerate(network) == 1
    assert [type(layer) for layer in network] == [nn.Conv2d, WinogradConv2d]
    monkeypatch.setattr(layers, "has_numba", lambda: False)
    assert accelerate(nn.Sequential(nn.Conv2d(32, 32, 3, padding=1))) == 0
