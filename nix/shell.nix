# `nix develop`: all that building, testing and benching takes, the peers' Python included.
{
  pkgs,
  wheels,
  libtorch,
  cuda,
  program,
}:
let
  inherit (pkgs) lib;
  driver = pkgs.addDriverRunpath.driverLink;
  peers = import ./peers.nix { inherit pkgs wheels; };
in
pkgs.mkShell {
  inputsFrom = [ program ];
  packages = [
    pkgs.bashInteractive
    pkgs.cargo
    pkgs.clippy
    pkgs.curl
    pkgs.git
    pkgs.nixfmt
    pkgs.procps
    pkgs.rust-analyzer
    pkgs.rustc
    pkgs.rustfmt
    pkgs.chromium
    pkgs.python312
  ];
  LIBTORCH = "${libtorch}";
  LONGQA_BROWSER = lib.getExe pkgs.chromium;
  PYTHONPATH = "${peers}";
  # No wrapper surrounds what is built here.
  shellHook = ''
    export LD_LIBRARY_PATH=''${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${cuda}/lib:${driver}/lib
    . ${./driver.sh}
    # Where there is no ldconfig to ask, triton looks there.
    [ ! -e ${driver}/lib/libcuda.so.1 ] || export TRITON_LIBCUDA_PATH=${driver}/lib
  '';
}
