package delivery

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// Describe says in a few words what an event is about. It takes the whole body,
// or the payload alone, in any layout. The result may hold any character.
func Describe(body []byte) string {
	payload := gjson.ParseBytes(body)
	for _, key := range []string{"data", "payload"} {
		if inner := payload.Get(key); inner.IsObject() {
			payload = inner
			break
		}
	}
	for _, key := range []string{"content", "generated_message", "atomic_text", "narrative"} {
		if text := payload.Get(key).String(); text != "" {
			return "“" + strings.Join(strings.Fields(text), " ") + "”"
		}
	}
	return describeFields(payload)
}

func describeFields(payload gjson.Result) string {
	switch {
	case payload.Get("label").Exists():
		return fmt.Sprintf("%s, valence %g (%+g)", payload.Get("label"), payload.Get("valence").Num, payload.Get("delta_valence").Num)
	case payload.Get("trait_evolved").Exists():
		return fmt.Sprintf("level %s, %s evolved", payload.Get("level_at_breakthrough"), payload.Get("trait_evolved"))
	case payload.Get("wakeup.intent").Exists():
		return "to " + payload.Get("wakeup.intent").String()
	case payload.Get("period").Exists():
		return fmt.Sprintf("%s, %s memories", payload.Get("period"), payload.Get("consolidation_processed"))
	}
	var names []string
	payload.ForEach(func(key, _ gjson.Result) bool {
		names = append(names, key.String())
		return len(names) < 6
	})
	return strings.Join(names, ", ")
}
