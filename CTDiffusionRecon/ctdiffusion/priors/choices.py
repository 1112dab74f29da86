"""What can be chosen by name in networks and denoisers; apart from them, so that it can be listed without torch."""

from __future__ import annotations

# What a network with timesteps predicts, and how the betas of its schedule rise (`vp`).
PREDICTIONS = ("epsilon", "sample", "v_prediction")
COSINE = "cosine"
SCHEDULES = ("linear", "scaled_linear", COSINE)
# How a network of EDM's becomes a denoiser (`preconditioned`).
PRECONDITIONINGS = ("edm", "vp", "ve")
# Non-linearities of an NCSN++ (`networks.style`).
ACTIVATIONS = ("swish", "elu", "relu", "lrelu")
