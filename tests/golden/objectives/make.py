# SPDX-License-Identifier: Apache-2.0
"""Writes cases.json: losses, derivatives and metrics of TRL's own trainers on made log-probabilities.

Run by hand: `.deps/peers/bin/python tests/golden/objectives/make.py [folder of an unpacked trl 0.24.0 wheel]`, which
./dev never does. The trainers' loss functions run unchanged on a stand-in for `self` and for the model; autograd gives
dL/dlogp. BCO left TRL after 0.24 and is taken from there; without that folder its cases are kept as they are.
"""
import ast
import json
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_trainer import RewardTrainer

torch.set_default_dtype(torch.float64)
HERE = Path(__file__).parent
PROMPT = 3
VOCAB = 7
accelerator = SimpleNamespace(
    device=torch.device("cpu"), gather=lambda x: x, gather_for_metrics=lambda x: x, use_distributed=False
)


class StandInModel(nn.Module):
    is_gradient_checkpointing = False


def stand_in(cls, **attributes):
    """A trainer whose methods are the class's own and whose state is what the loss reads."""
    trainer = cls.__new__(cls)
    trainer.__dict__.update(
        accelerator=accelerator, aux_loss_enabled=False, is_encoder_decoder=False, _tp_size=1, _total_train_tokens=0,
        _metrics={"train": defaultdict(list)}, model=StandInModel(),
        **attributes)
    return trainer


def made(generator, lengths, scale=1.0):
    return [-scale * torch.rand(n, generator=generator) for n in lengths]


def padded(rows, before):
    """Rows as [B, before + T] with zeros elsewhere, and the mask of what is real."""
    width = max(len(row) for row in rows)
    out = torch.zeros(len(rows), before + width)
    mask = torch.zeros(len(rows), before + width, dtype=torch.long)
    for i, row in enumerate(rows):
        out[i, before : before + len(row)] = row.detach()
        mask[i, before : before + len(row)] = 1
    return out, mask


def fused(log_probs, log_sum_p2):
    zeros = torch.zeros_like(log_probs)
    return SimpleNamespace(log_probs=log_probs, log_sum_sq_probs=log_sum_p2, entropy=zeros, mean_logits=zeros,
                           is_top1=zeros.bool())


def metrics_of(trainer, skip=("entropy", "num_tokens", "logits/chosen", "logits/rejected", "mean_token_accuracy")):
    return {k: v[-1] for k, v in trainer._metrics["train"].items() if k not in skip}


def listed(rows):
    return [[float(x) for x in row.detach()] for row in rows]


def by_row(gradient, mask):
    return [[float(g) for g, m in zip(row, keep) if m] for row, keep in zip(gradient, mask)]


def dpo_case(name, seed, lengths, options, tolerance=1e-9, scale=1.0):
    """lengths: (chosen, rejected) of each pair. Sequences in the file: chosen, rejected of each pair in turn."""
    generator = torch.Generator().manual_seed(seed)
    order = [c for c, _ in lengths] + [r for _, r in lengths]
    policy, reference = made(generator, order, scale), made(generator, order, scale)
    p2 = made(generator, order)
    dtype = torch.float32 if options.get("f_divergence_type") == "alpha_divergence" else torch.float64
    logps, mask = padded(policy, PROMPT - 1)
    logps = logps.to(dtype).requires_grad_()
    trainer = stand_in(
        DPOTrainer, beta=options.get("beta", 0.1), label_smoothing=options.get("label_smoothing", 0.0),
        loss_types=options["loss_type"], loss_weights=options.get("loss_weights", [1.0] * len(options["loss_type"])),
        f_divergence_type=options.get("f_divergence_type", "reverse_kl"),
        f_alpha_divergence_coef=options.get("f_alpha_divergence_coef", 0.5), ld_alpha=options.get("ld_alpha"),
        use_weighting=options.get("use_weighting", False), precompute_ref_logps=False,
        args=SimpleNamespace(discopop_tau=options.get("discopop_tau", 0.05), gradient_checkpointing_kwargs=None),
        ref_model=lambda **_: fused(padded(reference, PROMPT - 1)[0].to(dtype), None))
    completion_mask = torch.cat([torch.zeros(len(order), 1, dtype=torch.long), mask], dim=1)
    inputs = {"input_ids": torch.zeros_like(completion_mask), "attention_mask": torch.ones_like(completion_mask),
              "completion_mask": completion_mask}
    model = lambda **_: fused(logps, padded(p2, PROMPT - 1)[0].to(dtype))
    loss = DPOTrainer._compute_loss(trainer, model, inputs, False)
    loss.backward()
    turns = [i + side * len(lengths) for i in range(len(lengths)) for side in (0, 1)]
    return {"name": name, "options": {"kind": "dpo", **options}, "lengths": [list(x) for x in lengths],
            "policy": [listed(policy)[i] for i in turns], "reference": [listed(reference)[i] for i in turns],
            "log_sum_p2": [listed(p2)[i] for i in turns], "loss": float(loss.detach()),
            "dlogp": [by_row(logps.grad, mask)[i] for i in turns], "metrics": metrics_of(trainer),
            "tolerance": tolerance}


