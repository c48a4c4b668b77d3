# The libraries of CUDA that libtorch_cuda.so needs beside libtorch, in one folder. The driver's own
# (libcuda.so.1) is not among them: it belongs to the machine.
{
  pkgs,
  wheels,
  libtorch,
}:
let
  inherit (pkgs) lib;
in
import ./from-wheels.nix { inherit pkgs; } {
  pname = "longqa-cuda-libraries";
  inherit (libtorch) version;
  autoPatchelfIgnoreMissingDeps = [ "libcuda.so.1" ];
  dontUnpack = true;
  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib $out/share
  ''
  + lib.concatMapStrings (wheel: ''
    unzip -q -j ${wheel.file} ${
      lib.escapeShellArgs (map (library: "*/lib/${library}") wheel.libraries)
    } -d $out/lib
    unzip -q ${wheel.file} '*.dist-info/*' -d $out/share
  '') (wheels.list "cuda")
  + ''
    runHook postInstall
  '';
  meta = {
    description = "The libraries of CUDA that libtorch computes with on a GPU";
    license = lib.licenses.unfree;
    platforms = [ "x86_64-linux" ];
  };
}
