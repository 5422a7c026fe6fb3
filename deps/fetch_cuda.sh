#!/usr/bin/env bash
# Puts NVIDIA's compiler (deps/cuda_wheels.txt, 99 MB) into .deps/cuda where no toolkit is installed; with `runtime`,
# also the libraries that libtorch_cuda.so loads (deps/cuda_runtime.txt, 1.9 GB). Usage: deps/fetch_cuda.sh ROOT
# OFFLINE_DIR_OR_EMPTY compiler|runtime. Every file is checked against its SHA-256 before it is opened.
set -euo pipefail
root=$1; offline=$2; what=$3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/afina/downloads
home=$root/.deps/cuda
mkdir -p "$cache" "$home"
. "$root/deps/archives.sh"

# unpack LIST: into .deps/cuda, unless the list was unpacked there before.
unpack() {
  local list=$root/deps/$1 stamp=$home/.stamp-$1 name file
  cmp -s "$list" "$stamp" && return
  fetch_all "$list" wheel | while read -r name file; do
    say "[setup] unpacking $name"
    python3 -m zipfile -e "$file" "$home"
  done
  # zipfile drops the permission to execute.
  [ ! -d "$home/nvidia/cu13/bin" ] || chmod +x "$home"/nvidia/cu13/bin/* "$home"/nvidia/cu13/nvvm/bin/*
  cp "$list" "$stamp"
}

if [ -z "${AFINA_PINNED_NVCC:-}" ] && { command -v nvcc || [ -x /usr/local/cuda/bin/nvcc ]; } >/dev/null; then :; else
  unpack cuda_wheels.txt
fi
[ "$what" != runtime ] || unpack cuda_runtime.txt
