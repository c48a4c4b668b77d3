# What datasets.lock names, as packages: `datasets-GROUP` for each group (the first folder of a
# file's path, or the name of a folder of files) and `datasets` for all of them, laid out as mirrors:
#
#   nix build .#datasets-squad && longqa fetch squad-1.1 --offline --mirror result
#
# Files whose digest nobody states are left out, and so are files over a gigabyte. Groups that have
# such a file are there once more with it, as `datasets-GROUP-with-large`, and all of them together
# as `datasets-with-large`.
{ pkgs, wheels }:
let
  inherit (pkgs) lib;
  lock = lib.importTOML ../datasets.lock;
  isLarge = file: file.bytes > 1000000000;

  # A file with a known digest, as `fetch` gets it from its entry, in a list; else an empty one.
  known =
    group: path: fetch: entry:
    lib.optional ((entry.sha256 or "unverified") != "unverified") {
      inherit group path;
      bytes = entry.bytes or 0;
      file = fetch entry;
    };

  plain =
    urls: entry:
    pkgs.fetchurl {
      name = baseNameOf entry.path;
      inherit urls;
      inherit (entry) sha256;
    };

  single =
    entry:
    let
      group = builtins.head (builtins.match "([^/]+)/.*" entry.path);
    in
    known group entry.path (plain entry.urls) entry;

  folder =
    entry:
    let
      part =
        file:
        known entry.name "${entry.path}/${file.path}" (plain (map (url: url + file.path) entry.urls)) file;
    in
    lib.concatMap part entry.file;

  wheel =
    entry:
    let
      tag = builtins.head (builtins.match ".*-([^-]+-[^-]+-[^-]+)[.]whl" entry.path);
      fetch =
        { version, sha256, ... }:
        wheels.fetch {
          name = entry.package;
          inherit version sha256 tag;
        };
    in
    known entry.name entry.path fetch entry;

  all =
    lib.concatMap single (lock.file or [ ])
    ++ lib.concatMap folder (lock.folder or [ ])
    ++ lib.concatMap wheel (lock.wheel or [ ]);

  # Entries that take different members of one archive have one file.
  files = builtins.attrValues (
    builtins.listToAttrs (map (file: lib.nameValuePair file.path file) all)
  );

  mirror =
    name: files:
    pkgs.runCommand name
      {
        meta.description = "A mirror with ${toString (builtins.length files)} files of datasets.lock";
      }
      (
        lib.concatMapStrings (file: ''
          target=$out/${lib.escapeShellArg file.path}
          mkdir -p "''${target%/*}"
          ln -s ${file.file} "$target"
        '') files
      );

  mirrors =
    suffix: files:
    let
      package =
        group: files:
        let
          name = "datasets-${group}${suffix}";
        in
        lib.nameValuePair name (mirror name files);
    in
    lib.mapAttrs' package (builtins.groupBy (file: file.group) files);

  small = builtins.filter (file: !isLarge file) files;
  ofLargeGroup = file: builtins.any (other: isLarge other && other.group == file.group) files;
in
{
  small = mirrors "" small // {
    datasets = mirror "datasets" small;
  };
  large = mirrors "-with-large" (builtins.filter ofLargeGroup files) // {
    datasets-with-large = mirror "datasets-with-large" files;
  };
}
