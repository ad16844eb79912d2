#!/bin/bash
# load.sh IMAGE...: puts local images onto every node that does not have them yet.
# Streams each image straight into the node's containerd: no archive on disk, all nodes at once.
set -euo pipefail
. "$(dirname "$0")/env.sh"
nodes=$(kind get nodes --name "$CLUSTER")
for image in "$@"; do
    id=$(docker image inspect -f '{{.Id}}' "$image") || { echo "$image is not there: make images" >&2; exit 1; }
    for node in $nodes; do
        if docker exec "$node" ctr -n k8s.io images ls -q "name==$image" | grep -q . &&
            [ "$(docker exec "$node" crictl inspecti "$image" 2>/dev/null | grep -o "$id" | head -n1)" = "$id" ]; then continue; fi
        docker save "$image" | docker exec -i "$node" ctr -n k8s.io images import --digests=false - >/dev/null &
    done
    for job in $(jobs -p); do wait "$job" || { echo "$image could not be loaded onto a node" >&2; exit 1; }; done
done
