# SPDX-License-Identifier: Apache-2.0
"""Ten steps of each optimiser and the rates of each schedule, by torch, transformers and bitsandbytes on one CPU thread.

Run with the peers' interpreter: `.deps/peers/bin/python tests/golden/optimisers/make.py`. Writes steps.safetensors and
schedules.json beside this file.
"""
import json
import math
import pathlib

import bitsandbytes
import bitsandbytes.functional
import torch
from bitsandbytes.backends.cpu import ops as bnb_cpu
from safetensors.torch import save_file
from transformers.optimization import Adafactor, get_scheduler

HERE = pathlib.Path(__file__).parent
STEPS = 10
# A (wide), B (tall), a bias, and a matrix large enough for 8-bit moments with a last block that is not full.
SHAPES = [(4, 48), (40, 4), (40,), (70, 61)]


def exact_quantise(values, code, absmax_out, out, blocksize):
    """bitsandbytes' generic nearest-code path; its fp32 CPU kernel looks codes up in a coarse table."""
    codes, absmax = torch.ops.bitsandbytes.quantize_blockwise(values.double(), code, blocksize)
    out.copy_(codes)
    absmax_out.copy_(absmax)


def optimiser(name, parameters):
    if name == "adamw_torch":
        return torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1, foreach=False)
    if name == "adamw_8bit":
        return bitsandbytes.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1, optim_bits=8)
    if name == "lion_32bit":
        return bitsandbytes.optim.Lion(parameters, lr=2e-3, betas=(0.9, 0.99), weight_decay=0.1, optim_bits=32)
    if name == "adafactor":
        return Adafactor(parameters, lr=2e-3, scale_parameter=False, relative_step=False, weight_decay=0.1)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=2e-3, momentum=0.9, weight_decay=0.1, foreach=False)
    raise ValueError(name)


def run(name, start, gradients):
    parameters = [torch.nn.Parameter(p.clone()) for p in start]
    if name == "muon":
        matrices = [p for p in parameters if p.ndim == 2]
        vectors = [p for p in parameters if p.ndim == 1]
        steps = [torch.optim.Muon(matrices, lr=2e-3, weight_decay=0.1, momentum=0.95),
                 torch.optim.AdamW(vectors, lr=2e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1, foreach=False)]
    else:
        steps = [optimiser(name, parameters)]
    for gradient in gradients:
        for p, g in zip(parameters, gradient):
            p.grad = g.clone()
        for step in steps:
            step.step()
    return torch.cat([p.detach().flatten() for p in parameters])


SCHEDULES = [
    ("linear", {}, 3, 12), ("cosine", {}, 3, 12), ("cosine", {"num_cycles": 1.5}, 0, 12),
    ("cosine_with_restarts", {}, 2, 12), ("cosine_with_restarts", {"num_cycles": 3}, 2, 14),
    ("polynomial", {}, 2, 12), ("polynomial", {"lr_end": 1e-5, "power": 2.0}, 2, 10),
    ("constant", {}, 3, 12), ("constant_with_warmup", {}, 3, 12),
    ("inverse_sqrt", {}, 4, 12), ("inverse_sqrt", {"timescale": 7}, 3, 12), ("inverse_sqrt", {}, 0, 12),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}, 2, 12), ("cosine_with_min_lr", {"min_lr": 3e-5, "num_cycles": 1.0}, 2, 12),
    ("warmup_stable_decay", {"num_decay_steps": 4}, 3, 12),
    ("warmup_stable_decay", {"num_decay_steps": 3, "num_stable_steps": 2, "min_lr_ratio": 0.1, "warmup_type": "cosine",
                             "decay_type": "1-sqrt"}, 3, 12),
    ("warmup_stable_decay", {"num_decay_steps": 5, "min_lr_ratio": 0.2, "warmup_type": "1-sqrt", "decay_type": "linear"}, 2, 12),
]
PLATEAUS = [
    ({}, [1.0 - 0.01 * min(i, 3) for i in range(30)]),
    ({"factor": 0.5, "patience": 1, "threshold": 0.05}, [1.0, 0.99, 0.97, 0.9, 0.89, 0.88, 0.87, 0.5, 0.5, 0.5, 0.49]),
    ({"factor": 0.5, "patience": 0, "threshold": 0.1, "threshold_mode": "abs", "cooldown": 2, "min_lr": 5e-5},
     [1.0, 0.95, 0.93, 0.92, 0.91, 0.7, 0.69, 0.69, 0.69, 0.69, 0.69, 0.69]),
    ({"mode": "max", "factor": 0.3, "patience": 2, "threshold": 0.01}, [0.1, 0.2, 0.2, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.5]),
]


def schedules():
    out = []
    for name, kwargs, warmup, total in SCHEDULES:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
        schedule = get_scheduler(name, sgd, warmup, total, scheduler_specific_kwargs=dict(kwargs))
        rates = []
        for _ in range(total + 2):
            rates.append(sgd.param_groups[0]["lr"])
            sgd.step()
            schedule.step()
        out.append({"type": name, "kwargs": kwargs, "warmup": warmup, "total": total, "rates": rates})
    for kwargs, values in PLATEAUS:
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
        schedule = get_scheduler("reduce_lr_on_plateau", sgd, scheduler_specific_kwargs=dict(kwargs))
        rates = []
        for value in values:
            schedule.step(value)
            rates.append(sgd.param_groups[0]["lr"])
        out.append({"type": "reduce_lr_on_plateau", "kwargs": kwargs, "values": values, "rates": rates})
    return out


def main():
    torch.manual_seed(20261121)
    torch.set_num_threads(1)
    bnb_cpu._quant_blockwise_fp32_direct = exact_quantise
    start = [0.1 * torch.randn(shape) for shape in SHAPES]
    gradients = [[torch.randn(shape) * math.exp(-0.1 * step) * 0.05 for shape in SHAPES] for step in range(STEPS)]
    tensors = {"start": torch.cat([p.flatten() for p in start]),
               "gradients": torch.stack([torch.cat([g.flatten() for g in step]) for step in gradients]),
               "code.signed": bitsandbytes.functional.create_dynamic_map(signed=True),
               "code.unsigned": bitsandbytes.functional.create_dynamic_map(signed=False)}
    for name in ["adamw_torch", "adamw_8bit", "lion_32bit", "adafactor", "sgd", "muon"]:
        tensors[name] = run(name, start, gradients)
    save_file(tensors, HERE / "steps.safetensors")
    record = {"made_by": {"torch": torch.__version__, "bitsandbytes": bitsandbytes.__version__,
                          "script": "tests/golden/optimisers/make.py"},
              "peak": 3e-4, "schedules": schedules()}
    (HERE / "schedules.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
