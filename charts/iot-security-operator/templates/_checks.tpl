{{- /* What the schema cannot say. Nothing of it is printed; what is wrong ends the installation before it begins. */}}
{{- define "iot-security-operator.checks" -}}
{{- with .Values -}}
{{- if not .image.repository -}}
{{- fail "image.repository is empty: name the image of the operator that you built, e.g. --set image.repository=registry.example.com/iot-security-operator" -}}
{{- end -}}
{{- if and (gt (int .replicas) 1) (not .leaderElection.enabled) -}}
{{- fail (printf "replicas is %d and leaderElection.enabled is false: all of them would work on the same objects. Enable it, or write replicas: 1" (int .replicas)) -}}
{{- end -}}
{{- if not (or .serviceAccount.create .serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the ServiceAccount that is there; the namespace's default one is not given these rights" -}}
{{- end -}}
{{- if and .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled: everything would be scraped twice. Enable one" -}}
{{- end -}}
{{- if and (or .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled) (not .metrics.enabled) -}}
{{- fail "a monitor is enabled and metrics.enabled is false: there would be nothing to scrape. Enable metrics" -}}
{{- end -}}
{{- $ports := list .probes.port -}}
{{- if .metrics.enabled }}{{- $ports = append $ports .metrics.port }}{{- end -}}
{{- if .revocation.enabled }}{{- $ports = append $ports .revocation.port }}{{- end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail (printf "probes.port, metrics.port and revocation.port are %s: write different ones" (join ", " $ports)) -}}
{{- end -}}
{{- if and .nodeSelector (hasKey .nodeSelector "kubernetes.io/os") (ne (index .nodeSelector "kubernetes.io/os") "linux") -}}
{{- fail "nodeSelector: the operator runs on linux" -}}
{{- end -}}
{{- end -}}
{{- include "iot-security-operator.onlyOne" . -}}
{{- end }}

{{- /* One operator for the whole cluster, or one for each namespace: whose roles are there already keeps others out. */}}
{{- define "iot-security-operator.onlyOne" -}}
{{- $api := "rbac.authorization.k8s.io/v1" -}}
{{- $role := include "iot-security-operator.roleName" . -}}
{{- $own := "give each release other watchNamespaces, and this one crds.enabled=false and rbac.userRoles=false" -}}
{{- if .Values.rbac.create -}}
{{- if .Values.watchNamespaces -}}
{{- range $namespace := .Values.watchNamespaces -}}
{{- include "iot-security-operator.foreign" (list $ (lookup $api "Role" $namespace $role) (printf "Namespace %s is looked after" $namespace) "Take it out of watchNamespaces here, or there") -}}
{{- end -}}
{{- end -}}
{{- /* Who makes nothing for the whole cluster may have no right to look there. */ -}}
{{- $admission := include "iot-security-operator.hasPolicies" (list . "ValidatingAdmissionPolicy" .Values.admissionPolicies) -}}
{{- $finalizer := include "iot-security-operator.hasPolicies" (list . "MutatingAdmissionPolicy" .Values.finalizerPolicy) -}}
{{- if or (not .Values.watchNamespaces) .Values.crds.enabled .Values.rbac.userRoles $admission $finalizer -}}
{{- include "iot-security-operator.foreign" (list $ (lookup $api "ClusterRole" "" $role) "The whole cluster is looked after" (printf "For one more operator, %s" $own)) -}}
{{- end -}}
{{- if not .Values.watchNamespaces -}}
{{- range (lookup $api "Role" "" "").items -}}
{{- if eq .metadata.name $role -}}
{{- include "iot-security-operator.foreign" (list $ . (printf "Namespace %s is looked after" .metadata.namespace) (printf "For one more operator, %s" $own)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.rbac.userRoles -}}
{{- include "iot-security-operator.foreign" (list $ (lookup $api "ClusterRole" "" "iotsec-view") "Users' roles are given" (printf "For one more operator, %s" $own)) -}}
{{- end -}}
{{- end }}

{{- /* Fails where an object belongs to another release: (list context object what-is-so what-else-to-do). */}}
{{- define "iot-security-operator.foreign" -}}
{{- $context := index . 0 -}}
{{- with index . 1 -}}
{{- $notes := .metadata.annotations | default dict -}}
{{- $name := index $notes "meta.helm.sh/release-name" -}}
{{- $namespace := index $notes "meta.helm.sh/release-namespace" -}}
{{- if and $name (or (ne $name $context.Release.Name) (ne $namespace $context.Release.Namespace)) -}}
{{- fail (printf "%s already by release %q in namespace %q. Upgrade that one: helm upgrade %s --namespace %s. %s." (index $ 2) $name $namespace $name $namespace (index $ 3)) -}}
{{- end -}}
{{- end -}}
{{- end }}
