# A derivation that is unpacked out of wheels, whose libraries then find those of the store.
{ pkgs }:
attributes:
pkgs.stdenv.mkDerivation (
  {
    nativeBuildInputs = [
      pkgs.unzip
      pkgs.autoPatchelfHook
    ];
    buildInputs = [
      pkgs.stdenv.cc.cc.lib
      pkgs.zlib
    ];
    # Stripping would change what the wheels' makers have tested.
    dontStrip = true;
  }
  // attributes
)
