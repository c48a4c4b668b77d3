# An OCI image of the same program, for hosts with Nix: what is built is a program that writes the
# image, which is as large as CUDA and so never lies in the store as a whole.
#
#   $(nix build --no-link --print-out-paths .#image) | docker load
{ pkgs, longqa }:
let
  inherit (pkgs) lib;
  user = "1000";
in
pkgs.dockerTools.streamLayeredImage {
  name = "longqa";
  tag = "latest";
  contents = [
    longqa
    pkgs.cacert
    (pkgs.runCommand "longqa-experiments" { } ''
      mkdir $out
      cp -r ${../experiments} $out/experiments
    '')
  ];
  fakeRootCommands = ''
    mkdir -p data results tmp
    chown ${user}:${user} data results
    # As the Dockerfile's: to be written to by any --user.
    chmod 1777 data results tmp
  '';
  config = {
    Entrypoint = [ (lib.getExe longqa) ];
    User = "${user}:${user}";
    # So that experiments/demo.toml is found, and results/ is the volume.
    WorkingDir = "/";
    Env = [
      "LONGQA_CACHE=/data/cache"
      "LONGQA_STORE=/data/store"
      "HOME=/data"
      "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"
      # What NVIDIA's container runtime is asked for, and where it puts the driver.
      "NVIDIA_VISIBLE_DEVICES=all"
      "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
      "LD_LIBRARY_PATH=/usr/lib64:/usr/lib/x86_64-linux-gnu"
    ];
    Volumes = {
      "/data" = { };
      "/results" = { };
    };
    Labels = {
      "org.opencontainers.image.title" = "longqa";
      "org.opencontainers.image.description" = longqa.meta.description;
      "org.opencontainers.image.version" = longqa.unwrapped.version;
      "org.opencontainers.image.licenses" = "MIT OR Apache-2.0";
      "org.opencontainers.image.revision" = longqa.unwrapped.LONGQA_REVISION or "";
    };
  };
}
