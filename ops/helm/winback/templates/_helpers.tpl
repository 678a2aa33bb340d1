{{- define "winback.labels" -}}
app.kubernetes.io/name: winback
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "winback.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "winback.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "winback.container" -}}
image: {{ include "winback.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "winback.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: WINBACK_HOST
  value: 0.0.0.0
- name: WINBACK_SECRET
  valueFrom: {secretKeyRef: {name: {{ .Values.secrets }}, key: secret}}
- name: WINBACK_SMTP_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.secrets }}, key: smtp-url}}
- name: WINBACK_KAFKA_USERNAME
  valueFrom: {secretKeyRef: {name: {{ .Values.secrets }}, key: kafka-username, optional: true}}
- name: WINBACK_KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.secrets }}, key: kafka-password, optional: true}}
{{- if .Values.kafkaCaSecret }}
- name: WINBACK_KAFKA_CA_FILE
  value: /etc/winback/kafka/ca.crt
{{- end }}
{{- end }}

{{- define "winback.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.kafkaCaSecret }}
- {name: kafka-ca, mountPath: /etc/winback/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "winback.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- with .Values.kafkaCaSecret }}
- name: kafka-ca
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}

{{- define "winback.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 90
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
