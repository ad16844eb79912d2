#!/bin/bash
# service-monitor-crd.sh: prints where the CRD of ServiceMonitor is, taken from the Prometheus operator's Go module.
set -euo pipefail
cd /
folder=$(go mod download -json "github.com/prometheus-operator/prometheus-operator@${PROMETHEUS_OPERATOR_VERSION:-v0.92.1}" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
echo "$folder/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
