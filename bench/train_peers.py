"""Afina's trainer beside TRL + PEFT in one run: same rows in ids, same first adapter, same order, same settings.

usage: train_peers.py [ROW…] [--steps N] [--rounds N] [--json FILE] [--tuned-only]   (through ./dev bench train --peers)

Every measurement is a process of its own, in turns: Afina, the peer's defaults, the peer's best settings found, Afina.
Losses are compared before any speed is shown. Seconds a step: the median over all steps but the first of steps in
which other programs used less than 0.15 of a core. "tuned": no recompute, and an allocator that keeps its pages.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
AFINA, PEER = ROOT / "build/bin/afina", [str(ROOT / ".deps/peers/bin/python"), str(ROOT / "bench/peer_trainers.py")]
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "68719476736", "MALLOC_TOP_PAD_": "268435456"}
THREADS = 2
# name: kind, data, rows a step, dtype, storage, peers as (label, engine, checkpointing, environment)
TRL, TUNED, PLAIN = ("default", "trl", 1, {}), ("tuned", "trl", 0, KEEP), ("tuned", "plain", 0, KEEP)
ROWS = {
    "sft_fixed": ("sft", "sft_fixed", 4, "fp32", "plain", [TRL, TUNED]),
    "sft_fixed_bf16": ("sft", "sft_fixed", 4, "bf16", "plain", [TRL, PLAIN]),
    "sft_mix": ("sft", "sft_mix", 8, "fp32", "plain", [TRL, TUNED]),
    "sft_mix_bf16": ("sft", "sft_mix", 8, "bf16", "plain", [TRL, TUNED]),
    "dpo_long": ("dpo", "dpo_long", 4, "fp32", "plain", [TRL, TUNED]),
    "dpo_long_bf16": ("dpo", "dpo_long", 4, "bf16", "plain", [TUNED]),
    "dpo_short": ("dpo", "dpo_short", 4, "fp32", "plain", [TUNED]),
    "qlora": ("sft", "sft_fixed", 4, "bf16", "nf4", [TUNED]),
}
TITLES = {
    "sft_fixed": "SFT, 4 × 512 tokens, fp32", "sft_fixed_bf16": "SFT, 4 × 512 tokens, bf16", "sft_mix": "SFT, dialogues, 8 a step, fp32",
    "sft_mix_bf16": "SFT, dialogues, 8 a step, bf16", "dpo_long": "DPO, 4 pairs on a long prompt, fp32", "dpo_long_bf16": "DPO, 4 pairs on a long prompt, bf16",
    "dpo_short": "DPO, short prompts, 4 a step, fp32", "qlora": "QLoRA (NF4), SFT 4 × 512, bf16",
}


def run_afina(work, name, steps, cached=True):
    """cached: DPO's reference values are made before the first step, so that steps are timed without them."""
    kind, data, batch, dtype, storage, _ = ROWS[name]
    out = work / "run"
    shutil.rmtree(out, ignore_errors=True)
    settings = {"max_steps": steps, "per_device_train_batch_size": batch, "shuffle": "false", "lr_scheduler_type": "constant", "weight_decay": 0, "save_steps": 0,
                "loss_sum": "float64", "learning_rate": 2e-4 if kind == "sft" else 1e-5, "dtype": "bfloat16" if dtype == "bf16" else "float32"}
    if storage == "nf4":
        settings |= {"load_in_4bit": "true"}
    if kind == "dpo" and cached:
        settings |= {"precompute_ref_log_probs": "true"}
    command = [str(AFINA), "--database", "none", kind, "--model", str(work / "hf"), "--data", str(work / f"{data}.jsonl"), "--start-adapter", str(work / "adapter"),
               "--out", str(out), "--threads", str(THREADS), "--json"] + [x for k, v in settings.items() for x in ("--set", f"{k}={v}")]
    busy, begin = busy_seconds(), time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "AFINA_LOG": "error"})
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"afina failed in {name}: {' '.join(command)}")
    other = max(0.0, busy_seconds() - busy - usage.ru_utime - usage.ru_stime) / (time.perf_counter() - begin)
    records, tokens = [json.loads(line) for line in open(out / "metrics.jsonl")], 0
    found = []
    for r in records:
        found.append({"seconds": (r["num_tokens"] - tokens) / r["tokens_per_second"], "other_cores": other, "loss": r["loss"]})
        tokens = r["num_tokens"]
    return {"steps": found, "first_step_after_s": json.loads(text)["first_step_after_s"], "peak_mb": usage.ru_maxrss / 1024}


def run_peer(work, name, peer, steps):
    kind, data, batch, dtype, storage, _ = ROWS[name]
    _, engine, checkpointing, environment = peer
    spec = {"model": str(work / "hf"), "adapter": str(work / "adapter"), "threads": THREADS, "storage": storage, "engine": engine, "kind": kind,
            "data": str(work / f"{data}.jsonl"), "batch": batch, "steps": steps, "dtype": dtype, "checkpointing": checkpointing}
    done = subprocess.run(PEER + ["train", json.dumps(spec)], capture_output=True, text=True, env={**os.environ, **environment, "OMP_NUM_THREADS": str(THREADS)})
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:200]}
    return json.loads(lines[-1][7:])


