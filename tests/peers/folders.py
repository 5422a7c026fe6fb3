"""transformers, PEFT and bitsandbytes load what Afina writes and compute what Afina computes."""
import json

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from common import GOLDEN, SMOLLM2, check, finish, run, workspace

torch.set_num_threads(2)
FAMILIES = ["llama2", "llama31", "llama32", "mistral", "qwen2", "qwen3", "smollm3"]
VARIANTS = ["rslora", "patterns", "regex", "all_linear", "layers", "bias", "dora", "save_head"]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float()


def logprobs(values, ids):
    table = torch.log_softmax(values.double(), -1)
    return torch.tensor([table[i, ids[i + 1]] for i in range(len(ids) - 1)])


def gap(a, b):
    return (a - b).abs().max().item()


def afina_logprobs(ids, *args):
    return torch.tensor(run("score", *args, lines=[{"ids": ids}])[0]["logprobs"], dtype=torch.float64)


def families(folder):
    for family in FAMILIES:
        base = GOLDEN / "tiny" / family
        with safe_open(base / "golden.safetensors", "pt") as file:
            ids = file.get_tensor("input_ids").tolist()
        theirs = logits(PeftModel.from_pretrained(load(base), base / "adapter"), ids)
        run("export", "--model", base, "--adapter", base / "adapter", "--format", "peft", "--out", folder / f"{family}-peft", "--license", "mit")
        again = logits(PeftModel.from_pretrained(load(base), folder / f"{family}-peft"), ids)
        check(f"{family}: our PEFT folder in PEFT", gap(again, theirs) <= 1e-4, f"logits {gap(again, theirs):.1e}")
        run("export", "--model", base, "--adapter", base / "adapter", "--format", "hf", "--type", "f32", "--out", folder / f"{family}-hf", "--license", "mit")
        merged = logits(load(folder / f"{family}-hf"), ids)
        check(f"{family}: our merged folder in transformers", gap(merged, theirs) <= 1e-4, f"logits {gap(merged, theirs):.1e}")
        ours = afina_logprobs(ids, "--model", base, "--adapter", base / "adapter")
        check(f"{family}: afina score", gap(ours, logprobs(theirs, ids)) <= 1e-4, f"log-probabilities {gap(ours, logprobs(theirs, ids)):.1e}")


def variants(folder):
    base = GOLDEN / "tiny" / "llama31"
    with safe_open(base / "golden.safetensors", "pt") as file:
        ids = file.get_tensor("input_ids").tolist()
    for variant in VARIANTS:
        adapter = base / "variants" / variant
        theirs = logits(PeftModel.from_pretrained(load(base), adapter), ids)
        run("export", "--model", base, "--adapter", adapter, "--format", "peft", "--out", folder / variant, "--license", "mit")
        again = logits(PeftModel.from_pretrained(load(base), folder / variant), ids)
        check(f"{variant}: read, written, loaded by PEFT", gap(again, theirs) <= 1e-4, f"logits {gap(again, theirs):.1e}")


def nf4(folder):
    import bitsandbytes.functional as bnb

    base = GOLDEN / "tiny" / "llama31"
    for name, flags in [("nf4", ["--single-quant"]), ("nf4_dq", [])]:
        out = folder / name
        run("quantize", "--model", base, "--type", "nf4", "--out", out, *flags)
        with safe_open(out / "model.safetensors", "pt") as mine, safe_open(base / name / "model.safetensors", "pt") as theirs:
            packed = [k for k in theirs.keys() if k.endswith("_proj.weight")]
            same = all(torch.equal(mine.get_tensor(k), theirs.get_tensor(k)) for k in packed)
            check(f"{name}: packed weights as bitsandbytes packs them", same, f"{len(packed)} matrices")
            key = packed[0]
            state = {k[len(key) + 1:]: mine.get_tensor(k) for k in mine.keys() if k.startswith(key + ".")}
            values = bnb.dequantize_4bit(mine.get_tensor(key), bnb.QuantState.from_dict(state, device="cpu"))
        with safe_open(base / "model.safetensors", "pt") as plain:
            distance = (values.float() - plain.get_tensor(key)).abs().max().item()
        check(f"{name}: bitsandbytes reads our quant_state", distance < 0.2, f"furthest from the weights {distance:.2f}")
        config = json.load(open(out / "config.json"))["quantization_config"]
        check(f"{name}: quantization_config", config["bnb_4bit_quant_type"] == "nf4" and config["bnb_4bit_use_double_quant"] == (not flags))


def gguf_to_folder(folder):
    out = folder / "smollm2"
    run("quantize", "--model", SMOLLM2, "--type", "f32", "--out", out)
    golden = json.load(open(GOLDEN / "smollm2" / "logits.json"))["prompts"][3]
    theirs = logits(load(out), golden["ids"])
    top = torch.tensor(golden["last_top64"])
    check("a GGUF as folder in transformers", gap(theirs[-1][golden["last_top64_ids"]], top) <= 2e-4)


with workspace() as folder:
    import pathlib
    families(pathlib.Path(folder))
    variants(pathlib.Path(folder))
    nf4(pathlib.Path(folder))
    gguf_to_folder(pathlib.Path(folder))
finish()
