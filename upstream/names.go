package upstream

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sonzaihook/sonzaihook"
)

// family is the names of one event type that a call is about.
type family struct {
	typ   sonzaihook.EventType   // as the documentation has it
	names []sonzaihook.EventType // as the platform has them; by default the documented name first
	// chosen says that the caller named no types: these are all known names of a
	// type with a callback, and the platform may not have each of them.
	chosen bool
}

// gathered groups names by the type that they stand for, in their order and without
// duplicates.
func gathered(names []sonzaihook.EventType) []family {
	var all []family
	for _, name := range names {
		t := sonzaihook.CanonicalType(string(name))
		i := slices.IndexFunc(all, func(f family) bool { return f.typ == t })
		if i < 0 {
			i = len(all)
			all = append(all, family{typ: t})
		}
		if !slices.Contains(all[i].names, name) {
			all[i].names = append(all[i].names, name)
		}
	}
	return all
}

// checkNames refuses what cannot be a registration. A name is a segment of a path,
// so one of dots would be another path.
func checkNames(names []sonzaihook.EventType) error {
	for _, name := range names {
		if name == "" || name == sonzaihook.AnyEvent || name == "." || name == ".." {
			return fmt.Errorf("%w: %q is not an event type", ErrInvalidOption, string(name))
		}
	}
	return nil
}

// The places in an address that Subscribe fills in.
const (
	eventPlace   = "{event}"
	projectPlace = "{project}"
)

// checkAddress refuses an address that names a project where there is none.
func checkAddress(address, project string) error {
	if project == "" && strings.Contains(address, projectPlace) {
		return fmt.Errorf("%w: the address has %s, and the registrations are the tenant's", ErrInvalidOption, projectPlace)
	}
	return nil
}

// fill writes the project and the name into an address.
func fill(address, project string, name sonzaihook.EventType) string {
	return strings.NewReplacer(
		projectPlace, url.PathEscape(project), eventPlace, url.PathEscape(string(name)),
	).Replace(address)
}
