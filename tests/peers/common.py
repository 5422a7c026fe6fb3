"""What the scripts share: the programs, the models, one line a check."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
AFINA = ROOT / "build" / "bin" / "afina"
GOLDEN = ROOT / "tests" / "golden"
SMOLLM2 = next((ROOT / ".deps").rglob("SmolLM2-135M-Instruct.Q4_1.gguf"))
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
failures = 0


def check(name, good, detail=""):
    global failures
    failures += not good
    print(("ok   " if good else "FAIL ") + name + (f": {detail}" if detail else ""), flush=True)


def run(*args, lines=None):
    """afina's stdout; with lines, one JSON object a line in and out."""
    stdin = None if lines is None else "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([str(AFINA), "--database", "none", *map(str, args)], input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"afina {' '.join(map(str, args))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()] if lines is not None else done.stdout


def workspace():
    return tempfile.TemporaryDirectory(prefix="afina-peers-")


def finish():
    print(f"{failures} failed" if failures else "all passed", flush=True)
    sys.exit(1 if failures else 0)
