# Sourced by fetch.sh and fetch_cuda.sh, with $cache and $offline set: pinned archives by name and SHA-256.

say() { printf '%s\n' "$*" >&2; }

# find_file HASH NAME: prints the path of a file with that hash in the offline folder or the cache, or nothing.
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
      --python-version 3.11 --abi cp311 --abi none --abi abi3 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
      --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
      --platform manylinux2010_x86_64 --platform manylinux_2_12_x86_64 --platform any --require-hashes -r "$list" -d "$cache"
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
