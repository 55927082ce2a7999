{{/* Names, labels and the few values that several templates share. */}}

{{- define "kmm-preflight.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters leave room for what is put behind it: a Service's name has 63 at most. */}}
{{- define "kmm-preflight.fullname" -}}
{{- $name := include "kmm-preflight.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kmm-preflight.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kmm-preflight.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kmm-preflight.labels" -}}
{{ include "kmm-preflight.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kmm-preflight.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "kmm-preflight.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "kmm-preflight.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "kmm-preflight.certificateSecret" -}}
{{- if eq .Values.certificates.source "secret" -}}
{{- required "certificates.secretName is needed where certificates.source is `secret`" .Values.certificates.secretName -}}
{{- else -}}
{{- .Values.certificates.secretName | default (printf "%s-tls" (include "kmm-preflight.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{- define "kmm-preflight.toolkitsConfigMap" -}}
{{- .Values.toolkitsConfigMap | default (printf "%s-toolkits" (include "kmm-preflight.fullname" .)) -}}
{{- end -}}

{{/* Whether the operator itself makes the certificates. */}}
{{- define "kmm-preflight.certifiesItself" -}}
{{- if and .Values.webhook.enabled (eq .Values.certificates.source "self") }}true{{ end -}}
{{- end -}}

{{/*
Whether something is switched on that is on unless somebody says otherwise. Values of an older chart (`--reuse-values`) do not have it.
*/}}
{{- define "kmm-preflight.isOn" -}}
{{- if ne (toString .) "false" }}true{{ end -}}
{{- end -}}

{{- define "kmm-preflight.runsJobs" -}}
{{- include "kmm-preflight.isOn" (.Values.jobs | default dict).enabled -}}
{{- end -}}

{{- define "kmm-preflight.asksNodeFeatures" -}}
{{- include "kmm-preflight.isOn" (.Values.nodeFeatures | default dict).enabled -}}
{{- end -}}

{{/*
Annotations by which somebody else puts the CA into a webhook configuration. Where the operator does it, the chart
leaves `caBundle` alone: it is not in the manifest, so neither an upgrade nor a rollback touches it.
*/}}
{{- define "kmm-preflight.injection" -}}
{{- if eq .Values.certificates.source "cert-manager" }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "kmm-preflight.fullname" . }}
{{- else if eq .Values.certificates.source "service-ca" }}
annotations:
  service.beta.openshift.io/inject-cabundle: "true"
{{- end }}
{{- end -}}

{{/* How the API server reaches the webhook at a path. */}}
{{- define "kmm-preflight.clientConfig" -}}
service:
  namespace: {{ .root.Release.Namespace }}
  name: {{ include "kmm-preflight.fullname" .root }}
  path: {{ .path }}
  port: 443
{{- if eq .root.Values.certificates.source "secret" }}
caBundle: {{ required "certificates.caBundle is needed where certificates.source is `secret`" .root.Values.certificates.caBundle | b64enc }}
{{- end }}
{{- end -}}

{{/* What is sent to the webhooks: the creation and change of preflights, and nothing else. Status and scale are resources of their own. */}}
{{- define "kmm-preflight.webhookRules" -}}
- apiGroups: [kmm.sigs.x-k8s.io]
  apiVersions: [v1beta2]
  resources: [preflightvalidationsocp]
  operations: [CREATE, UPDATE]
  scope: Cluster
{{- end -}}