def busy_seconds():
    ticks = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def useful(work, name, steps):
    """Tokens (SFT, no padding) or pairs of each step."""
    kind, data, batch, *_ = ROWS[name]
    if kind == "dpo":
        return [batch] * steps
    lengths = [len(json.loads(line)["input_ids"]) for line in open(work / f"{data}.jsonl")]
    return [sum(lengths[i * batch : (i + 1) * batch]) for i in range(steps)]


def rate(runs, counts):
    """Useful work a second over the steps that were not disturbed, all runs together."""
    pairs = [(c, s) for r in runs for c, s in list(zip(counts, r["steps"]))[1:]]
    clean = [(c, s) for c, s in pairs if s["other_cores"] < 0.15] or pairs
    return sum(c for c, _ in clean) / sum(s["seconds"] for _, s in clean), len(clean)


def loss_gap(a, b):
    gaps = [abs(x["loss"] - y["loss"]) / abs(y["loss"]) for x, y in zip(a["steps"], b["steps"]) if y["loss"] is not None]
    return max(gaps) if gaps else float("nan")


def measure(work, name, steps, rounds):
    kind, *_, peers = ROWS[name]
    counts, ours, theirs = useful(work, name, steps), [], {}
    for _ in range(rounds):
        ours.append(run_afina(work, name, steps))
        for peer in peers:
            found = run_peer(work, name, peer, steps)
            if "failed" in found:
                print(f"  {TITLES[name]}: the peer ({peer[0]}, {peer[1]}) failed: {found['failed']}", file=sys.stderr)
                continue
            theirs.setdefault(peer[0], []).append(found)
        ours.append(run_afina(work, name, steps))
    # As people run it: reference values as rows are met, as the peer computes them.
    begins = ours if kind != "dpo" else [run_afina(work, name, 2, cached=False) for _ in range(rounds)]
    row = {"row": name, "unit": "pairs/s" if kind == "dpo" else "tokens/s", "steps": steps, "afina": {}, "peers": {}}
    for label, runs in [("afina", ours)] + list(theirs.items()):
        speed, clean = rate(runs, counts)
        facts = {"rate": speed, "clean_steps": clean, "peak_mb": max(r["peak_mb"] for r in runs), "first_step_after_s": statistics.median(r["first_step_after_s"] for r in runs),
                 "losses": [s["loss"] for s in runs[0]["steps"]]}
        if label == "afina":
            row["afina"] = facts | {"first_step_after_s": statistics.median(r["first_step_after_s"] for r in begins)}
        else:
            row["peers"][label] = facts | {"loss_gap": max(loss_gap(r, ours[0]) for r in runs), "engine": dict((p[0], p[1]) for p in peers)[label]}
    return row


def show(row):
    a, cells = row["afina"], []
    digits = 3 if row["unit"] == "pairs/s" else 0
    for label in ("default", "tuned"):
        p = row["peers"].get(label)
        cells.append("–" if p is None else f"{p['rate']:.{digits}f}")
    p = row["peers"].get("tuned") or row["peers"].get("default")
    if p is None:
        print(f"| {TITLES[row['row']]}, {row['unit']} | – | – | {a['rate']:.{digits}f} | – | {a['peak_mb']:.0f} | {a['first_step_after_s']:.2f} s | – |", flush=True)
        return
    print(f"| {TITLES[row['row']]}, {row['unit']} | {cells[0]} | {cells[1]} | {a['rate']:.{digits}f} | {a['rate'] / p['rate']:.2f} | {a['peak_mb']:.0f} of {p['peak_mb']:.0f} ({a['peak_mb'] / p['peak_mb']:.2f}) "
          f"| {a['first_step_after_s']:.2f} of {p['first_step_after_s']:.1f} s ({p['first_step_after_s'] / a['first_step_after_s']:.1f}×) | {p['loss_gap']:.1e} |", flush=True)


def main():
    arguments = sys.argv[1:]
    def option(name, default):
        if name not in arguments:
            return default
        at = arguments.index(name)
        value = arguments[at + 1]
        del arguments[at : at + 2]
        return value
    if "--tuned-only" in arguments:
        arguments.remove("--tuned-only")
        for name, row in ROWS.items():
            ROWS[name] = row[:-1] + ([p for p in row[-1] if p[0] == "tuned"],)
    steps, rounds, report = int(option("--steps", 5)), int(option("--rounds", 1)), option("--json", None)
    rows = arguments or list(ROWS)
    unknown = [r for r in rows if r not in ROWS]
    if unknown:
        raise SystemExit(f"train_peers: rows must be among {', '.join(ROWS)}, but got {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        gguf = next((ROOT / ".deps").rglob("SmolLM2-135M-Instruct.Q4_1.gguf"))
        subprocess.run([str(AFINA), "quantize", "--model", str(gguf), "--type", "f32", "--out", str(work / "hf")], check=True, capture_output=True)
        subprocess.run(PEER + ["prepare", str(work / "hf"), str(work)], check=True, capture_output=True)
        print(f"{THREADS} threads, {steps} steps a process, {rounds} round(s), {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; SmolLM2-135M-Instruct, LoRA r=16 on all seven projections, AdamW\n")
        print("| work | TRL, defaults | peer, tuned | Afina | × tuned | peak memory, MB | first step begins after | losses differ, relative, at most |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
        found = []
        for name in rows:
            found.append(measure(work, name, steps, rounds))
            show(found[-1])
            if report:
                pathlib.Path(report).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
