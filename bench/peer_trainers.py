"""The peers' side of `./dev bench train --peers`: makes the data and the first adapter, then trains as TRL + PEFT do.

  prepare MODEL OUT      rows in ids from real dialogues, and a fresh PEFT adapter that both sides start from
  train KIND ...         one process, one run; prints a JSON line: seconds a step, losses, peak memory, start-up

Rows, their order, the adapter, the optimiser's settings and the number of threads are what Afina is given. `plain` is
a loop without TRL (model + PEFT + AdamW), the peers' fastest way for rows of one length.
"""
import glob
import importlib.util
import json
import os
import pathlib
import random
import resource
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
RATE = {"sft": 2e-4, "dpo": 1e-5}
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def since_start():
    ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    return float(open("/proc/uptime").read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def busy_seconds():
    ticks = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def dialogues():
    """chatterbot-corpus in Spanish, Portuguese and English: 840 chats of at most 8 turns, in an order of their own."""
    import yaml
    base = os.path.dirname(importlib.util.find_spec("chatterbot_corpus").origin)
    chats = []
    for language in ("spanish", "portuguese", "english"):
        found = []
        for name in sorted(glob.glob(f"{base}/data/{language}/*.yml")):
            for turns in yaml.safe_load(open(name, encoding="utf8"))["conversations"]:
                turns = [str(t).strip() for t in turns or [] if str(t).strip()]
                if len(turns) >= 2:
                    found.append(turns)
        random.Random(0).shuffle(found)
        chats += found[:280]
    random.Random(1).shuffle(chats)
    return [[{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(c[: min(8, len(c) // 2 * 2)])] for c in chats]


def pairs(chats, shared):
    """64 pairs: four on each of 16 long prompts, or each on a short question of its own."""
    rnd, out = random.Random(0), []
    answers = [c[1]["content"] for c in chats]
    long = lambda k: " ".join(rnd.sample(answers, k))
    for _ in range(16):
        prompt = []
        for _ in range(rnd.randint(2, 5) if shared else 0):
            prompt += [{"role": "user", "content": rnd.choice(chats)[0]["content"]}, {"role": "assistant", "content": long(2)}]
        for i in range(4):
            if i == 0 or not shared:
                last = {"role": "user", "content": rnd.choice(chats)[0]["content"]}
            out.append((prompt + [last], long(rnd.randint(2, 5)), long(rnd.randint(2, 5))))
    return out


def prepare(model, out):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tok = AutoTokenizer.from_pretrained(model)
    chats, out = dialogues(), pathlib.Path(out)
    ids_of = lambda messages, **kw: tok.apply_chat_template(messages, tokenize=True, return_dict=False, **kw)
    write = lambda name, rows: (out / name).write_text("".join(json.dumps(r) + "\n" for r in rows))
    stream = [i for _ in range(4) for c in chats for i in ids_of(c)]
    write("sft_fixed.jsonl", [{"input_ids": stream[i : i + 512], "labels": stream[i : i + 512]} for i in range(0, 64 * 512, 512)])
    write("sft_mix.jsonl", [{"input_ids": i, "labels": i} for i in (ids_of(c)[:512] for c in chats)])
    for name, shared in (("dpo_long", True), ("dpo_short", False)):
        rows = []
        for prompt, *answers in pairs(chats, shared):
            start = ids_of(prompt, add_generation_prompt=True)
            full = [ids_of(prompt + [{"role": "assistant", "content": a}]) for a in answers]
            assert all(f[: len(start)] == start for f in full)
            rows.append({"prompt_ids": start, "chosen_ids": full[0][len(start) :], "rejected_ids": full[1][len(start) :]})
        write(f"{name}.jsonl", rows)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules=MODULES, task_type="CAUSAL_LM")).save_pretrained(out / "adapter")


def load(args, torch):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    kw = {}
    if args["storage"] == "nf4":
        from transformers import BitsAndBytesConfig
        kw["quantization_config"] = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16 if args["dtype"] == "bf16" else torch.float32)
    model = AutoModelForCausalLM.from_pretrained(args["model"], dtype=torch.bfloat16 if args["dtype"] == "bf16" else torch.float32, **kw)
    return PeftModel.from_pretrained(model, args["adapter"], is_trainable=True)


def plain_loop(args, rows, torch, record):
    model = load(args, torch)
    model.train()
    model.config.use_cache = False
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE["sft"], weight_decay=0.0, fused=True)
    for s in range(args["steps"]):
        begin = record.begin()
        x = torch.tensor([r["input_ids"] for r in rows[s * args["batch"] : (s + 1) * args["batch"]]])
        logits = model(input_ids=x).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), x[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        record.end(begin, loss.item())


def trl(args, rows, torch, record):
    import torch.utils.data
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
    base, config = (DPOTrainer, DPOConfig) if args["kind"] == "dpo" else (SFTTrainer, SFTConfig)

    class Trainer(base):
        def _prepare_dataset(self, dataset, *rest, **kw):
            return dataset  # in ids already, the very ones that Afina reads

        def _get_train_sampler(self, *rest, **kw):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    class Watch(TrainerCallback):
        def on_step_begin(self, *a, **k):
            self.begin = record.begin()

        def on_step_end(self, *a, **k):
            record.end(self.begin, None)

        def on_log(self, a, state, control, logs=None, **k):
            if "loss" in (logs or {}) and record.steps:
                record.steps[-1]["loss"] = float(logs["loss"])

    settings = config(output_dir=tempfile.mkdtemp(), max_length=1024, per_device_train_batch_size=args["batch"], max_steps=args["steps"],
                      learning_rate=RATE[args["kind"]], lr_scheduler_type="constant", weight_decay=0.0, gradient_checkpointing=bool(args["checkpointing"]),
                      bf16=False, use_cpu=True, logging_steps=1, save_strategy="no", report_to="none", dataloader_pin_memory=False, disable_tqdm=True, seed=0)
    Trainer(model=load(args, torch), args=settings, train_dataset=Dataset.from_list(rows), callbacks=[Watch()],
            processing_class=AutoTokenizer.from_pretrained(args["model"])).train()


class Record:
    def __init__(self):
        self.steps, self.first = [], None

    def begin(self):
        self.first = self.first or since_start()
        own = os.times()
        return time.perf_counter(), own.user + own.system, busy_seconds()

    def end(self, begin, loss):
        own, wall = os.times(), time.perf_counter() - begin[0]
        other = busy_seconds() - begin[2] - (own.user + own.system - begin[1])
        self.steps.append({"seconds": wall, "other_cores": max(0.0, other / wall), "loss": loss})


def train(args):
    import torch
    torch.set_num_threads(args["threads"])
    rows, record = [json.loads(line) for line in open(args["data"])], Record()
    (plain_loop if args["engine"] == "plain" else trl)(args, rows, torch, record)
    print("RESULT " + json.dumps({"steps": record.steps, "first_step_after_s": record.first, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    prepare(*sys.argv[2:]) if sys.argv[1] == "prepare" else train(json.loads(sys.argv[2]))
