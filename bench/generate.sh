#!/usr/bin/env bash
# Greedy generation, alone and batched, with the memory bound. Run alone. Usage: ./dev bench generate
cd "$(dirname "$0")/.." && exec build/bin/bench_generate
