package diagnosis

import (
	"fmt"
	"time"
)

// millisecondsFrom is the first number of seconds that is not a plausible time: the
// year 5138. Milliseconds since 1970 passed it in 1973.
const millisecondsFrom = 100_000_000_000

const clockFix = "set both clocks by NTP; for a delivery that was recorded earlier, say when it arrived (--at)"

// clockProblem compares the time in the header, in Unix seconds, with now.
func clockProblem(at int64, now time.Time, tolerance time.Duration) (Problem, bool) {
	current := now.Unix()
	distance, direction, excess := uint64(current)-uint64(at), "old", "too old"
	if at > current {
		distance, direction, excess = uint64(at)-uint64(current), "in the future", "too early"
	}
	allowed := uint64(max(tolerance, 0) / time.Second)
	if distance <= allowed {
		return Problem{}, false
	}
	if at >= millisecondsFrom {
		return Problem{
			Kind: Clock,
			What: fmt.Sprintf("t is %d, too large for seconds since 1970: is it in milliseconds?", at),
			Fix:  "the sender must put whole seconds into t",
		}, true
	}
	return Problem{
		Kind: Clock,
		What: fmt.Sprintf("the signature is %s %s, which is %s %s: %s either way is allowed (signed %s, checked for %s)",
			span(distance), direction, span(distance-allowed), excess, span(allowed), stamp(time.Unix(at, 0)), stamp(now)),
		Fix: clockFix,
	}, true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a number of seconds in its two largest units: "1 h 2 min".
func span(seconds uint64) string {
	units := []struct {
		size uint64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}
	for i, unit := range units {
		if seconds < unit.size {
			continue
		}
		text := fmt.Sprintf("%d %s", seconds/unit.size, unit.name)
		if rest := seconds % unit.size; rest > 0 && i+1 < len(units) {
			if next := units[i+1]; rest >= next.size {
				text += fmt.Sprintf(" %d %s", rest/next.size, next.name)
			}
		}
		return text
	}
	return "0 s"
}