def kto_case(name, seed, labels, options):
    """Sequences in the file: each row's answer and mismatched answer in turn."""
    generator = torch.Generator().manual_seed(seed)
    n = len(labels)
    lengths = [3 + (5 * i) % 4 for i in range(n)]
    other = lengths[-1:] + lengths[:-1]
    policy, reference = made(generator, lengths), made(generator, lengths)
    kl_policy, kl_reference = made(generator, other, 0.9), made(generator, other)
    logps, mask = padded(policy, PROMPT - 1)
    logps.requires_grad_()
    as_ids = lambda m: torch.cat([torch.zeros(n, 1, dtype=torch.long), m], dim=1)
    kl_mask = padded(kl_policy, PROMPT - 1)[1]

    def model_of(answers, mismatched):
        return lambda **kw: fused(mismatched if kw["input_ids"][0, 0] == 1 else answers, None)

    trainer = stand_in(
        KTOTrainer, beta=options.get("beta", 0.1), loss_type=options["loss_type"][0],
        calculate_KL=options["loss_type"][0] == "kto", desirable_weight=options.get("desirable_weight", 1.0),
        undesirable_weight=options.get("undesirable_weight", 1.0), precompute_ref_logps=False,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        ref_model=model_of(padded(reference, PROMPT - 1)[0], padded(kl_reference, PROMPT - 1)[0]))
    batch = {"label": torch.tensor(labels), "input_ids": torch.zeros_like(as_ids(mask)),
             "attention_mask": torch.ones_like(as_ids(mask)), "completion_mask": as_ids(mask),
             "KL_input_ids": torch.ones_like(as_ids(kl_mask)), "KL_attention_mask": torch.ones_like(as_ids(kl_mask)),
             "KL_completion_mask": as_ids(kl_mask)}
    loss = KTOTrainer._compute_loss(trainer, model_of(logps, padded(kl_policy, PROMPT - 1)[0]), batch, False)
    loss.backward()
    turns = lambda answers, mismatched: [row for pair in zip(answers, mismatched) for row in pair]
    return {"name": name, "options": {"kind": "kto", **options}, "labels": [1.0 if x else 0.0 for x in labels],
            "policy": turns(listed(policy), listed(kl_policy)),
            "reference": turns(listed(reference), listed(kl_reference)), "loss": float(loss.detach()),
            "dlogp": turns(by_row(logps.grad, mask), [[0.0] * k for k in other]), "metrics": metrics_of(trainer),
            "tolerance": 1e-9}


