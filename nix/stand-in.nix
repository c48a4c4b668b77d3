# An overlay that does nothing to nixpkgs. Where there is no binary cache, CI checks the flake
# against a small stand-in for nixpkgs (scripts/packaging/nix), which lacks what is below or does it
# otherwise; so that all outputs evaluate there too, some are placeholders that cannot be built.
_: prev:
let
  placeholder =
    name:
    prev.runCommand name { meta.mainProgram = name; } ''
      echo "${name} is not in the stand-in for nixpkgs" >&2
      exit 1
    '';
in
if prev.lib.version != "host-stub" then
  { }
else
  {
    chromium = placeholder "chromium";
    # Whose arguments have to evaluate.
    dockerTools.streamLayeredImage =
      image: builtins.seq (builtins.toJSON image) (placeholder "image-${image.name}");
    # The stand-in's builders have these commands anyway.
    installShellFiles = prev.coreutils;
    # Has what the host's Python has.
    python312 = prev.python312 // {
      withPackages = _: prev.python312;
    };
    # Its own vendors the crates for each package anew, at another path, where cargo compiles them again.
    rustPlatform = prev.rustPlatform // {
      importCargoLock =
        _:
        prev.rustPlatform.fetchCargoVendor {
          name = "longqa";
          src = import ./skeleton.nix { pkgs = prev; };
          hash = prev.lib.fakeHash;
        };
    };
    # The host's `kill` is on the path of every build.
    procps = prev.coreutils;
  }
