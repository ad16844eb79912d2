#!/bin/bash
# Builds a kind node image, and the kind program, from Go modules and Debian packages alone: no image registry is asked.
# Repeating it is cheap: Go, BuildKit and the base file system are cached.
set -euo pipefail
. "$(dirname "$0")/env.sh"
step() { printf '%4ds  %s\n' $SECONDS "$*"; }
mkdir -p "$WORK/bin"; export GOBIN=$WORK/bin CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# Nothing to do where the image was built from these very files.
recipe=$(cd "$LAB" && { cat build.sh env.sh; find src node -type f | sort | xargs sha256sum; echo "$KUBE_VERSION $KIND_VERSION $COREDNS_VERSION $METRICS_VERSION"; } | sha256sum | cut -c1-16)
if [ -x "$WORK/bin/kind" ] && [ "$recipe" = "$(docker image inspect -f '{{index .Config.Labels "recipe"}}' "$NODE_IMAGE" 2>/dev/null)" ]; then
    step "$NODE_IMAGE is up to date"; exit
fi

step "Go programs"
cd "$LAB/src"
stamp="-X k8s.io/component-base/version.gitVersion=$KUBE_VERSION -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$KUBE_VERSION")"
go build -ldflags "-s -w $stamp" -o "$WORK/bin/" ./cmd/... k8s.io/kubernetes/cmd/{kubeadm,kubelet,kubectl,kube-apiserver,kube-controller-manager,kube-scheduler,kube-proxy}
go build -ldflags "-s -w" -o "$WORK/bin/etcd" go.etcd.io/etcd/server/v3
go install -ldflags "-s -w" "sigs.k8s.io/kind@$KIND_VERSION"
go install -ldflags "-s -w" "github.com/coredns/coredns@$COREDNS_VERSION"
go install -ldflags "-s -w -X k8s.io/client-go/pkg/version.gitVersion=$METRICS_VERSION" "sigs.k8s.io/metrics-server/cmd/metrics-server@$METRICS_VERSION"

step "base file system"
# bookworm: its systemd 252 runs on cgroup v1 as well as v2. containerd 1.7 comes from trixie (bookworm has 1.6).
packages=systemd,systemd-sysv,iptables,nftables,conntrack,iproute2,kmod,procps,runc,containernetworking-plugins
base=$WORK/base-$(sha256sum <<<"$packages" | cut -c1-12).tar
if [ ! -s "$base" ]; then
    rm -rf "$WORK/containerd"; trixie "$WORK/containerd" containerd
    mmdebstrap --quiet --variant=minbase --include=$packages \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="cp $WORK/containerd/usr/bin/containerd $WORK/containerd/usr/bin/containerd-shim-runc-v2 $WORK/containerd/usr/bin/ctr \"\$1/usr/bin/\"" \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/etc/apt/sources.list* "$1"/etc/resolv.conf "$1"/etc/hostname' \
        bookworm "$base.tmp.tar" "deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR bookworm main"
    mv "$base.tmp.tar" "$base"
fi
tag=modelserver-node-base:$(basename "$base" .tar)
docker image inspect "$tag" >/dev/null 2>&1 || docker import "$base" "$tag" >/dev/null

step "images of the control plane"
# The names are the ones that kubeadm and kubelet will ask for, so nothing is ever pulled.
mapfile -t wanted < <(kubeadm config images list --kubernetes-version "$KUBE_VERSION")
wanted+=("${wanted[0]%%/*}/metrics-server/metrics-server:$METRICS_VERSION" "localhost/podnet:$KUBE_VERSION")
for image in "${wanted[@]}"; do
    name=${image##*/}; name=${name%%:*}
    [ "$name" = pause ] && pause=$image
    docker build --quiet --build-arg BASE="$tag" --target "$name" -t "$image" -f "$LAB/node/Dockerfile" "$WORK/bin" >/dev/null
done
step "image archive"
ids=$(docker image inspect -f '{{.Id}}' "${wanted[@]}" | sha256sum)
context=$WORK/context; mkdir -p "$context"
if [ "$ids" != "$(cat "$context/images.id" 2>/dev/null)" ]; then
    docker save -o "$context/images.tar" "${wanted[@]}" && echo "$ids" >"$context/images.id"
fi

step "node image"
ln -f "$WORK"/bin/{kubeadm,kubelet,kubectl,crictl} "$context/"
rm -rf "$context/rootfs" && cp -a "$LAB/node/rootfs" "$context/"
docker build --build-arg BASE="$tag" --build-arg VERSION="$KUBE_VERSION" --build-arg PAUSE="$pause" --build-arg PODNET="localhost/podnet:$KUBE_VERSION" \
    --label "recipe=$recipe" --target node -t "$NODE_IMAGE" -f "$LAB/node/Dockerfile" "$context" ${QUIET:+--quiet}
docker image inspect -f "$NODE_IMAGE {{.Size}} bytes" "$NODE_IMAGE"
step done
