{{/*
The operator's command line, environment and mounts. `kmm-preflight operator --help` tells what each means. A setting that the values do
not have, as those of an older chart (`--reuse-values`), is left out where the program's own default is the chart's.
*/}}

{{- define "kmm-preflight.args" -}}
- operator
- --webhook-port=9443
- --metrics-port=8080
- --leader-election-lease={{ include "kmm-preflight.fullname" . }}
- --toolkits-config-map={{ include "kmm-preflight.toolkitsConfigMap" . }}
{{- if include "kmm-preflight.asksNodeFeatures" . }}
{{- with (.Values.nodeFeatures | default dict).namespace }}
- --node-features-namespace={{ . }}
{{- end }}
{{- else }}
- --ignore-node-features
{{- end }}
{{- if .Values.webhook.enabled }}
- --service-name={{ include "kmm-preflight.fullname" . }}
{{- if include "kmm-preflight.certifiesItself" . }}
- --certificates=self
- --certificate-secret={{ include "kmm-preflight.certificateSecret" . }}
- --webhook-configuration={{ include "kmm-preflight.fullname" . }}
{{- else }}
- --certificates=files
- --certificate-dir=/etc/kmm-preflight/tls
{{- end }}
{{- else }}
- --no-webhook
{{- end }}
{{- with .Values.clusterPullSecret }}
- --cluster-pull-secret={{ . }}
{{- end }}
{{- if .Values.caBundle.configMap }}
- --ca-file=/etc/kmm-preflight/ca/ca-bundle.crt
{{- end }}
- {{ printf "--allow-places=%s" (join "," .Values.registries.places | default "none") | quote }}
{{- with .Values.registries.allow }}
- {{ printf "--allow-registries=%s" (join "," .) | quote }}
{{- end }}
{{- range .Values.registries.plainToolkits }}
- {{ printf "--plain-toolkit-registry=%s" . | quote }}
{{- end }}
{{- if include "kmm-preflight.runsJobs" . }}
{{- $jobs := .Values.jobs | default dict }}
- {{ printf "--work-image=%s" ($jobs.image | default (include "kmm-preflight.image" .)) | quote }}
{{- range list
  (list "builder-image" $jobs.builderImage)
  (list "work-pull-policy" $jobs.pullPolicy)
  (list "build-with" $jobs.buildWith)
  (list "look-by" $jobs.lookBy)
  (list "jobs-at-once" $jobs.atOnce)
  (list "job-deadline" $jobs.deadline)
  (list "keep-failed-jobs" $jobs.keepFailed)
  (list "work-service-account" $jobs.serviceAccount)
  (list "work-disk" $jobs.disk)
}}
{{- if last . }}
- {{ printf "--%s=%v" (first .) (last .) | quote }}
{{- end }}
{{- end }}
{{- if $jobs.privilegedBuilds }}
- --privileged-builds
{{- end }}
{{- if $jobs.userNamespaces }}
- --user-namespaces
{{- end }}
{{- $assigned := toString $jobs.assignedUsers }}
{{- if or (eq $assigned "true") (and (ne $assigned "false") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
- --assigned-users
{{- end }}
{{- range $containers, $resources := dict "builder" $jobs.builderResources "work" $jobs.otherResources }}
{{- range $kind, $amounts := $resources }}
- {{ printf "--%s-%s=%s" $containers $kind (include "kmm-preflight.amounts" $amounts) | quote }}
{{- end }}
{{- end }}
{{- end }}
- --log-format={{ .Values.log.format }}
- {{ printf "--log-level=%s" .Values.log.level | quote }}
{{- end -}}

{{- /* `cpu=500m,memory=1Gi` */ -}}
{{- define "kmm-preflight.amounts" -}}
{{- $amounts := list }}
{{- range $name, $amount := . }}
{{- $amounts = append $amounts (printf "%s=%s" $name $amount) }}
{{- end }}
{{- join "," $amounts }}
{{- end -}}

{{- define "kmm-preflight.env" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .Values.proxy.httpProxy }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.proxy.httpProxy .Values.proxy.httpsProxy }}
- name: NO_PROXY
  # kubelet fills in the API server's address.
  value: {{ compact (list "$(KUBERNETES_SERVICE_HOST)" "kubernetes.default.svc" ".svc" ".cluster.local" "localhost" .Values.proxy.noProxy) | join "," | quote }}
{{- end }}
{{- end -}}

{{- define "kmm-preflight.volumeMounts" -}}
{{- if and .Values.webhook.enabled (ne .Values.certificates.source "self") }}
- name: certificates
  mountPath: /etc/kmm-preflight/tls
  readOnly: true
{{- end }}
{{- if .Values.caBundle.configMap }}
- name: ca
  mountPath: /etc/kmm-preflight/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "kmm-preflight.volumes" -}}
{{- if and .Values.webhook.enabled (ne .Values.certificates.source "self") }}
- name: certificates
  secret:
    secretName: {{ include "kmm-preflight.certificateSecret" . }}
{{- end }}
{{- if .Values.caBundle.configMap }}
- name: ca
  configMap:
    name: {{ .Values.caBundle.configMap }}
    items:
      - {key: {{ .Values.caBundle.key | quote }}, path: ca-bundle.crt}
{{- end }}
{{- end -}}
