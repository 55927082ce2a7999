{{/* The operator's command line, environment and mounts. `kmm-preflight operator --help` tells what each means. */}}

{{- define "kmm-preflight.args" -}}
- operator
- --webhook-port=9443
- --metrics-port=8080
- --leader-election-lease={{ include "kmm-preflight.fullname" . }}
- --toolkits-config-map={{ include "kmm-preflight.toolkitsConfigMap" . }}
{{- if .Values.nodeFeatures.enabled }}
- --node-features-namespace={{ .Values.nodeFeatures.namespace }}
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
{{- with .Values.jobs }}
{{- if .enabled }}
- {{ printf "--work-image=%s" (.image | default (include "kmm-preflight.image" $)) | quote }}
- {{ printf "--builder-image=%s" .builderImage | quote }}
- --work-pull-policy={{ .pullPolicy }}
- --build-with={{ .buildWith }}
- --look-by={{ .lookBy }}
- --jobs-at-once={{ .atOnce }}
- --job-deadline={{ .deadline }}
- --keep-failed-jobs={{ .keepFailed }}
{{- with .serviceAccount }}
- --work-service-account={{ . }}
{{- end }}
{{- if .privilegedBuilds }}
- --privileged-builds
{{- end }}
{{- if .userNamespaces }}
- --user-namespaces
{{- end }}
- {{ printf "--builder-requests=%s" (include "kmm-preflight.amounts" .builderResources.requests) | quote }}
- {{ printf "--builder-limits=%s" (include "kmm-preflight.amounts" .builderResources.limits) | quote }}
- {{ printf "--work-requests=%s" (include "kmm-preflight.amounts" .otherResources.requests) | quote }}
- {{ printf "--work-limits=%s" (include "kmm-preflight.amounts" .otherResources.limits) | quote }}
- {{ printf "--work-disk=%s" .disk | quote }}
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
