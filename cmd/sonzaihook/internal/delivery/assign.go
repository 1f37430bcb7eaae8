package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// wellFormedPath matches keys joined by dots. A backslash before a character takes
// away its meaning; the wildcards and queries of the library are left out.
var wellFormedPath = regexp.MustCompile(`^(?:\\.|[^.\\*?|#@])+(?:\.(?:\\.|[^.\\*?|#@])+)*$`)

// Assign carries out "data.valence=12": a path whose keys are joined by dots, and
// a value that is JSON, or else a string. The order of keys and the white space
// of the body stay.
func Assign(body []byte, assignment string) ([]byte, error) {
	path, value, found := strings.Cut(assignment, "=")
	if !found || !wellFormedPath.MatchString(path) {
		return nil, fmt.Errorf("--set %s: want path=value, as in data.valence=12 or data.diary_entries.0.mood=calm", assignment)
	}
	if err := assignable(body, path); err != nil {
		return nil, fmt.Errorf("--set %s: %w", assignment, err)
	}
	raw := []byte(value)
	if !json.Valid(raw) {
		raw, _ = json.Marshal(value) // a string always marshals
	}
	changed, err := sjson.SetRawBytes(body, path, raw)
	if err != nil {
		return nil, fmt.Errorf("--set %s: %w", assignment, err)
	}
	if !json.Valid(changed) {
		return nil, fmt.Errorf("--set %s: the path does not fit the body", assignment)
	}
	return changed, nil
}

// assignable refuses a path that leads through something other than an object or
// an array, which the library would replace.
func assignable(body []byte, path string) error {
	if !gjson.ParseBytes(body).IsObject() {
		return errors.New("the body is not a JSON object")
	}
	keys := strings.Split(path, ".")
	for i := 1; i < len(keys); i++ {
		above := strings.Join(keys[:i], ".")
		if strings.HasSuffix(above, `\`) {
			continue // an escaped dot belongs to the key
		}
		if at := gjson.GetBytes(body, above); at.Exists() && !at.IsObject() && !at.IsArray() {
			return fmt.Errorf("%s is not an object", above)
		}
	}
	return nil
}
