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

  common = {
    inherit (package) version;
    # One folder for both: cargo takes crates at another path for other ones.
    cargoDeps = pkgs.rustPlatform.importCargoLock { lockFile = ../Cargo.lock; };
    cargoBuildFlags = [
      "--bin"
      "longqa"
    ];
    env.LIBTORCH = "${libtorch}";
    # They are a check of their own (checks.nix), so that whoever wants the program need not wait for
    # them.
    doCheck = false;
  };

  # What the crates leave in target/, compiled for a program that does nothing: a changed source need not
  # compile them again.
  dependencies = pkgs.rustPlatform.buildRustPackage (
    common
    // {
      pname = "${package.name}-dependencies";
      src = import ./skeleton.nix { inherit pkgs; };
      installPhase = ''
        find target -name 'longqa*' -o -name 'liblongqa*' | xargs rm -rf
        cp -r target $out
      '';
      dontFixup = true;
    }
  );
in
pkgs.rustPlatform.buildRustPackage (
  common
  // {
    pname = "${package.name}-unwrapped";
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
    env = common.env // lib.optionalAttrs (revision != null) { LONGQA_REVISION = revision; };
    # Cargo goes by time: what was compiled has to be newer than crates, and of one age.
    preBuild = ''
      cp -r ${dependencies} target
      chmod -R u+w target
      touch target
      find target -exec touch -r target {} +
    '';
    passthru = { inherit dependencies; };
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
)
