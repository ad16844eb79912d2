{{/* Labels of everything in this chart. */}}
{{- define "modelserver-operator.labels" -}}
app.kubernetes.io/name: modelserver-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What selects the operator's pods. */}}
{{- define "modelserver-operator.selector" -}}
app.kubernetes.io/name: modelserver-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What the operator may do where it looks for ModelServers. Each verb is used; nothing here reads a Secret, or writes or enters a pod. */}}
{{- define "modelserver-operator.rules" -}}
- apiGroups: [modelserver.dev]
  resources: [modelservers]
  verbs: [list, watch]
- apiGroups: [modelserver.dev]
  resources: [modelservers/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [serviceaccounts, configmaps, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [""] # why a pod is stuck stands nowhere else; asked for one pod at a time, never watched
  resources: [events]
  verbs: [list]
{{- end }}
