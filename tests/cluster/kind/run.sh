#!/bin/bash
# run.sh COMMAND...: runs a command with the cluster's programs, kubeconfig and docker daemon in its environment.
set -euo pipefail
. "$(dirname "$0")/env.sh"
export KUBECONFIG=$KUBECONFIG_FILE CLUSTER
exec "$@"
