{{/*
What a process may do in a namespace: `actor` are the workers, `observer` and `web` read. Kubernetes cannot
limit `create` and `list` by name, nor anything by a name that is made at run time, as those of versions are.
What can be named is: routes that are taken over, and the gateway. `own`: Segue makes routes there itself.
*/}}
{{- define "segue.rules.actor" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, create, update, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, create, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, update, delete]
- apiGroups: [""]
  resources: [pods, events, resourcequotas]
  verbs: [list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [services/proxy]
  verbs: [get, create]
{{- if .own }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, create, update]
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes]
  verbs: [get, update]
{{- end }}
{{- end -}}

{{/*
The restarts that it sees are written down at the Deployment; what a pod that fails printed is read, and what
a recorder noted of copied requests and of who answered. Recorded requests are sent to one.
*/}}
{{- define "segue.rules.observer" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [""]
  resources: [pods, events]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [services/proxy]
  verbs: [get, create]
{{- end -}}

{{/* Where somebody else shifts the traffic, and Segue only watches: what runs behind Services. */}}
{{- define "segue.rules.watched" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end -}}

{{/* Logs, and the addresses of targets. */}}
{{- define "segue.rules.web" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- if .own }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get]
{{- end }}
{{- end -}}

{{/* Builds in a namespace of their own: what workers do there, and what web reads. */}}
{{- define "segue.rules.builds.actor" -}}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, update, delete]
- apiGroups: [""]
  resources: [pods, events]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end -}}

{{- define "segue.rules.builds.web" -}}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end -}}

{{/*
Routes that are taken over, by kind and name. The canary beside an Ingress is made at run time, by a name
that is the target's: writing Ingresses cannot be limited by name.
*/}}
{{- define "segue.rules.routes" -}}
{{- $writes := .writes }}
{{- $kinds := dict
  "httproute" (list "gateway.networking.k8s.io" "httproutes, grpcroutes")
  "virtualservice" (list "networking.istio.io" "virtualservices")
  "traefikservice" (list "traefik.io" "traefikservices")
  "ingress" (list "networking.k8s.io" "ingresses") }}
{{- range $word, $names := .named }}
{{- $kind := index $kinds $word }}
- apiGroups: [{{ first $kind }}]
  resources: [{{ last $kind }}]
{{- if and $writes (eq $word "ingress") }}
  verbs: [get, create, update, delete]
{{- else }}
  resourceNames: [{{ $names | uniq | sortAlpha | join ", " }}]
  verbs: {{ ternary "[get, update]" "[get]" $writes }}
{{- end }}
{{ end }}
{{- end -}}

{{- define "segue.rules.gateway" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  resourceNames: [{{ . }}]
  verbs: [get]
{{- end -}}

{{- define "segue.rules.nodes" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list]
{{- end -}}

{{/* The name of a Role in a namespace, which other releases of this name may have Roles in, too. */}}
{{- define "segue.there" -}}
{{- ternary .name (printf "%s-%s" .root.Release.Namespace .name) (eq .namespace .root.Release.Namespace) -}}
{{- end -}}

{{/* One Role and its binding. */}}
{{- define "segue.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "segue.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "segue.labels" .root | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .name }}}
subjects:
  {{- range .accounts }}
  - {kind: ServiceAccount, name: {{ . }}, namespace: {{ $.root.Release.Namespace }}}
  {{- end }}
{{ end -}}

{{- define "segue.clusterRole" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels: {{- include "segue.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels: {{- include "segue.labels" .root | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .name }}}
subjects:
  {{- range .accounts }}
  - {kind: ServiceAccount, name: {{ . }}, namespace: {{ $.root.Release.Namespace }}}
  {{- end }}
{{ end -}}
