package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// decode reads the documents of a manifest. A field that Kubernetes does not know is
// an error.
func decode(t *testing.T, file string, into ...any) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	documents := bytes.Split(text, []byte("\n---\n"))
	require.Len(t, documents, len(into))
	for i, document := range documents {
		require.NoError(t, yaml.UnmarshalStrict(document, into[i]), "%s, document %d", file, i)
	}
}

func TestTheManifestsFitOneAnother(t *testing.T) {
	t.Parallel()
	var deployment appsv1.Deployment
	var service corev1.Service
	var budget policyv1.PodDisruptionBudget
	decode(t, "manifests/deployment.yaml", &deployment)
	decode(t, "manifests/service.yaml", &service, &budget)
	require.Equal(t, []string{"Deployment", "Service", "PodDisruptionBudget"}, []string{deployment.Kind, service.Kind, budget.Kind})
	labels := deployment.Spec.Template.Labels
	require.NotEmpty(t, labels)
	require.Equal(t, labels, deployment.Spec.Selector.MatchLabels)
	require.Equal(t, labels, service.Spec.Selector)
	require.Equal(t, labels, budget.Spec.Selector.MatchLabels)

	hooks := deployment.Spec.Template.Spec.Containers[0]
	require.Equal(t, hooks.Ports[0].Name, service.Spec.Ports[0].TargetPort.StrVal)
	require.Equal(t, "/readyz", hooks.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", hooks.LivenessProbe.HTTPGet.Path)
	require.Contains(t, hooks.Env, corev1.EnvVar{Name: "SECRETS_DIR", Value: hooks.VolumeMounts[0].MountPath})
	require.Empty(t, hooks.VolumeMounts[0].SubPath)
}

func TestTheTimesOfAShutdownFitIntoTheGraceOfThePod(t *testing.T) {
	t.Parallel()
	var deployment appsv1.Deployment
	decode(t, "manifests/deployment.yaml", &deployment)
	pod := deployment.Spec.Template.Spec
	hooks := pod.Containers[0]
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }

	probe := hooks.ReadinessProbe
	unready := seconds(int64(probe.PeriodSeconds) * int64(probe.FailureThreshold))
	require.Greater(t, drain, unready+seconds(int64(probe.TimeoutSeconds)), "the drain outlasts the probe")
	require.Greater(t, seconds(int64(probe.TimeoutSeconds)), time.Second, "Ready has its say")
	require.Greater(t, grace, drain+callback, "a callback that begins at the end of the drain may finish")
	require.Greater(t, seconds(*pod.TerminationGracePeriodSeconds), seconds(hooks.Lifecycle.PreStop.Sleep.Seconds)+grace)
}
