{{- define "trocar.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "trocar.labels" -}}
app.kubernetes.io/name: trocar-admission
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "trocar.selector" -}}
app.kubernetes.io/name: trocar-admission
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "trocar.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "trocar.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "trocar.name" .) -}}
{{- end -}}

{{- define "trocar.secret" -}}
{{- if eq .Values.tls.source "secret" -}}
{{- required "tls.secretName is needed where tls.source is secret" .Values.tls.secretName -}}
{{- else -}}
{{- include "trocar.name" . }}-tls
{{- end -}}
{{- end -}}

{{- define "trocar.host" -}}
{{ include "trocar.name" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* The configuration as a file: mounted, and not part of a checksum, since it is read again. */}}
{{- define "trocar.config" -}}
apiVersion: trocar.dev/v1alpha1
kind: Config
{{ toYaml .Values.config }}
{{- end -}}

{{/* Certificate, key and authority made by Helm: those that are there already are kept. */}}
{{- define "trocar.helmCertificate" -}}
{{- $name := printf "%s-tls" (include "trocar.name" .) -}}
{{- $known := lookup "v1" "Secret" .Release.Namespace $name -}}
{{- if and $known $known.data (index $known.data "ca.crt") -}}
{{- toJson (dict "crt" (index $known.data "tls.crt") "key" (index $known.data "tls.key") "ca" (index $known.data "ca.crt")) -}}
{{- else -}}
{{- $days := int .Values.tls.helm.validityDays -}}
{{- $ca := genCA (printf "%s-ca" (include "trocar.name" .)) $days -}}
{{- $host := include "trocar.host" . -}}
{{- $cert := genSignedCert $host nil (list $host (printf "%s.cluster.local" $host)) $days $ca -}}
{{- toJson (dict "crt" (b64enc $cert.Cert) "key" (b64enc $cert.Key) "ca" (b64enc $ca.Cert)) -}}
{{- end -}}
{{- end -}}
