# `nix run .#NAME`: the program, and what most users want of it. It works in the current folder,
# where results/ and store/ are made; downloads go to the user's cache.
{ pkgs, longqa }:
let
  inherit (pkgs) lib;
  app = program: description: {
    type = "app";
    program = lib.getExe program;
    meta = { inherit description; };
  };
  subcommand =
    name: arguments:
    app (
      pkgs.writeShellScriptBin "longqa-${name}" ''
        exec ${lib.getExe longqa} ${arguments} "$@"
      ''
    );
in
{
  default = app longqa longqa.meta.description;
  reproduce = subcommand "reproduce" "reproduce" "Runs an experiment, from downloads to tables";
  demo =
    subcommand "demo" "reproduce ${../experiments/demo.toml}"
      "Runs the whole pipeline in miniature; needs no GPU and no data";
  fetch = subcommand "fetch" "fetch" "Downloads and checks data sets and checkpoints";
}
