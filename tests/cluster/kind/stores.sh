#!/bin/bash
# stores.sh: builds the images of what models are fetched from in tests, puts them onto every node, and prints their names.
set -euo pipefail
. "$(dirname "$0")/env.sh"
root=$LAB/../../..
export KUBECONFIG=$KUBECONFIG_FILE
"$LAB/python-base.sh" >&2
context=$WORK/stores; rm -rf "$context"; mkdir -p "$context"
cp "$LAB"/stores/{nginx.conf,users} "$context/"
cp "$("$root/scripts/s3-server")" "$context/versitygw"

secrets=()
ca=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ -s "$ca" ] && secrets+=(--secret "id=ca,src=$ca")
# The base that python-base.sh makes has no list of sources of its own; a stock one has.
if [ -n "$DEBIAN_MIRROR" ] && [ -z "$(docker run --rm "${PYTHON_IMAGE:-python:3.13-slim}" sh -c 'ls /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null')" ]; then
    echo "deb $DEBIAN_MIRROR trixie main" >"$context/sources"
    secrets+=(--secret "id=sources,src=$context/sources")
fi
for target in web store; do
    name=localhost/test-$target
    docker build --progress plain "${secrets[@]}" --target "$target" -t "$name:dev" -f "$LAB/stores/Dockerfile" "$context" >"$WORK/$target.log" 2>&1 \
        || { tail -n 30 "$WORK/$target.log" >&2; echo "building $name failed: $WORK/$target.log has it all" >&2; exit 1; }
    id=$(docker image inspect -f '{{.Id}}' "$name:dev"); tag=dev-${id:7:12}
    docker tag "$name:dev" "$name:$tag"
    "$LAB/load.sh" "$name:$tag" >&2
    echo "$target=$name:$tag"
done
