# Sourced by the wrapper of longqa on every start. On NixOS the driver is where the wrapper looks
# anyway. Elsewhere it lies among the host's own libraries, which must not get in the way of those that
# the program was built with: a folder of links to the driver's alone is made in the cache, and put
# behind all other folders.
longqa_driver() {
  [ ! -e /run/opengl-driver/lib/libcuda.so.1 ] || return 0
  local found folder caches links library
  # The host's own list of libraries, then the folders that NVIDIA fills in containers without one.
  found=$(/sbin/ldconfig -p 2>/dev/null | sed -n 's/.*libcuda\.so\.1 (libc6,x86-64.* => //p' | head -n 1)
  for folder in "${found%/*}" /usr/lib64 /usr/lib/x86_64-linux-gnu /usr/lib/wsl/lib; do
    [ -n "$folder" ] && [ -e "$folder/libcuda.so.1" ] && break
    folder=
  done
  [ -n "$folder" ] || return 0
  caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  links=${LONGQA_CACHE:-${caches:+$caches/longqa}}
  [ -n "$links" ] || return 0
  links=$links/driver-v1
  mkdir -p "$links" 2>/dev/null || return 0
  for library in "$folder"/libcuda.so.1 "$folder"/libdxcore.so \
    "$folder"/libnvidia-{ml,ptxjitcompiler,gpucomp,nvvm}.so.*; do
    if [ -e "$library" ] && [ ! "$links/${library##*/}" -ef "$library" ]; then
      ln -sfn "$library" "$links/" 2>/dev/null || return 0
    fi
  done
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$links
}
longqa_driver
