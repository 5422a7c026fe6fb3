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
scripts_stamp() { cat "$root"/deps/sources.txt "$root"/deps/fetch.sh "$root"/deps/archives.sh | sha256sum | cut -d' ' -f1; }
wanted_wheels() { grep -vE '^\s*(#|$)' "$root/deps/wheels.txt" | sort; }
finish() { wanted_wheels >"$deps/.wheels"; scripts_stamp >"$deps/.scripts"; stamp >"$deps/.stamp"; say "[setup] dependencies are ready in .deps/"; }

[ -f "$deps/.stamp" ] && [ "$(cat "$deps/.stamp")" = "$(stamp)" ] && exit 0

# Where only wheels were added since, those alone are unpacked: half a gigabyte of LibTorch stays as it is.
if [ -f "$deps/.wheels" ] && [ "$(cat "$deps/.scripts" 2>/dev/null)" = "$(scripts_stamp)" ] &&
   [ -z "$(comm -23 "$deps/.wheels" <(wanted_wheels))" ]; then
  added=$(mktemp); comm -13 "$deps/.wheels" <(wanted_wheels) >"$added"
  [ ! -s "$added" ] || fetch_all "$added" wheel | while read -r name file; do
    say "[setup] unpacking $name"
    python3 -m zipfile -e "$file" "$deps/python"
  done
  rm -f "$added"; finish; exit 0
fi

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
finish