def logits_case(name, seed, lengths, options, cls):
    """CPO and ORPO on real logits. Sequences in the file: prompt, chosen, rejected of each pair in turn."""
    generator = torch.Generator().manual_seed(seed)
    sides = {0: [c for c, _ in lengths], 1: [r for _, r in lengths]}
    width = PROMPT + max(max(x) for x in sides.values())
    ids = torch.randint(0, VOCAB, (2 * len(lengths), width), generator=generator)
    ids[len(lengths) :, :PROMPT] = ids[: len(lengths), :PROMPT]
    logits = torch.randn(2 * len(lengths), width, VOCAB, generator=generator)
    logits[len(lengths) :, : PROMPT - 1] = logits[: len(lengths), : PROMPT - 1]
    logits.requires_grad_()
    attention, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, n in enumerate(sides[0] + sides[1]):
        attention[i, : PROMPT + n] = 1
        labels[i, PROMPT : PROMPT + n] = ids[i, PROMPT : PROMPT + n]
    trainer = stand_in(cls, beta=options.get("beta", 0.1), label_smoothing=options.get("label_smoothing", 0.0),
                       loss_type=options.get("loss_type", ["sigmoid"])[0], cpo_alpha=options.get("cpo_alpha", 1.0),
                       simpo_gamma=options.get("simpo_gamma", 0.5), alpha=0.0, padding_value=0, pad_token_id=0)
    trainer.concatenated_inputs = lambda *_, **__: {
        "concatenated_input_ids": ids, "concatenated_attention_mask": attention, "concatenated_labels": labels}
    batch = {"chosen_labels": labels[: len(lengths)]}
    loss, metrics = cls.get_batch_loss_metrics(trainer, lambda *_, **__: SimpleNamespace(logits=logits), batch)
    loss.backward()
    logps = F.log_softmax(logits.detach(), -1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    slope = logits.grad[:, :-1].gather(-1, ids[:, 1:, None])[..., 0] / -torch.expm1(logps)
    policy, dlogp = [], []
    for i in range(len(lengths)):
        for row, first, n in ((i, 0, PROMPT - 1), (i, PROMPT - 1, sides[0][i]),
                              (i + len(lengths), PROMPT - 1, sides[1][i])):
            policy.append([float(x) for x in logps[row, first : first + n]])
            dlogp.append([float(x) for x in slope[row, first : first + n]])
    keep = ("rewards/", "logps/", "nll_loss", "log_odds")
    return {"name": name, "options": options, "lengths": [list(x) for x in lengths], "policy": policy,
            "loss": float(loss.detach()), "dlogp": dlogp,
            "metrics": {k: float(v) for k, v in metrics.items() if k.startswith(keep)},
            "tolerance": 2e-7 if cls is ORPOTrainer else 1e-9}


def reward_case(name, chosen, rejected, margin, options):
    scores = torch.tensor(chosen + rejected).requires_grad_()
    trainer = stand_in(RewardTrainer, args=SimpleNamespace(
        center_rewards_coefficient=options.get("center_rewards_coefficient")))
    inputs = {"attention_mask": torch.ones(len(chosen) * 2, 2)} | ({"margin": torch.tensor(margin)} if margin else {})
    model = lambda **_: SimpleNamespace(logits=scores[:, None])
    loss = RewardTrainer.compute_loss(trainer, model, inputs)
    loss.backward()
    turns = [i + side * len(chosen) for i in range(len(chosen)) for side in (0, 1)]
    return {"name": name, "options": {"kind": "reward", **options}, "margins": margin or [0.0] * len(chosen),
            "policy": [[float(scores[i].detach())] for i in turns], "dlogp": [[float(scores.grad[i])] for i in turns],
            "loss": float(loss.detach()), "metrics": metrics_of(trainer), "tolerance": 1e-9}


def bco_parts(folder):
    """BCOTrainer.bco_loss and RunningMoments of an unpacked wheel, without importing the package."""
    wanted = {"utils.py": "RunningMoments", "bco_trainer.py": "bco_loss"}
    scope = {"torch": torch, "F": F, "Accelerator": object, "nn": nn}
    exec("from dataclasses import dataclass\nfrom typing import *", scope)
    for file, name in wanted.items():
        tree = ast.parse((Path(folder) / "trl" / "trainer" / file).read_text())
        node = next(n for n in ast.walk(tree) if getattr(n, "name", None) == name)
        exec(compile(ast.Module([node], []), file, "exec"), scope)
    return scope["RunningMoments"], scope["bco_loss"]


def bco_case(name, seed, steps, folder):
    moments, bco_loss = bco_parts(folder)
    trainer = SimpleNamespace(beta=0.1, running=moments(accelerator=accelerator), match_underlying_distribution=False)
    generator = torch.Generator().manual_seed(seed)
    out = []
    for labels in steps:
        lengths = [4 + i for i in range(len(labels))]
        policy, reference = made(generator, lengths, 3.0), made(generator, lengths)
        rows = [row.requires_grad_() for row in policy]
        stack = lambda rows, want: torch.stack([r.sum() for r, s in zip(rows, labels) if s == want]) if want in labels \
            else torch.zeros(0)
        losses, _, _, delta = bco_loss(trainer, stack(rows, True), stack(rows, False), stack(reference, True),
                                       stack(reference, False), None, None, do_train=True)
        losses.nanmean().backward()
        out.append({"labels": [1.0 if x else 0.0 for x in labels], "policy": listed(policy),
                    "reference": listed(reference), "loss": float(losses.nanmean().detach()),
                    "dlogp": listed([r.grad for r in rows]), "delta": float(delta)})
    return {"name": name, "options": {"kind": "bco"}, "steps": out, "tolerance": 1e-7}


def dpo_cases():
    four = [(4, 6), (7, 3), (5, 5), (2, 8)]
    plain = ["sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero",
             "apo_down", "discopop", "sigmoid_norm", "sft"]
    for seed, loss_type in enumerate(plain):
        yield dpo_case(loss_type, 100 + seed, four, {"loss_type": [loss_type], "beta": 0.3}, scale=2.0)
    for loss_type, e in (("exo_pair", 0.001), ("exo_pair", 0.1), ("robust", 0.1), ("robust", 0.25), ("aot", 0.1),
                         ("aot_unpaired", 0.2)):
        yield dpo_case(f"{loss_type} with label smoothing {e}", 200, four,
                       {"loss_type": [loss_type], "label_smoothing": e, "beta": 0.3}, 1e-7, 2.0)
    for divergence in ("forward_kl", "js_divergence", "alpha_divergence"):
        for loss_type in ("sigmoid", "hinge", "ipo", "discopop", "sigmoid_norm"):
            yield dpo_case(f"{loss_type} with {divergence}", 300, four, {
                "loss_type": [loss_type], "f_divergence_type": divergence, "f_alpha_divergence_coef": 0.7},
                2e-4 if divergence == "alpha_divergence" and loss_type == "ipo" else
                2e-6 if divergence == "alpha_divergence" else 1e-9)
    yield dpo_case("MPO: sigmoid, bco_pair and sft", 400, four,
                   {"loss_type": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 1.0]})
    yield dpo_case("RPO: sigmoid and sft", 401, four, {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]})
    yield dpo_case("hinge, ipo and apo_zero", 402, four,
                   {"loss_type": ["hinge", "ipo", "apo_zero"], "loss_weights": [1.0, 0.01, 2.0]})
    for loss_type in ("sigmoid", "nca_pair", "sppo_hard"):  # TRL's hinge cannot: it multiplies the relu in place
        yield dpo_case(f"WPO with {loss_type}", 500, four, {"loss_type": [loss_type], "use_weighting": True})
    for loss_type in ("sigmoid", "ipo", "apo_zero"):
        yield dpo_case(f"LD-DPO with {loss_type}", 600, four, {"loss_type": [loss_type], "ld_alpha": 0.25})
    yield dpo_case("LD-DPO with sft beside it", 601, four, {"loss_type": ["sigmoid", "sft"], "ld_alpha": 0.25})


