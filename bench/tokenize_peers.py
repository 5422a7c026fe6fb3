# SPDX-License-Identifier: Apache-2.0
"""The same text through Hugging Face tokenizers on one thread: tokenize_peers.py TOKENIZER_JSON TEXT."""
import hashlib
import os
import statistics
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402

start = time.perf_counter()
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
load = time.perf_counter() - start
text = open(sys.argv[2], encoding="utf-8", newline="").read()
size = len(text.encode()) / 1e6
for method in ("encode", "encode_batch_fast"):
    speeds = []
    for _ in range(7):
        start = time.perf_counter()
        if method == "encode":
            ids = tokenizer.encode(text, add_special_tokens=False).ids
        else:
            ids = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        speeds.append(size / (time.perf_counter() - start))
    print(f"tokenizers {tokenizers.__version__} {method}: load {load:.3f} s, encode {statistics.median(speeds):.2f} MB/s "
          f"({min(speeds):.2f} to {max(speeds):.2f}, 7 rounds)")
print("ids", len(ids), hashlib.sha256("".join(f"{i} " for i in ids).encode()).hexdigest())
