package simulator

import "github.com/sonzaihook/sonzaihook"

// aliases are the names under which the live dispatcher was seen to send a
// documented type (observed). Each can be registered as well as the type.
var aliases = map[sonzaihook.EventType]string{
	sonzaihook.EventMoodChange:   "on_mood_updated",
	sonzaihook.EventMemoryAdded:  "memory.created",
	sonzaihook.EventBreakthrough: "on_breakthrough_detected",
	sonzaihook.EventWakeup:       "on_wakeup_ready",
}

// namesOf returns the names under which an event may be registered: the one that
// it was given, then the other known names of its type.
func namesOf(name string) []string {
	names := []string{name}
	t := sonzaihook.CanonicalType(name)
	for _, other := range []string{string(t), aliases[t]} {
		if other != "" && other != name {
			names = append(names, other)
		}
	}
	return names
}
