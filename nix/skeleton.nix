# The package with nothing in it: what cargo reads before it compiles crates, and csrc. It stays the same
# when the source changes, and so does all that is made of it. Cargo wants to see the benches that
# Cargo.toml names.
{ pkgs }:
let
  inherit (pkgs) lib;
  benches = map (bench: "$out/benches/${bench.name}.rs") (lib.importTOML ../Cargo.toml).bench;
in
pkgs.runCommand "source" { } ''
  mkdir -p $out/src $out/benches
  cp ${../Cargo.toml} $out/Cargo.toml
  cp ${../Cargo.lock} $out/Cargo.lock
  cp ${../build.rs} $out/build.rs
  cp -r ${../csrc} $out/csrc
  touch $out/src/lib.rs ${toString benches}
  echo 'fn main() {}' > $out/src/main.rs
''
