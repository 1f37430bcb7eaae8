package hooktest

import (
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// timeParts are about how long a lease and a keep last. A Store is given durations and
// never a time of day, so setting the clock must not change them; what can be tested
// here is that no duration is too short or too long.
var timeParts = []storePart{
	{"a lease that ran out is taken over", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.InFlight)
	}},
	{"a renewed lease outlives the first", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
		t.commits("k", "a", longTime)
	}},
	{"a holder that lost its lease cannot commit or release", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.fails("Commit", t.store.Commit(t.Context(), "k", "a", longTime), sonzaihook.ErrLeaseLost)
		t.fails("Release", t.store.Release(t.Context(), "k", "a"), sonzaihook.ErrLeaseLost)
		t.claims("k", "c", longTime, sonzaihook.InFlight)
		t.commits("k", "b", longTime)
	}},
	{"a former holder's commit of what another has done is nil or names the lost lease", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.commits("k", "b", longTime)
		// RunInTx has the case of a commit in the transaction of the work, which must fail.
		if err := t.store.Commit(t.Context(), "k", "a", longTime); err != nil {
			t.fails("Commit", err, sonzaihook.ErrLeaseLost)
		}
		t.claims("k", "c", longTime, sonzaihook.Done)
	}},
	{"a late commit counts if nobody took over", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.commits("k", "a", longTime)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a finished key is forgotten after its keep", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", shortTime)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.InFlight)
	}},
	{"a holder may claim again after its lease ran out", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
	}},
	{"a holder that renews in time keeps others out for many leases", func(t *storeTest) {
		const lease = 2 * time.Second
		t.claims("k", "a", lease, sonzaihook.Claimed)
		for range 5 {
			time.Sleep(lease / 4)
			t.claims("k", "a", lease, sonzaihook.Claimed)
			t.claims("k", "b", lease, sonzaihook.InFlight)
		}
		t.commits("k", "a", longTime)
	}},
	{"a refused claim does not lengthen the lease", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		if state, err := t.store.Claim(t.Context(), "k", "b", longTime); err != nil || state == sonzaihook.Done {
			t.Fatalf("Claim = %v, %v", state, err)
		} else if state == sonzaihook.Claimed {
			t.Skip("the machine was too slow to claim twice within the lease")
		}
		time.Sleep(pause)
		t.claims("k", "c", longTime, sonzaihook.Claimed)
	}},
	{"a renewal may shorten the lease", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"a second commit neither shortens nor lengthens the keep", func(t *storeTest) {
		t.claims("long", "a", longTime, sonzaihook.Claimed)
		t.commits("long", "a", longTime)
		t.commits("long", "a", shortTime)
		t.claims("short", "a", longTime, sonzaihook.Claimed)
		began := time.Now()
		t.commits("short", "a", shortTime)
		t.commits("short", "a", longTime)
		inTime := time.Since(began) < shortTime // else the second was a late commit
		time.Sleep(pause)
		t.claims("long", "b", longTime, sonzaihook.Done)
		if inTime {
			t.claims("short", "b", longTime, sonzaihook.Claimed)
		}
	}},
	{"a claim after the keep begins a new life", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", shortTime)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.releases("k", "b")
		t.claims("k", "c", longTime, sonzaihook.Claimed)
		t.commits("k", "c", longTime)
		t.claims("k", "d", longTime, sonzaihook.Done)
	}},
	{"the shortest lease and keep are valid", func(t *storeTest) {
		t.claims("k", "a", time.Nanosecond, sonzaihook.Claimed)
		time.Sleep(shortTime)
		t.claims("k", "b", time.Nanosecond, sonzaihook.Claimed)
		t.commits("k", "b", time.Nanosecond)
		time.Sleep(shortTime)
		t.claims("k", "c", longTime, sonzaihook.Claimed)
	}},
	{"a lease and a keep of a century are valid", func(t *storeTest) {
		const century = 100 * 365 * 24 * time.Hour
		t.claims("k", "a", century, sonzaihook.Claimed)
		t.claims("k", "b", century, sonzaihook.InFlight)
		t.commits("k", "a", century)
		t.claims("k", "b", century, sonzaihook.Done)
	}},
}
