# The Python packages that benches/peers compares with, as one folder for PYTHONPATH: those of the list,
# and PyTorch, which is the very wheel that libtorch is made of.
{ pkgs, wheels }:
let
  inherit (pkgs) lib;
in
import ./from-wheels.nix { inherit pkgs; } {
  name = "longqa-peers";
  # Where PyTorch looks for the other two wheels. The rest of CUDA is in shell.nix.
  appendRunpaths = [ "$ORIGIN/../../nvidia/cu13/lib" ];
  autoPatchelfIgnoreMissingDeps = [ "*" ];
  dontUnpack = true;
  installPhase = ''
    runHook preInstall
    mkdir $out
  ''
  + lib.concatMapStrings (wheel: ''
    unzip -q -o ${wheel.file} -d $out
  '') (wheels.list "cpu" ++ wheels.list "peers")
  + ''
    runHook postInstall
  '';
}
