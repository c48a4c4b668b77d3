# The wheels that the lists of scripts/wheels name. Given the name of a list without its ending;
# gives back one set for each wheel: its `name`, its `version`, the `libraries` that are taken from
# it (all of it where there are none), and the `file`. Data sets that are published as wheels are
# fetched by the same function, `fetch`.
{ pkgs }:
let
  inherit (pkgs) lib;

  fetch =
    {
      name,
      version,
      tag,
      sha256,
    }:
    let
      tags = builtins.match "([^-]+)-([^-]+)-([^-]+)" tag;
      python = builtins.elemAt tags 0;
    in
    pkgs.fetchPypi {
      # A file name has no dashes inside its parts.
      pname = builtins.replaceStrings [ "-" ] [ "_" ] name;
      inherit version sha256 python;
      format = "wheel";
      # The folder of the index, which is the Python tag.
      dist = python;
      abi = builtins.elemAt tags 1;
      platform = builtins.elemAt tags 2;
    };

  wheel =
    line:
    let
      parts = builtins.match "([^= ]+)==([^ ]+) --hash=sha256:([0-9a-f]+) # ([^ ]+) ?(.*)" line;
      part = builtins.elemAt parts;
      name = part 0;
      version = part 1;
    in
    lib.throwIfNot (parts != null) "scripts/wheels: not a wheel with hash and tag: ${line}" {
      inherit name version;
      libraries = builtins.filter (library: builtins.isString library && library != "") (
        builtins.split " +" (part 4)
      );
      file = fetch {
        inherit name version;
        sha256 = part 2;
        tag = part 3;
      };
    };
in
{
  inherit fetch;
  list =
    name:
    let
      lines = builtins.split "\n" (builtins.readFile (../scripts/wheels + "/${name}.txt"));
      names = line: builtins.isString line && line != "" && !lib.hasPrefix "#" line;
    in
    map wheel (builtins.filter names lines);
}
