# What `nix flake check` builds. Tests on real data and the test in a browser are left out here,
# where there is neither; `.ci/run` has them.
{
  pkgs,
  program,
  longqa-cpu,
}:
let
  # Another use of the program's source and crates.
  cargo =
    name: tools: command:
    program.overrideAttrs (old: {
      pname = "longqa-${name}";
      nativeBuildInputs = (old.nativeBuildInputs or [ ]) ++ tools;
      env = old.env or { } // {
        LONGQA_DEVICE = "cpu";
        LONGQA_WITHOUT_MIRROR = "1";
        LONGQA_WITHOUT_BROWSER = "1";
      };
      preBuild = "";
      buildPhase = ''
        export HOME=$TMPDIR
        ${command}
      '';
      installPhase = "touch $out";
    });
in
{
  build = pkgs.runCommand "longqa-starts" { } ''
    HOME=$TMPDIR ${longqa-cpu}/bin/longqa env --device cpu | tee $out
    grep 'libtorch loaded from: /.*-libtorch-' $out
  '';

  # procps: tests end programs with `kill`. bashInteractive: they complete words, which the builder's bash cannot.
  tests = cargo "tests" [
    pkgs.procps
    pkgs.bashInteractive
  ] "cargo test --offline --locked";

  clippy = cargo "clippy" [
    pkgs.clippy
  ] "cargo clippy --offline --locked --all-targets -- -D warnings";

  format =
    pkgs.runCommand "longqa-format"
      {
        nativeBuildInputs = [
          pkgs.cargo
          pkgs.rustfmt
        ];
      }
      ''
        cd ${program.src}
        HOME=$TMPDIR cargo fmt --check
        touch $out
      '';

  nix-format = pkgs.runCommand "longqa-nix-format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    nixfmt --check ${../flake.nix} ${./.}/*.nix
    touch $out
  '';
}
