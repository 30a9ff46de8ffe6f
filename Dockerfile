# The server in a small image. The base images are arguments so that another Debian can stand in for them.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
ARG RUNTIME=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package driftless

FROM ${RUNTIME}
RUN groupadd --system --gid 10001 driftless \
 && useradd --system --uid 10001 --gid driftless --home-dir /data --no-create-home driftless \
 && install --directory --owner=driftless --group=driftless /data
COPY --from=build /src/target/release/driftless /usr/local/bin/driftless
USER driftless
# `dev` keeps its database, key and certificate authority under /data/.driftless.
WORKDIR /data
VOLUME /data
EXPOSE 8080 20002
# SIGTERM drains: readiness fails, running requests finish, sockets are closed so that clients come back.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["driftless", "health"]
ENTRYPOINT ["driftless"]
CMD ["serve"]
