#!/usr/bin/env bash
# Downloads the pinned archives of deps/{wheels,sources}.txt into the user's cache and unpacks what the build needs
# into .deps/. Usage: deps/fetch.sh ROOT [OFFLINE_DIR]. Every file is checked against its SHA-256 before it is opened.
set -euo pipefail
root=$1; offline=${2:-}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/afina/downloads
deps=$root/.deps
mkdir -p "$cache" "$deps"

say() { printf '%s\n' "$*" >&2; }
stamp() { cat "$root"/deps/wheels.txt "$root"/deps/sources.txt "$root"/deps/fetch.sh | sha256sum | cut -d' ' -f1; }

# find_file HASH: prints the path of a file with that hash in the offline folder or the cache, or nothing.
find_file() {
  local want=$1 name=$2 folder file
  for folder in ${offline:+"$offline"} "$cache"; do
    for file in "$folder"/"${name//-/_}"-* "$folder"/"$name"-*; do
      [ -f "$file" ] || continue
      [ "$(sha256sum "$file" | cut -d' ' -f1)" = "$want" ] && { printf '%s\n' "$file"; return; }
    done
  done
}

download() {  # download NAME==VERSION HASH KIND(wheel|source)
  local spec=$1 hash=$2 kind=$3 list
  [ -z "$offline" ] || { say "[setup] must find $spec (sha256 $hash) in $offline, but it is not there. Hint: run ./dev setup once with a network and copy $cache"; exit 4; }
  say "[setup] downloading $spec"
  list=$(mktemp); printf '%s --hash=sha256:%s\n' "$spec" "$hash" >"$list"
  if [ "$kind" = wheel ]; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
      --python-version 3.11 --abi cp311 --abi none --abi abi3 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
      --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 --platform any --require-hashes -r "$list" -d "$cache"
  else
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary "${spec%%==*}" --require-hashes -r "$list" -d "$cache"
  fi
  rm -f "$list"
}

fetch_all() {  # fetch_all LIST KIND -> lines "name path"
  local spec hash file
  grep -vE '^\s*(#|$)' "$1" | while read -r spec hash; do
    file=$(find_file "$hash" "${spec%%==*}")
    if [ -z "$file" ]; then
      download "$spec" "$hash" "$2"
      file=$(find_file "$hash" "${spec%%==*}")
      [ -n "$file" ] || { say "[setup] must have $spec with sha256 $hash after the download, but no such file is in $cache"; exit 4; }
    fi
    printf '%s %s\n' "${spec%%==*}" "$file"
  done
}

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
