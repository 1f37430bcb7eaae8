package sonzaihook

import "slices"

// documentedType is a row of the table of documented types.
type documentedType struct {
	typ EventType
	// names are the platform's other names for the type (observed).
	names []string
	// decoder decodes its events and finds the natural key of the payload.
	decoder *decoder
}

// documented is the one table of the documented types, in the order of the
// platform's documentation. To add a type, add a row here, a constant, a struct and
// an OnX method.
var documented = []documentedType{
	{EventMessage, nil, newDecoder(EventMessage, completeMessage)},
	{EventMoodChange, []string{"on_mood_updated"}, newDecoder(EventMoodChange, completeMoodChange)},
	{EventMemoryAdded, []string{"memory.created"}, newDecoder(EventMemoryAdded, completeMemoryAdded)},
	{EventBreakthrough, []string{"on_breakthrough_detected"}, newDecoder(EventBreakthrough, completeBreakthrough)},
	{EventWakeup, []string{"on_wakeup_ready"}, newDecoder(EventWakeup, completeWakeup)},
	{EventConsolidation, nil, newDecoder(EventConsolidation, completeConsolidation)},
}

// byName finds the row of a type under each of its names.
var byName = func() map[string]*documentedType {
	rows := make(map[string]*documentedType)
	for i := range documented {
		row := &documented[i]
		for _, name := range WireNames(row.typ) {
			rows[name] = row
		}
	}
	return rows
}()

// EventTypes returns the documented event types, in the order of the
// documentation. The slice is the caller's.
func EventTypes() []EventType {
	types := make([]EventType, len(documented))
	for i, row := range documented {
		types[i] = row.typ
	}
	return types
}

// WireNames returns the names that the platform uses on the wire for a documented
// type, the documented name first. For any other type it returns the name itself.
// The slice is the caller's.
func WireNames(t EventType) []string {
	at := slices.IndexFunc(documented, func(row documentedType) bool { return row.typ == t })
	if at < 0 {
		return []string{string(t)}
	}
	return append([]string{string(t)}, documented[at].names...)
}

// CanonicalType returns the documented type that a name on the wire stands for.
// The platform's dispatcher has other names for some types ("memory.created",
// observed); a name without a documented type is returned as it is.
func CanonicalType(name string) EventType { return canonical(name) }

func canonical[S ~string | ~[]byte](name S) EventType {
	if row := byName[string(name)]; row != nil {
		return row.typ
	}
	return EventType(name)
}

func isDocumentedName(name string) bool { return byName[name] != nil }
