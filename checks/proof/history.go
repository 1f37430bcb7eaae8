package main

import "time"

// Kinds of journal entries.
const (
	Start  = "start"  // the callback was entered
	Finish = "finish" // its work is done
	Fail   = "fail"   // it gave up, and says so by an error
	Leave  = "leave"  // it returned

	// Trouble is no part of a run: a call to the store failed or took too long, on
	// purpose or because the machine was busy. The store may have carried it out.
	Trouble = "trouble"
)

// Entry is one line of a receiver's journal.
type Entry struct {
	Kind     string `json:"kind"`
	Event    string `json:"event"` // empty of a Trouble, whose Key tells
	Key      string `json:"key"`   // under which it is claimed; of a Start and a Trouble
	Run      int    `json:"run"`   // counts within the instance
	Instance int    `json:"instance"`
	At       int64  `json:"at"` // Unix time in nanoseconds
	// Of a Trouble: which call it was, and how much of the lease was left.
	Call string        `json:"call,omitempty"`
	Left time.Duration `json:"left,omitempty"`
}

// Calls to a store.
const (
	ClaimCall   = "claim"
	CommitCall  = "commit"
	ReleaseCall = "release"
)

// Answer is the result, for the platform, of one attempt to deliver one copy.
type Answer struct {
	Event  string    `json:"event"`
	Copy   int       `json:"copy"`
	Sent   time.Time `json:"sent"`
	Heard  time.Time `json:"heard"`
	Status int       `json:"status"` // 0: the connection broke
	Code   string    `json:"code"`
}

// Taken reports whether the answer is 2xx, after which the platform stops.
func (a Answer) Taken() bool { return a.Status >= 200 && a.Status < 300 }

// Kinds of faults. A kill names the point at which it struck.
const (
	RedisKilled  = "redis killed"
	RedisStopped = "redis restarted"
	RedisStalled = "redis stalled"
	RedisCut     = "redis connections cut"
	ClientCut    = "platform connections cut"
)

// Fault is one thing that went wrong on purpose.
type Fault struct {
	Kind     string    `json:"kind"`
	Instance int       `json:"instance,omitempty"` // of a kill
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
}

// History is what the check works on.
type History struct {
	Events  []string
	Answers []Answer
	Entries []Entry
	Faults  []Fault
	Lease   time.Duration
	// Faultless says that nothing was made to fail, callbacks included.
	Faultless bool
}
