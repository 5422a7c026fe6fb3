#!/usr/bin/env bash
# kernels: products, LoRA's thin products, attention and row loops, each beside at::mm, oneDNN, ATen's attention and a copy
cd "$(dirname "$0")/.." && exec build/bin/bench_kernels
