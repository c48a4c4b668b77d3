{
  description = "Long-context, cross-lingual question answering with Longformers";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      # aarch64-linux is left out on purpose: scripts/wheels has the wheels of x86-64 only, so has
      # `make`, and nothing of longqa has been run on another processor.
      system = "x86_64-linux";
      pkgs = import nixpkgs {
        inherit system;
        overlays = [ (import ./nix/stand-in.nix) ];
        # NVIDIA's libraries, without which no GPU computes; nothing else here is unfree.
        config.allowUnfreePredicate = package: package.pname or "" == "longqa-cuda-libraries";
      };
      wheels = import ./nix/wheels.nix { inherit pkgs; };
      libtorch = import ./nix/libtorch.nix { inherit pkgs wheels; };
      cuda = import ./nix/cuda.nix { inherit pkgs wheels libtorch; };
      program = import ./nix/program.nix {
        inherit pkgs libtorch;
        revision = self.rev or self.dirtyRev or null;
      };
      wrapped = import ./nix/wrapped.nix { inherit pkgs program; };
      longqa = wrapped {
        name = "longqa";
        libraries = [ cuda ];
      };
      longqa-cpu = wrapped { name = "longqa-cpu"; };
      datasets = import ./nix/datasets.nix { inherit pkgs wheels; };
    in
    {
      packages.${system} = {
        default = longqa;
        cpu = longqa-cpu;
        inherit libtorch cuda;
        image = import ./nix/image.nix { inherit pkgs longqa; };
      }
      // datasets.small;
      # With files of any size: `nix build .#datasets-triviaqa-with-large`.
      legacyPackages.${system} = datasets.large;
      apps.${system} = import ./nix/apps.nix { inherit pkgs longqa; };
      checks.${system} = import ./nix/checks.nix { inherit pkgs program longqa-cpu; };
      devShells.${system}.default = import ./nix/shell.nix {
        inherit
          pkgs
          wheels
          libtorch
          cuda
          program
          ;
      };
      formatter.${system} = import ./nix/formatter.nix { inherit pkgs; };
    };
}
