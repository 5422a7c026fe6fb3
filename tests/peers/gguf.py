"""llama.cpp loads what Afina writes as GGUF: same ids, same greedy text, adapters included."""
import pathlib

from llama_cpp import Llama

from common import GOLDEN, SMOLLM2, check, finish, run, workspace

QUESTIONS = ["What is the capital of France?", "¿Cuál es la capital del Perú?", "Escreva uma frase sobre o mar.", "Name three colours."]
TEXTS = ["Hola, ¿qué tal? 123", "ñandú, g̃uarani, ŋülam", "  dos   espacios\n\n y\ttab", "I'll be there at 10:30 — ok? 👩‍👩‍👧"]


def greedy(llama, ids, count):
    out = []
    llama.reset()
    llama.eval(ids)
    while len(out) < count:
        token = llama.sample(temp=0.0, top_k=1)
        out.append(token)
        if token in (0, 2):
            break
        llama.eval([token])
    return out


def prompt(question):
    return run("render", "--model", SMOLLM2, lines=[{"messages": [{"role": "user", "content": question}], "add_generation_prompt": True}])[0]["ids"]


def agreeing(ours, theirs):
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return same


def compare(name, gguf, ours_args, lora=None):
    # fp32 caches: its default of f16 moves logits by more than some gaps between words.
    llama = Llama(str(gguf), n_ctx=512, n_threads=2, verbose=False, type_k=0, type_v=0, lora_path=str(lora) if lora else None)
    for text in TEXTS:
        ours = run("tokenize", "--model", gguf, lines=[{"text": text}])[0]["ids"]
        theirs = llama.tokenize(text.encode(), add_bos=False, special=False)
        check(f"{name}: ids of {text!r}", ours == theirs)
    for question in QUESTIONS:
        ids = prompt(question)
        ours = run("generate", *ours_args, "--greedy", "--max-new-tokens", 24, lines=[{"ids": ids}])[0]["ids"]
        theirs = greedy(llama, ids, 24)
        same = agreeing(ours, theirs)
        check(f"{name}: greedy answer to {question!r}", ours == theirs, f"{same} of {len(ours)} tokens")
    llama.close()


with workspace() as name:
    folder = pathlib.Path(name)
    adapter = GOLDEN / "smollm2" / "adapter"
    run("quantize", "--model", SMOLLM2, "--type", "f32", "--out", folder / "hf")
    run("quantize", "--model", folder / "hf", "--type", "f32", "--out", folder / "f32.gguf")
    compare("folder to GGUF F32", folder / "f32.gguf", ["--model", folder / "hf"])
    run("export", "--model", folder / "hf", "--adapter", adapter, "--format", "gguf", "--type", "f32", "--name", "merged", "--license", "apache-2.0", "--out", folder / "merged")
    compare("merged GGUF F32", folder / "merged" / "merged.gguf", ["--model", folder / "hf", "--adapter", adapter])
    run("export", "--model", folder / "hf", "--adapter", adapter, "--format", "gguf-adapter", "--name", "lora", "--license", "apache-2.0", "--out", folder / "lora")
    compare("GGUF adapter on GGUF F32", folder / "f32.gguf", ["--model", folder / "hf", "--adapter", adapter], folder / "lora" / "lora.gguf")
finish()
