{{- define "netstat-exporter.labels" -}}
app.kubernetes.io/name: netstat-exporter
{{- end }}
