{{- define "wrt.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "wrt.nats" -}}
{{- printf "%s-nats" (include "wrt.name" .) -}}
{{- end -}}

{{/* Of what belongs together; a part is `node` or `nats`. */}}
{{- define "wrt.selector" -}}
app.kubernetes.io/name: wrt
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "wrt.labels" -}}
{{ include "wrt.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* All servers by their names, so that a node that starts while one is away has another to ask. */}}
{{- define "wrt.nats.url" -}}
{{- if .Values.nats.enabled -}}
{{- $nats := include "wrt.nats" . -}}
{{- $urls := list -}}
{{- range $number := until (int .Values.nats.count) -}}
{{- $urls = append $urls (printf "nats://%s-%d.%s:4222" $nats $number $nats) -}}
{{- end -}}
{{- join "," $urls -}}
{{- else -}}
{{- .Values.nats.url -}}
{{- end -}}
{{- end -}}

{{/* Nothing here writes outside of its volumes, or is root. */}}
{{- define "wrt.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

{{- define "wrt.pod.security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* On machines of their own where there are enough. */}}
{{- define "wrt.apart" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "wrt.selector" . | nindent 6 }}
{{- end -}}
