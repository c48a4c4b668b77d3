# longqa in a container. The default is for hosts with a GPU, and computes on the CPU where there is none;
# --target cpu leaves CUDA out.
#
#   docker build --build-arg LONGQA_REVISION="$(scripts/revision)" -t longqa .      2.9 GB: with CUDA
#   docker build --build-arg LONGQA_REVISION="$(scripts/revision)" --target cpu -t longqa:cpu .     0.6 GB
#   mkdir -p data results
#   docker run --gpus all -v "$PWD/data:/data" -v "$PWD/results:/results" longqa reproduce experiments/demo.toml
#
# Nothing but /data (downloads, stages) and /results is written to, so --read-only works. Folders of the
# host keep their owner: --user "$(id -u):$(id -g)" writes there as yourself.
#
# What is downloaded has a version and a digest here, in Cargo.lock or in scripts/wheels; Debian's own
# packages are those of the release. docs/docker.md says what is in the images and what is not.

# --- libtorch, as scripts/libtorch lays it out ---------------------------------------------------------
FROM debian:trixie-slim AS libtorch
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libstdc++6 python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY scripts/cache scripts/libtorch scripts/prerequisites scripts/runtime-libraries scripts/
COPY scripts/wheels/cpu.txt scripts/wheels/cuda.txt scripts/wheels/
RUN LONGQA_CACHE=/opt scripts/libtorch --cpu

FROM libtorch AS libraries-cpu
RUN scripts/runtime-libraries /kept /opt/libtorch-*/ torch/lib/libtorch_cpu.so

# Besides libtorch's CUDA half and what it is linked to, three libraries are opened by name: NVRTC, by
# cuBLAS and by libtorch, through libcaffe2_nvrtc; NVRTC's own builtins; and cuDNN's graph library, without
# which asking cuDNN for its version ends the process. The rest of cuDNN, cuSOLVER and libtorch_cuda_linalg are
# opened by operators that longqa has none of.
FROM libtorch AS libraries-gpu
# A folder of a layer below cannot be renamed, so it is first made one of this layer's.
RUN cp --archive /opt /here && rm -rf /opt/libtorch-* && mv /here/* /opt/ \
 && LONGQA_CACHE=/opt scripts/libtorch --cuda \
 && scripts/runtime-libraries /kept /opt/libtorch-*/ torch/lib/libtorch_cpu.so torch/lib/libtorch_cuda.so \
      torch/lib/libcaffe2_nvrtc.so nvidia/cu13/lib/libnvrtc.so.13 nvidia/cu13/lib/libnvrtc-builtins.so.13.0 \
      nvidia/cudnn/lib/libcudnn_graph.so.9 \
 && rm -rf /opt/libtorch-*

# --- The program ---------------------------------------------------------------------------------------
FROM debian:trixie-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl g++ make xz-utils \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /toolchain
RUN printf '%s  %s\n' \
      8426a3d170a5879f5682f5fbdd024a1779b3951e7baba685af2d6dc32a6dfc15 rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz \
      e74edd2cf7d0f1f1383b4f00eb90c843750bc489e2ccf7214e6476678a907425 cargo-1.95.0-x86_64-unknown-linux-gnu.tar.xz \
      047ea7098803d3500fa1072e9cee5392697e21525559e4458128a2bf874aa382 rust-std-1.95.0-x86_64-unknown-linux-gnu.tar.xz \
      > SHA256SUMS \
 && cut -d ' ' -f 3 SHA256SUMS \
  | xargs -I {} curl --proto '=https' --tlsv1.2 --retry 3 -sSfLO https://static.rust-lang.org/dist/{} \
 && sha256sum --check --strict SHA256SUMS \
 && for archive in *.tar.xz; do \
      { tar -xJf "$archive" && "${archive%.tar.xz}/install.sh" --prefix=/usr/local --disable-ldconfig; } || exit 1; \
    done \
 && rm -rf ./*
WORKDIR /source
COPY --from=libtorch /opt /opt
# Dependencies and csrc are compiled for a program that does nothing, in a layer that a change of the source
# leaves as it is. Cargo wants to see the benches that Cargo.toml names.
COPY Cargo.toml Cargo.lock build.rs ./
COPY csrc csrc
RUN mkdir src benches \
 && touch src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && sed -n '/^\[\[bench\]\]/{n; s/^name = "\(.*\)"/benches\/\1.rs/p}' Cargo.toml | xargs touch \
 && LIBTORCH=$(echo /opt/libtorch-*/torch) cargo build --release --locked --bin longqa
COPY datasets.lock ./
COPY experiments/sizes.csv experiments/
COPY results/published.csv results/
COPY src src
# The revision of the source, which manifests of results carry; without it they carry none.
ARG LONGQA_REVISION
# Cargo goes by time: the checkout's files may be older than what was compiled of the empty ones.
RUN touch src/lib.rs src/main.rs \
 && LIBTORCH=$(echo /opt/libtorch-*/torch) cargo build --release --locked --bin longqa

# --- What both images have in common -------------------------------------------------------------------
FROM debian:trixie-slim AS runtime
# Both volumes may be written to by anyone, as /tmp, so that any --user will do.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libstdc++6 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 1000 --no-create-home --home-dir /data --shell /usr/sbin/nologin longqa \
 && install -d -o longqa -g longqa -m 1777 /data /results
WORKDIR /longqa
COPY LICENSE-APACHE LICENSE-MIT ./
COPY experiments experiments
# `results/NAME` of the program's defaults.
RUN ln -s /results results
ENV HOME=/data \
    LONGQA_CACHE=/data/cache \
    LONGQA_STORE=/data/store
VOLUME ["/data", "/results"]
USER 1000:1000
# That it starts, and that a GPU which is there can be used; as rarely as that since it opens the GPU.
HEALTHCHECK --interval=10m --timeout=2m --start-period=10s CMD ["longqa", "env", "--check"]
ENTRYPOINT ["longqa"]
CMD ["--help"]
LABEL org.opencontainers.image.title="longqa" \
      org.opencontainers.image.description="Long-context, cross-lingual question answering: converts, pretrains, fine-tunes and scores Longformers" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="debian:trixie-slim"

FROM runtime AS cpu
COPY --from=libraries-cpu /kept /
COPY --from=build /source/target/release/longqa /usr/local/bin/longqa
ARG LONGQA_REVISION
LABEL org.opencontainers.image.revision="${LONGQA_REVISION}"

FROM runtime AS gpu
# Of a driver that --gpus passes in, what computes and what tells of the GPU.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=libraries-gpu /kept /
COPY --from=build /source/target/release/longqa /usr/local/bin/longqa
ARG LONGQA_REVISION
LABEL org.opencontainers.image.revision="${LONGQA_REVISION}"
