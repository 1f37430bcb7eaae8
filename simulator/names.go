package simulator

import (
	"slices"

	"github.com/sonzaihook/sonzaihook"
)

// namesOf returns the names under which an event may be registered: the one that
// it was given, then the other known names of its type.
func namesOf(name string) []string {
	names := []string{name}
	for _, other := range sonzaihook.WireNames(sonzaihook.CanonicalType(name)) {
		if !slices.Contains(names, other) {
			names = append(names, other)
		}
	}
	return names
}
