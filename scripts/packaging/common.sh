# shellcheck shell=bash
# What the checks of this folder share; each sources it, from the root of the checkout.

cache=$(scripts/cache)/packaging
# shellcheck disable=SC2034 # docker and nix use it
ops=${LONGQA_OPS:-../shared/ops}
mkdir -p "$cache"
# One at a time: engine, store and checkouts are kept there.
exec 9>"$cache/lock"
flock --nonblock 9 || {
  echo "check-packaging: waiting for another check (it holds $cache/lock)" >&2
  flock 9
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

proved() {
  printf 'proved: %s\n' "$*"
}

left_out() {
  printf 'left out: %s\n' "$*"
}

fail() {
  printf 'check-packaging: %s\n' "$*" >&2
  exit 1
}

# A linter from the package index, of one version so that its mind does not change.
tool() { # NAME PACKAGE==VERSION
  local folder=$cache/tools/$2
  if [ ! -x "$folder/bin/$1" ]; then
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --target "$folder" "$2" >&2
  fi
  printf '%s\n' "$folder/bin/$1"
}

# Those that are crates.
crate() { # PROGRAM CRATE@VERSION
  [ -x "$cache/tools/$2/bin/$1" ] || env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$cache/tools/$2" "$2" >&2
  printf '%s\n' "$cache/tools/$2/bin/$1"
}

# What is committed, so that nothing else can be needed.
committed() { # FOLDER
  mkdir "$1"
  git archive HEAD | tar -x -C "$1"
}

# The program must end with 1 and say what the pattern says.
refuses() { # PATTERN COMMAND...
  local pattern=$1 status=0
  shift
  "$@" >"$work/said" 2>&1 || status=$?
  [ "$status" = 1 ] || fail "expected exit code 1, found $status: $* ($(tail -n 3 "$work/said"))"
  grep -Eq -- "$pattern" "$work/said" || fail "expected a message like \`$pattern\`, found: $(tail -n 5 "$work/said")"
  grep -E -- "$pattern" "$work/said" | tail -n 1 | cut -c 1-200 | sed 's/^/        /'
}

# What must be in a list of parts, by the beginnings of their package URLs.
lists() { # SBOM PURL...
  local sbom=$1 purl
  shift
  for purl in "$@"; do
    grep -qF "\"purl\": \"$purl" "$sbom" || fail "$sbom: expected $purl in it"
  done
  if grep -F "$PWD" "$sbom"; then fail "$sbom: expected no path of this machine"; fi
}
