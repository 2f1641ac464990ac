{{/* Names: of the release, and of what belongs to it. */}}
{{- define "segue.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "segue.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "segue.labels" -}}
{{ include "segue.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The namespace of what Segue makes of its own. */}}
{{- define "segue.namespace" -}}
{{- default .Release.Namespace .Values.cluster.namespace -}}
{{- end -}}

{{- define "segue.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The processes and their ports, in the order of service/processes.py. */}}
{{- define "segue.processes" -}}
intake: 8470
web: 8471
worker-urgent: 8472
worker-patient: 8473
reconciler: 8474
observer: 8475
{{- end -}}

{{/* The name of the Service that takes requests for a process. */}}
{{- define "segue.service" -}}
{{- $full := include "segue.fullname" .root -}}
{{- ternary (printf "%s-%s" $full .process) $full .root.Values.split -}}
{{- end -}}

{{/* What is wrong with the values and no schema can say. */}}
{{- define "segue.check" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository is empty: build Segue's image with `python charts/image.py --push URL`, and name it here" -}}
{{- end -}}
{{- if and .Values.builder.cluster (not (and .Values.images .Values.base)) -}}
{{- fail "builder.cluster needs images, where built images are pushed to, and base, the image that they stand on" -}}
{{- end -}}
{{- with .Values.builder.dockerfiles -}}
{{- if and .cluster (not (and .image $.Values.images)) -}}
{{- fail "builder.dockerfiles.cluster needs builder.dockerfiles.image, which has Buildah, and images, where built images are pushed to" -}}
{{- end -}}
{{- if and .secrets (not (or $.Values.builder.secret $.Values.secrets.existingSecret)) -}}
{{- fail "builder.dockerfiles.secrets are keys of a Secret: name it in builder.secret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secrets.authorities (not .Values.secrets.existingSecret) -}}
{{- fail "secrets.authorities is for the key authorities.pem of a Secret: name it in secrets.existingSecret" -}}
{{- end -}}
{{- if .Values.split -}}
{{- if not .Values.database.existingSecret -}}
{{- fail "split: true needs PostgreSQL: make a Secret that holds its URL, and name it in database.existingSecret" -}}
{{- end -}}
{{- if not .Values.secrets.existingSecret -}}
{{- fail "split: true needs secrets.existingSecret, with at least operator-token: its processes share no volume" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Environment of every process: its settings. */}}
{{- define "segue.env" -}}
{{- $root := . -}}
{{- $service := dict "root" $root -}}
- name: SEGUE_HOME
  value: /var/lib/segue
- name: SEGUE_HOST
  value: {{ .Values.host | quote }}
- name: SEGUE_CLUSTERS_ONLY
  value: "yes"
- name: SEGUE_LOGS
  value: {{ .Values.logs }}
- name: SEGUE_PROBE_PORT
  value: "8472"
- name: SEGUE_INTAKE_URL
  value: {{ default (printf "http://%s.%s.svc:8470" (include "segue.service" (dict "root" $root "process" "intake")) .Release.Namespace) .Values.intakeUrl | quote }}
- name: SEGUE_WEB_URL
  value: {{ default (printf "http://%s.%s.svc:8471" (include "segue.service" (dict "root" $root "process" "web")) .Release.Namespace) .Values.webUrl | quote }}
{{- if .Values.secrets.authorities }}
- name: REQUESTS_CA_BUNDLE
  value: /var/lib/segue/secrets/authorities.pem
- name: SSL_CERT_FILE
  value: /var/lib/segue/secrets/authorities.pem
{{- end }}
{{- with .Values.images }}
- name: SEGUE_IMAGES
  value: {{ . | quote }}
{{- end }}
{{- with .Values.base }}
- name: SEGUE_BASE
  value: {{ . | quote }}
{{- end }}
- name: SEGUE_BUILDER_IMAGE
  value: {{ default (include "segue.image" $root) (.Values.builder).image | quote }}
{{- with .Values.imagePullSecrets }}
- name: SEGUE_BUILDER_PULL_SECRETS
  value: {{ range $at, $one := . }}{{ if $at }},{{ end }}{{ $one.name }}{{ end }}
{{- end }}
{{- with .Values.trust }}
- name: SEGUE_TRUST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.builder }}
{{- if .cluster }}
- name: SEGUE_BUILDER
  value: {{ .cluster | quote }}
{{- end }}
{{- with .dockerfiles }}
{{- if .cluster }}
- name: SEGUE_DOCKERFILES
  value: {{ .cluster | quote }}
- name: SEGUE_BUILDAH_IMAGE
  value: {{ .image | quote }}
{{- with .secrets }}
- name: SEGUE_BUILD_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if or .cluster .dockerfiles.cluster }}
{{- with default $root.Values.secrets.existingSecret .secret }}
- name: SEGUE_BUILDER_SECRET
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.database }}
{{- if .existingSecret }}
- name: SEGUE_DATABASE
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- with .Values.broker }}
{{- if .existingSecret }}
- name: SEGUE_BROKER
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of every container: what restricted pod security asks for, and a root that cannot be written. */}}
{{- define "segue.container" -}}
image: {{ include "segue.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  {{- include "segue.env" . | nindent 2 }}
volumeMounts:
  - {name: home, mountPath: /var/lib/segue}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.secrets.existingSecret }}
  - {name: secrets, mountPath: /var/lib/segue/secrets, readOnly: true}
  {{- end }}
  {{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Of every pod. `account` empty: no login to the cluster at all. */}}
{{- define "segue.pod" -}}
{{- $values := .root.Values -}}
{{- if .account }}
serviceAccountName: {{ .account }}
{{- end }}
automountServiceAccountToken: {{ ne .account "" }}
# The names of Services would become variables that begin with SEGUE_.
enableServiceLinks: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $values.user }}
  runAsGroup: {{ $values.user }}
  fsGroup: {{ $values.user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Volumes beside the home. */}}
{{- define "segue.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- with .Values.secrets.existingSecret }}
- {name: secrets, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Tells Segue of the cluster that it runs in; it may be told again and again. */}}
{{- define "segue.connect" -}}
- name: connect
  {{- include "segue.container" . | nindent 2 }}
  args:
    - cluster
    - {{ .Values.cluster.name | quote }}
    - --in-cluster
    - --default
    - --namespace={{ include "segue.namespace" . }}
    - --plane={{ .Values.cluster.plane }}
    {{- range $option := list "gateway" "address" "metrics" }}
    {{- with index $.Values.cluster $option }}
    - --{{ $option }}={{ . }}
    {{- end }}
    {{- end }}
  resources: {{- toYaml .Values.resources.migration | nindent 4 }}
{{- end -}}

{{/* Probes by ports: `/readyz` asks the store, `/healthz` nothing. `last` is up when everything is. */}}
{{- define "segue.probes" -}}
startupProbe:
  httpGet: {path: /readyz, port: {{ .last }}}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 180
livenessProbe:
  httpGet: {path: /healthz, port: {{ .serving }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ .serving }}}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
