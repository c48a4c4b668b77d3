# `nix fmt`: the Nix files it is given, or all.
{ pkgs }:
pkgs.writeShellScriptBin "longqa-nixfmt" ''
  if [ $# = 0 ]; then
    set -- flake.nix nix/*.nix
  fi
  exec ${pkgs.lib.getExe pkgs.nixfmt} "$@"
''
