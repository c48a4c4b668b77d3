# The program with what it opens by name: libraries of CUDA, the machine's driver, and a Python with
# pip for what datasets.lock takes out of Python packages.
{ pkgs, program }:
{
  name,
  # Packages whose lib/ it can load from.
  libraries ? [ ],
}:
let
  inherit (pkgs) lib;
  python = pkgs.python312.withPackages (packages: [ packages.pip ]);
  # NixOS keeps the driver's libraries there.
  folders = map (library: "${library}/lib") (libraries ++ [ pkgs.addDriverRunpath.driverLink ]);
  tools = lib.makeBinPath [
    pkgs.coreutils
    pkgs.gnused
  ];
in
pkgs.runCommand "${name}-${program.version}"
  {
    nativeBuildInputs = [
      pkgs.makeWrapper
      pkgs.installShellFiles
    ];
    passthru.unwrapped = program;
    meta = {
      inherit (program.meta)
        description
        license
        mainProgram
        platforms
        ;
    };
  }
  ''
    makeWrapper ${program}/bin/longqa $out/bin/longqa \
      --suffix LD_LIBRARY_PATH : ${lib.concatStringsSep ":" folders} \
      --set-default LONGQA_PYTHON ${python}/bin/python3 \
      --run 'PATH=${tools}:$PATH . ${./driver.sh}'
    ${program}/bin/longqa man --to pages
    installManPage pages/*.1
    for shell in bash fish zsh; do
      ${program}/bin/longqa completions $shell > longqa.$shell
    done
    installShellCompletion longqa.{bash,fish,zsh}
  ''
