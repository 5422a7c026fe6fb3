"""Training itself: 20 steps in fp32 equal to the peers', and 100 in bf16 nearer to fp32 than the peers' own bf16.

Real dialogues in rows of 64 tokens, four a step, LoRA r=16 on all seven projections, AdamW. The peer is model + PEFT +
torch.optim.AdamW in a loop (bf16: weights, activations and adapters' inputs in bfloat16, as `dtype=torch.bfloat16`). Afina rounds the
inputs of products only, so two seeds of the peer, which share its rounding, are nearer to each other than to Afina.
"""
import json
import pathlib
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import ROOT, SMOLLM2, check, finish, run, workspace

sys.path.insert(0, str(ROOT / "bench"))
from peer_trainers import MODULES, dialogues  # noqa: E402

torch.set_num_threads(2)
BATCH, LENGTH, RATE = 4, 64, 2e-4


def adapter(hf, out):
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32)
    get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules=MODULES, task_type="CAUSAL_LM")).save_pretrained(out / "adapter0")


def peer(hf, adapter, rows, dtype, steps):
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(hf, dtype=dtype), adapter, is_trainable=True)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    losses = []
    for step in range(steps):
        x = torch.tensor(rows[step * BATCH : (step + 1) * BATCH])
        loss = torch.nn.functional.cross_entropy(model(input_ids=x).logits[:, :-1].flatten(0, 1).float(), x[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def ours(hf, adapter, data, out, dtype, steps):
    settings = {"max_steps": steps, "per_device_train_batch_size": BATCH, "shuffle": "false", "lr_scheduler_type": "constant", "learning_rate": RATE, "dtype": dtype, "save_steps": 0,
                "loss_sum": "float64"}
    run("sft", "--model", hf, "--data", data, "--start-adapter", adapter, "--out", out, "--threads", 2, *(x for k, v in settings.items() for x in ("--set", f"{k}={v}")))
    return torch.tensor([json.loads(line)["loss"] for line in open(out / "metrics.jsonl")], dtype=torch.float64)


def main():
    with workspace() as folder:
        work = pathlib.Path(folder)
        hf = work / "hf"
        run("quantize", "--model", SMOLLM2, "--type", "f32", "--out", hf)
        adapter(hf, work)
        tok = AutoTokenizer.from_pretrained(hf)
        ids = [i for _ in range(2) for c in dialogues() for i in tok.apply_chat_template(c, tokenize=True, return_dict=False)]
        rows = [ids[i : i + LENGTH] for i in range(0, 100 * BATCH * LENGTH, LENGTH)]
        data = work / "rows.jsonl"
        data.write_text("".join(json.dumps({"input_ids": r, "labels": r}) + "\n" for r in rows))
        theirs, mine = peer(hf, work / "adapter0", rows, torch.float32, 100), ours(hf, work / "adapter0", data, work / "run32", "float32", 20)
        gap = ((mine - theirs[:20]).abs() / theirs[:20]).max().item()
        check("20 steps in fp32 have the peer's losses", gap <= 1e-4, f"relative, at most {gap:.1e}")
        rounded = (peer(hf, work / "adapter0", rows, torch.bfloat16, 100) - theirs).abs()
        mine = (ours(hf, work / "adapter0", data, work / "run16", "bfloat16", 100) - theirs).abs()
        check("100 steps in bf16 stay nearer to fp32 than the peer's own bf16", mine.mean() <= rounded.mean() and mine.max() <= rounded.max(),
              f"mean {mine.mean():.5f} of {rounded.mean():.5f}, most {mine.max():.5f} of {rounded.max():.5f} nats")
    finish()


if __name__ == "__main__":
    main()
