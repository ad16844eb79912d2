# Settings of build.sh, dockerd.sh, up.sh and down.sh: set any of them in the environment to override.
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/modelserver-kind}   # programs, base file system, image archive (2 GB; may be kept between runs)
KUBE_VERSION=${KUBE_VERSION:-v1.36.3}                # also in src/go.mod
KIND_VERSION=${KIND_VERSION:-v0.33.0}
COREDNS_VERSION=${COREDNS_VERSION:-v1.14.2}          # what kubeadm of KUBE_VERSION expects; etcd's is in src/go.mod
METRICS_VERSION=${METRICS_VERSION:-v0.9.0}
HELM_VERSION=${HELM_VERSION:-v4.0.0}
STOCK_NODE_IMAGE=${STOCK_NODE_IMAGE:-kindest/node:v1.36.1}
PULL_SECONDS=${PULL_SECONDS:-15}                     # how long the image registry may take to answer
NODE_IMAGE_GIVEN=${NODE_IMAGE:-}                     # set NODE_IMAGE to decide it yourself
NODE_IMAGE=${NODE_IMAGE:-modelserver-node:$KUBE_VERSION}
CLUSTER=${CLUSTER:-modelserver}
KUBECONFIG_FILE=${KUBECONFIG_FILE:-$WORK/kubeconfig}
DEBIAN_MIRROR=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n1 | tr -d ' ' || true)}
DEBIAN_KEYRING=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
# trixie DIR PACKAGE...: Debian packages of the next release, unpacked into DIR beside the system.
trixie() {
    local dir=$1 tmp; shift; tmp=$(mktemp -d); mkdir -p "$dir" "$tmp/lists/partial" "$tmp/cache/archives/partial"
    echo "deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR trixie main" >"$tmp/sources.list"
    local opts=(-qq -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$tmp/lists" -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User=root)
    apt-get "${opts[@]}" update && (cd "$tmp" && apt-get "${opts[@]}" download "$@")
    for deb in "$tmp"/*.deb; do dpkg-deb -x "$deb" "$dir"; done
    rm -rf "$tmp"
}
# Docker: the one that answers on the default socket or DOCKER_HOST; where there is none, a daemon of our own (dockerd.sh).
DOCKER_RUN=${DOCKER_RUN:-/run/modelserver-kind}               # socket and state of ours: keep the path short
DOCKER_DATA=${DOCKER_DATA:-$WORK/docker-data}
DOCKER_UPLINK=${DOCKER_UPLINK:-$(ip -4 route show default 2>/dev/null | awk '{print $5; exit}')}
DOCKER_MTU=${DOCKER_MTU:-$(cat "/sys/class/net/$DOCKER_UPLINK/mtu" 2>/dev/null || echo 1500)}
CLUSTER_RANGES=${CLUSTER_RANGES:-10.244.0.0/16 10.96.0.0/16}   # kind's pod and service addresses
if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ] || [ "${DOCKER_HOST:-}" = "unix://$DOCKER_RUN/docker.sock" ]; then
    export DOCKER_HOST=unix://$DOCKER_RUN/docker.sock DOCKER_CONFIG=$WORK/docker-config
    mkdir -p "$DOCKER_CONFIG"                        # tells the docker client where its build plugin is
    printf '{"cliPluginsExtraDirs": ["%s/docker/usr/libexec/docker/cli-plugins"]}\n' "$WORK" >"$DOCKER_CONFIG/config.json"
    PATH=$WORK/docker/usr/bin:$PATH
fi
export PATH=$WORK/bin:$PATH:/usr/sbin
