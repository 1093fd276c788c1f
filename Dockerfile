# An image that serves one application.
#
#   docker build --build-arg PLINTH_COMMIT="$(git rev-parse --short HEAD)" --tag plinth .
#
# The application's folder belongs at /app, where it may be read-only, and a volume at /app/data. compose.yaml shows
# how, docs/going-live.md says the rest.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY xtask xtask
# For `plinth --version`: the repository's history is no part of the build.
ARG PLINTH_COMMIT=
RUN PLINTH_COMMIT="$PLINTH_COMMIT" cargo build --release --locked --package plinth

# Debian, because it has what the binary is linked to (glibc, libgcc) and bash for the check below.
FROM debian:bookworm-slim
# Mail servers are believed by these certificates.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/plinth /usr/local/bin/plinth
# A new volume takes its owner and mode from this folder. It is not declared a VOLUME: over a folder mounted at /app
# that would lay an anonymous volume, which is easily lost.
RUN groupadd --system --gid 10001 plinth \
 && useradd --system --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin plinth \
 && install --directory --owner=10001 --group=10001 --mode=0700 /app/data

# By number, so that `runAsNonRoot` can be checked.
USER 10001:10001
WORKDIR /app
# Log lines without colours.
ENV NO_COLOR=1
EXPOSE 54321
STOPSIGNAL SIGTERM
# Without curl in the image, bash asks /health, which reads from the database and shows no keys.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["bash", "-c", \
  "exec 3<>/dev/tcp/127.0.0.1/54321 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && read -r status <&3 && [[ $status == *' 200 '* ]]"]
ENTRYPOINT ["plinth"]
CMD ["serve", "/app", "--listen", "0.0.0.0:54321"]
