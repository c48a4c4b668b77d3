# libtorch out of three wheels, laid out as LIBTORCH wants it: include/, lib/ and build-version. It
# has libtorch_cuda.so, which is opened on machines with a GPU and needs what cuda.nix has.
{ pkgs, wheels }:
let
  inherit (pkgs) lib;
  parts = builtins.partition (wheel: wheel.name == "torch") (wheels.list "cpu");
  torch = builtins.head parts.right;
  others = parts.wrong;
in
import ./from-wheels.nix { inherit pkgs; } {
  pname = "libtorch";
  inherit (torch) version;
  src = torch.file;
  # Named one by one, so that a lost libcudart or libcupti is noticed.
  autoPatchelfIgnoreMissingDeps = [
    "libcuda.so.1"
  ]
  ++ lib.concatMap (wheel: wheel.libraries) (wheels.list "cuda");
  unpackPhase = ''
    runHook preUnpack
    unzip -q $src 'torch/lib/*' 'torch/include/*' torch/version.py '*.dist-info/licenses/*'
  ''
  + lib.concatMapStrings (wheel: ''
    unzip -q -j ${wheel.file} ${
      lib.escapeShellArgs (map (library: "*/lib/${library}") wheel.libraries)
    } -d torch/lib
    unzip -q ${wheel.file} '*.dist-info/*'
  '') others
  + ''
    runHook postUnpack
  '';
  installPhase = ''
    runHook preInstall
    rm torch/lib/libtorch_python.so
    mkdir -p $out/share
    cp -r torch/lib torch/include $out/
    cp -r *.dist-info $out/share/
    # Under this name torch-sys looks for the version.
    sed -n "s/^__version__ = '\(.*\)'/\1/p" torch/version.py > $out/build-version
    runHook postInstall
  '';
  meta = {
    description = "The libraries and headers of PyTorch, as its wheel has them";
    license = lib.licenses.bsd3;
    platforms = [ "x86_64-linux" ];
  };
}