def main():
    old = {case["name"]: case for case in json.loads((HERE / "cases.json").read_text())["cases"]} \
        if (HERE / "cases.json").exists() else {}
    three = [(4, 6), (7, 3), (2, 5)]
    cases = list(dpo_cases())
    cases += [kto_case("kto", 700, [True, False, False, True, True], {"loss_type": ["kto"]}),
              kto_case("kto with weights", 703, [True, False, False, False],
                       {"loss_type": ["kto"], "beta": 0.5, "desirable_weight": 1.5, "undesirable_weight": 0.7}),
              kto_case("kto of good answers alone", 702, [True, True, True], {"loss_type": ["kto"]}),
              kto_case("apo_zero_unpaired", 704, [True, False, True], {"loss_type": ["apo_zero_unpaired"]})]
    for loss_type in ("sigmoid", "hinge", "ipo", "simpo"):
        cases.append(logits_case(f"cpo {loss_type}", 800, three, {"kind": "cpo", "loss_type": [loss_type]}, CPOTrainer))
    cases += [logits_case("cpo sigmoid with label smoothing", 801, three,
                          {"kind": "cpo", "loss_type": ["sigmoid"], "label_smoothing": 0.1}, CPOTrainer),
              logits_case("simpo with label smoothing, no likelihood", 802, three, {
                  "kind": "cpo", "loss_type": ["simpo"], "beta": 2.0, "simpo_gamma": 1.0, "label_smoothing": 0.1,
                  "cpo_alpha": 0.0}, CPOTrainer),
              logits_case("orpo", 900, three, {"kind": "orpo"}, ORPOTrainer),
              logits_case("orpo with beta 0.5", 901, three, {"kind": "orpo", "beta": 0.5}, ORPOTrainer),
              reward_case("reward", [1.2, 0.3], [0.4, 0.9], None, {}),
              reward_case("reward with margins and centring", [1.2, 0.3, -2.0], [0.4, 0.9, -1.0], [0.5, 0.0, 1.0],
                          {"center_rewards_coefficient": 0.01})]
    name = "bco over three steps"
    steps = [[True, False, True], [False, False], [True, True, False, False, True]]
    cases.append(bco_case(name, 1000, steps, sys.argv[1]) if len(sys.argv) > 1 else old[name])
    rounded = json.loads(json.dumps(cases), parse_float=lambda x: float(f"{float(x):.12g}"))
    text = json.dumps({"made_by": "make.py with TRL 1.16.0 (bco: 0.24.0) and torch 2.11.0, CPU", "cases": rounded})
    (HERE / "cases.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")


main()
