# The operator's image: one static binary and the public CA certificates, nothing else, as user 65532.
#
#   docker build -t REF .                                        compiles it here
#   docker buildx build --platform linux/amd64,linux/arm64 …     for both architectures, cross-compiled
#   buildah bud --target prebuilt -f Dockerfile FOLDER           takes it from FOLDER and needs no base image
#
# FOLDER holds `kmm-preflight` (static) and `ca-certificates.crt`; `cargo xtask image` makes it.

ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm

FROM scratch AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kmm-preflight" \
      org.opencontainers.image.description="Answers before a kernel upgrade whether every KMM Module will load on the target kernel" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# glibc keeps memory apart for each thread; with two such pools the operator takes a third less.
ENV MALLOC_ARENA_MAX=2
# What is large (a status of a thousand rows, a page of a list) is given back when it is let go, however large the last was.
ENV MALLOC_MMAP_THRESHOLD_=131072
ENV MALLOC_TRIM_THRESHOLD_=131072
# Numbers, so that kubelet can see by itself that this is not root.
USER 65532:65532
ENTRYPOINT ["/kmm-preflight"]
CMD ["operator"]

FROM base AS prebuilt
ARG BINARY=kmm-preflight
ARG CA_CERTIFICATES=ca-certificates.crt
COPY --chmod=0444 ${CA_CERTIFICATES} /etc/ssl/certs/ca-certificates.crt
COPY --chmod=0555 ${BINARY} /kmm-preflight

FROM --platform=${BUILDPLATFORM} ${RUST_IMAGE} AS build
ARG TARGETARCH
WORKDIR /source
# The toolchain of the image, as it is: rust-toolchain.toml would fetch components that only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
RUN set -eu; \
    arch="${TARGETARCH:-$(dpkg --print-architecture)}"; \
    case "$arch" in \
      amd64) target=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu package=x86-64-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu package=aarch64-linux-gnu ;; \
      *) echo "there is no build for $arch" >&2; exit 1 ;; \
    esac; \
    rustup target add "$target"; \
    if ! command -v "$gnu-gcc"; then \
      apt-get update; \
      apt-get install -y --no-install-recommends "gcc-$package" "libc6-dev-$arch-cross"; \
    fi; \
    printf 'export CARGO_BUILD_TARGET=%s CC=%s-gcc AR=%s-ar CARGO_TARGET_%s_LINKER=%s-gcc\n' \
      "$target" "$gnu" "$gnu" "$(echo "$target" | tr a-z- A-Z_)" "$gnu" > /target.env
COPY . .
# Build scripts run here and keep the host's flags, since a target is named: only the program becomes static.
RUN set -eu; . /target.env; export HOST_CC=gcc RUSTFLAGS="-C target-feature=+crt-static"; \
    cargo build --release --locked --bin kmm-preflight; \
    cp "target/$CARGO_BUILD_TARGET/release/kmm-preflight" /kmm-preflight

FROM base AS image
COPY --from=build --chmod=0444 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chmod=0555 /kmm-preflight /kmm-preflight
