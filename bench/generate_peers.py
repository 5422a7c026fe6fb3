"""Time from opening a model to its first token, and tokens/s of greedy decoding: Afina beside transformers and llama.cpp.

Every engine is a process of its own, started fresh, in turns; prompt, threads and new tokens are the same. Medians.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GGUF = next((ROOT / ".deps").rglob("SmolLM2-135M-Instruct.Q4_1.gguf"))
AFINA = ROOT / "build" / "bin" / "afina"
THREADS = os.environ.get("AFINA_THREADS", "2")
NEW = 128
PROMPT = "Escribe un resumen de la historia del café y explica cómo prepararlo paso a paso."
CHILD = r"""
import sys, time, json
begin = time.perf_counter()
engine, model, threads, new, ids = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
out = []
if engine == "llama.cpp":
    from llama_cpp import Llama
    llama = Llama(model, n_ctx=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    llama.eval(ids); out.append(llama.sample(temp=0.0, top_k=1)); first = time.perf_counter()
    for _ in range(new - 1):
        llama.eval(out[-1:]); out.append(llama.sample(temp=0.0, top_k=1))
else:
    import torch; torch.set_num_threads(threads)
    from transformers import AutoModelForCausalLM
    m = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.inference_mode():
        r = m(torch.tensor([ids]), use_cache=True); out.append(int(r.logits[0, -1].argmax())); first = time.perf_counter()
        for _ in range(new - 1):
            r = m(torch.tensor([out[-1:]]), past_key_values=r.past_key_values, use_cache=True); out.append(int(r.logits[0, -1].argmax()))
print(json.dumps({"first_s": first - begin, "rate": (new - 1) / (time.perf_counter() - first), "ids": out}))
"""


def afina(model, ids):
    begin = time.perf_counter()
    env = {**os.environ, "AFINA_LOG": "error"}
    child = subprocess.Popen([str(AFINA), "--database", "none", "generate", "--model", str(model), "--jsonl", "--greedy", "--threads", THREADS, "--max-new-tokens", "1"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    child.stdin.write(json.dumps({"ids": ids}) + "\n"); child.stdin.flush()
    child.stdout.readline()
    first = time.perf_counter() - begin
    child.stdin.close(); child.wait()
    done = subprocess.run([str(AFINA), "--database", "none", "generate", "--model", str(model), "--prompt", PROMPT, "--greedy", "--json", "--threads", THREADS, "--max-new-tokens", str(NEW)],
                          capture_output=True, text=True, env=env, check=True)
    answer = json.loads(done.stdout)
    rate = float(done.stderr.split("tokens, ")[-1].split(" tokens/s")[0])
    return {"first_s": first, "rate": rate, "ids": answer["completion_ids"]}


def peer(engine, model, ids):
    done = subprocess.run([sys.executable, "-c", CHILD, engine, str(model), THREADS, str(NEW), json.dumps(ids)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    render = subprocess.run([str(AFINA), "render", "--model", str(GGUF)], input=json.dumps({"messages": [{"role": "user", "content": PROMPT}], "add_generation_prompt": True}) + "\n",
                            capture_output=True, text=True, check=True)
    ids = json.loads(render.stdout)["ids"]
    with tempfile.TemporaryDirectory() as folder:
        hf, f32 = pathlib.Path(folder) / "hf", pathlib.Path(folder) / "f32.gguf"
        for out in (hf, f32):
            subprocess.run([str(AFINA), "quantize", "--model", str(GGUF), "--type", "f32", "--out", str(out)], check=True, capture_output=True)
        rows = {"Afina, fp32 from Q4_1 GGUF": lambda: afina(GGUF, ids), "Afina, fp32 folder": lambda: afina(hf, ids),
                "transformers, fp32 folder": lambda: peer("hf", hf, ids), "llama.cpp, F32 GGUF": lambda: peer("llama.cpp", f32, ids),
                "llama.cpp, Q4_1 GGUF": lambda: peer("llama.cpp", GGUF, ids)}
        found = {name: [] for name in rows}
        for _ in range(rounds):
            for name, measure in rows.items():
                found[name].append(measure())
    want = found["transformers, fp32 folder"][0]["ids"]
    print(f"{len(ids)} prompt tokens, {NEW} new, {THREADS} threads, median of {rounds} fresh processes\n")
    print("| engine | open to first token, s | tokens/s | same tokens as transformers |\n| --- | --- | --- | --- |")
    for name, runs in found.items():
        got = runs[0]["ids"]
        same = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        print(f"| {name} | {statistics.median(r['first_s'] for r in runs):.2f} | {statistics.median(r['rate'] for r in runs):.1f} | {same} of {min(len(got), NEW)} |")


main()
