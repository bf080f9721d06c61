{{- define "iot-security-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{- /* The name of all objects in the release's namespace; room is left for what is appended. */}}
{{- define "iot-security-operator.fullname" -}}
{{- $name := include "iot-security-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* The same for every release, so that a second operator for the same objects is refused. */}}
{{- define "iot-security-operator.roleName" -}}
iot-security-operator
{{- end }}

{{- define "iot-security-operator.selector" -}}
app.kubernetes.io/name: {{ include "iot-security-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "iot-security-operator.labels" -}}
{{- $own := include "iot-security-operator.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" (.Chart.AppVersion | trunc 63) -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- mergeOverwrite (deepCopy .Values.commonLabels) $own | toYaml }}
{{- end }}

{{- define "iot-security-operator.serviceAccountName" -}}
{{- default (include "iot-security-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "iot-security-operator.subject" -}}
- kind: ServiceAccount
  name: {{ include "iot-security-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "iot-security-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest }}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "iot-security-operator.username" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "iot-security-operator.serviceAccountName" .) }}
{{- end }}

{{- /* Not empty where admission policies of a kind belong to the release, by the value of theirs. */}}
{{- define "iot-security-operator.hasPolicies" -}}
{{- $root := index . 0 -}}
{{- $there := $root.Capabilities.APIVersions.Has (printf "admissionregistration.k8s.io/v1/%s" (index . 1)) -}}
{{- if or (eq (index . 2) "always") (and $there (eq (index . 2) "auto")) -}}
yes
{{- end }}
{{- end }}

{{- /* Releases that look after some namespaces each have policies of their own. */}}
{{- define "iot-security-operator.policyName" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.watchNamespaces -}}
{{- printf "%s.%s.%s" (index . 1) $root.Release.Namespace (include "iot-security-operator.fullname" $root) }}
{{- else -}}
{{- index . 1 }}
{{- end }}
{{- end }}

{{- /* Where the kubelet asks; answered by the operator at one port. */}}
{{- define "iot-security-operator.paths" -}}
startup: /healthz
liveness: /healthz
readiness: /readyz
{{- end }}
