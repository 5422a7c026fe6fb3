#!/usr/bin/env bash
# Hundreds of answers streamed at one time: the collector's memory, first piece, other requests beside. Run alone. Usage: ./dev bench streams [STREAMS] [ARENA_CHATS]
cd "$(dirname "$0")/.." && folder="$(mktemp -d)" && chmod 755 "$folder" && exec build/bin/bench_streams build/bin/afina-collector "$folder" "$@"
