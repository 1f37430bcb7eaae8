package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	schema "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"
)

// Grafana generates this SDK from the schema of its dashboards and panels. A field
// that the schema does not have, or demands, or whose kind is another, is an error.
func TestTheDashboardFollowsGrafanasSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	d, err := readStrictly(string(text))
	require.NoError(t, err)
	require.Len(t, d.Panels, len(readDashboard(t).Panels))

	for name, change := range map[string]*strings.Replacer{
		"an unknown field":           strings.NewReplacer(`"schemaVersion"`, `"schemaversion"`),
		"a field of another kind":    strings.NewReplacer(`"editable": true`, `"editable": "yes"`),
		"an unknown field in panels": strings.NewReplacer(`"gridPos"`, `"gridpos"`),
	} {
		spoiled := change.Replace(string(text))
		require.NotEqual(t, string(text), spoiled, name)
		_, err := readStrictly(spoiled)
		require.Error(t, err, name)
	}
}

// readStrictly reads a dashboard. The SDK returns a list of errors also where it
// is empty.
func readStrictly(text string) (d schema.Dashboard, err error) { //nolint:staticcheck // the older kind of file, which every Grafana imports
	for _, err := range []error{d.UnmarshalJSONStrict([]byte(text)), d.Validate()} {
		var found cog.BuildErrors
		if err != nil && (!errors.As(err, &found) || len(found) > 0) {
			return d, err
		}
	}
	return d, nil
}
