#!/usr/bin/env bash
# Downloads the pinned archives of deps/{wheels,sources}.txt into the user's cache and unpacks what the build needs
# into .deps/. Usage: deps/fetch.sh ROOT [OFFLINE_DIR]. Every file is checked against its SHA-256 before it is opened.
set -euo pipefail
root=$1; offline=${2:-}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/afina/downloads
deps=$root/.deps
mkdir -p "$cache" "$deps"

. "$root/deps/archives.sh"
stamp() { cat "$root"/deps/wheels.txt "$root"/deps/sources.txt "$root"/deps/fetch.sh "$root"/deps/archives.sh | sha256sum | cut -d' ' -f1; }

[ -f "$deps/.stamp" ] && [ "$(cat "$deps/.stamp")" = "$(stamp)" ] && exit 0

wheels=$(fetch_all "$root/deps/wheels.txt" wheel)
sources=$(fetch_all "$root/deps/sources.txt" source)
work=$deps/.unpack; rm -rf "$work"; mkdir -p "$work/python" "$work/source"

while read -r name file; do
  say "[setup] unpacking $name"
  python3 -m zipfile -e "$file" "$work/python"
done <<<"$wheels"
while read -r name file; do
  say "[setup] unpacking $name"
  case $name in
    llama-cpp-python)
      tar -xzf "$file" -C "$work/source" --strip-components=3 --wildcards \
        '*/vendor/llama.cpp/common/*' '*/vendor/llama.cpp/vendor/*' '*/vendor/llama.cpp/ggml/include/*' \
        '*/vendor/llama.cpp/models/ggml-vocab-*' '*/vendor/llama.cpp/models/templates/*' '*/vendor/llama.cpp/LICENSE'
      mkdir -p "$work/llama.cpp"; mv "$work"/source/* "$work/llama.cpp/" ;;
    imgui-bundle)
      mkdir -p "$work/imgui"
      tar -xzf "$file" -C "$work/imgui" --strip-components=2 --wildcards '*/external/imgui/imgui/*' '*/external/implot/implot/*' \
        '*/external/imgui_test_engine/imgui_test_engine/imgui_test_engine/*' ;;
  esac
done <<<"$sources"
rm -rf "$deps/python" "$deps/llama.cpp" "$deps/imgui"
mv "$work/python" "$work/llama.cpp" "$work/imgui" "$deps/"
rm -rf "$work"
stamp >"$deps/.stamp"
say "[setup] dependencies are ready in .deps/"
