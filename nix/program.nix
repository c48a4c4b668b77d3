# The program as cargo builds it; wrapped.nix adds what it finds at run time.
{
  pkgs,
  libtorch,
  # The git revision, or null where there is none.
  revision,
}:
let
  inherit (pkgs) lib;
  inherit (lib.importTOML ../Cargo.toml) package;
in
pkgs.rustPlatform.buildRustPackage {
  pname = "${package.name}-unwrapped";
  inherit (package) version;
  src = lib.fileset.toSource {
    root = ../.;
    # What is compiled, and what tests read.
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../rustfmt.toml
      ../build.rs
      ../benches
      ../csrc
      ../datasets.lock
      ../experiments
      ../results/published.csv
      ../src
      ../tests
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--bin"
    "longqa"
  ];
  env = {
    LIBTORCH = "${libtorch}";
  }
  // lib.optionalAttrs (revision != null) { LONGQA_REVISION = revision; };
  # They are a check of their own (checks.nix), so that whoever wants the program need not wait for
  # them.
  doCheck = false;
  meta = {
    inherit (package) description;
    mainProgram = "longqa";
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    platforms = [ "x86_64-linux" ];
  };
}
