package sqlhook

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Queue is a durable queue of deliveries in the store's database. A receiver enqueues
// what it has verified and decoded, and workers run the callbacks:
//
//	queue := store.Queue("sonzai")
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithStore(store), sonzaihook.WithHandOff(queue.Enqueue))
//	…
//	err = queue.Run(ctx, hooks)
//
// A delivery is run under the store's claim, as without a queue. Workers are any
// number of processes; one that only receives calls Enqueue alone. With
// [Store.InTx] of the same store a delivery leaves the queue in the transaction in
// which it is done.
//
// A queue is safe for concurrent use. Make one with [Store.Queue].
type Queue struct {
	store *Store
	name  []byte
	err   error // an invalid option

	workers     int
	lease       time.Duration
	poll        time.Duration
	timeout     time.Duration
	attempts    int
	first, most time.Duration // of the backoff
	maxAge      time.Duration
	retention   time.Duration
	maxBacklog  int
	order       func(*sonzaihook.Delivery) string

	statements statements
	inserts    *group[*row]
	leaves     *group[*leaving]
	claimLease atomic.Int64  // of the receiver's claims, in nanoseconds; 0: it has claimed nothing in the store yet
	wake       chan struct{} // of capacity one: something was enqueued here
	backlog    backlog
}

// The defaults of the options of a queue.
const (
	DefaultWorkers    = 8                   // of WithWorkers
	DefaultQueueLease = 30 * time.Second    // of WithQueueLease
	DefaultPoll       = time.Second         // of WithPoll
	DefaultRunTimeout = 5 * time.Minute     // of WithRunTimeout
	DefaultAttempts   = 12                  // of WithAttempts
	DefaultMaxAge     = 72 * time.Hour      // of WithMaxAge
	DefaultRetention  = 14 * 24 * time.Hour // of WithRetention
)

// QueueOption changes how a [Queue] works.
type QueueOption func(*Queue)

// WithWorkers sets how many deliveries one call of Run runs at once. The default is
// 8; it must be positive.
func WithWorkers(n int) QueueOption { return func(q *Queue) { q.workers = n } }

// WithQueueLease sets how long a worker's lease of a delivery is. Workers renew their
// leases every third of that time; the deliveries of a worker that died wait until
// their leases end. The default is 30 seconds; it must be at least a second.
func WithQueueLease(d time.Duration) QueueOption { return func(q *Queue) { q.lease = d } }

// WithPoll sets how often Run looks for deliveries that other processes enqueued, or
// that became due. Deliveries that this process enqueues are seen at once. The default
// is a second; it must be positive.
func WithPoll(d time.Duration) QueueOption { return func(q *Queue) { q.poll = d } }

// WithRunTimeout sets how long the callbacks of one delivery may run, in place of
// sonzaihook.WithHandlerTimeout. The default is 5 minutes, 0 sets no limit, and a
// negative value is refused.
func WithRunTimeout(d time.Duration) QueueOption { return func(q *Queue) { q.timeout = d } }

// WithAttempts sets how often a delivery is tried before it is dead. A run that ends
// with sonzaihook.RetryAfter, or that finds a copy running, does not count as an
// attempt; a worker that dies does. The default is 12; it must be positive.
func WithAttempts(n int) QueueOption { return func(q *Queue) { q.attempts = n } }

// WithBackoff sets the wait after the first failure, which doubles with each one up
// to longest, with a fifth more or less by chance. The default is a second and an
// hour; first must be positive and longest not less.
func WithBackoff(first, longest time.Duration) QueueOption {
	return func(q *Queue) { q.first, q.most = first, longest }
}

// WithMaxAge sets for how long a delivery is tried, however few attempts that are.
// The default is 72 hours; it must be positive.
func WithMaxAge(d time.Duration) QueueOption { return func(q *Queue) { q.maxAge = d } }

// WithRetention sets for how long dead deliveries are kept before [Store.Sweep]
// deletes them: their bodies are personal data. The default is 14 days; it must be
// positive.
func WithRetention(d time.Duration) QueueOption { return func(q *Queue) { q.retention = d } }

// WithMaxBacklog sets how many deliveries may wait. Enqueue refuses further ones with
// [ErrQueueFull], which is answered 503, and the platform sends them again. Several
// receivers may exceed it together by what they enqueue in some tenths of a second,
// because each counts no more often than that. EnqueueTx does not check it. The
// default, 0, sets no bound, and a negative value is refused.
func WithMaxBacklog(n int) QueueOption { return func(q *Queue) { q.maxBacklog = n } }

// WithOrder makes deliveries with the same key run one at a time, in the order in
// which they were enqueued; the empty key has none. It costs: while one waits for
// its next attempt all behind it wait, and each look for work passes over those that
// wait. The default, nil, orders nothing. It is called concurrently.
func WithOrder(key func(*sonzaihook.Delivery) string) QueueOption {
	return func(q *Queue) { q.order = key }
}

// Queue returns the queue with a name of at most 64 bytes in the store's namespace. It
// does not connect. Call it once for each name: Run sees at once only what the same
// Queue has enqueued. With an invalid option every method returns an error that wraps
// sonzaihook.ErrInvalidOption.
func (s *Store) Queue(name string, options ...QueueOption) *Queue {
	q := &Queue{
		store: s, name: append([]byte{}, name...), workers: DefaultWorkers, lease: DefaultQueueLease,
		poll: DefaultPoll, timeout: DefaultRunTimeout, attempts: DefaultAttempts, first: time.Second,
		most: time.Hour, maxAge: DefaultMaxAge, retention: DefaultRetention, wake: make(chan struct{}, 1),
	}
	for _, option := range options {
		if option == nil {
			q.err = fmt.Errorf("sqlhook: %w: an option of a queue is nil", sonzaihook.ErrInvalidOption)
			return q
		}
		option(q)
	}
	q.err = q.check()
	lanes := 1 // SQLite has one writer
	if s.dialect != SQLite {
		lanes = enqueueLanes
	}
	q.inserts = &group[*row]{lanes: lanes, most: mostRows, together: q.insertAll, alone: q.insertOne}
	q.leaves = &group[*leaving]{lanes: lanes, most: mostRows, together: q.leaveAll, alone: q.leaveOne}
	return q
}

func (q *Queue) check() error {
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{len(q.name) > maxNamespace, "a name of more than 64 bytes"},
		{q.workers <= 0, fmt.Sprintf("WithWorkers(%d)", q.workers)},
		{q.lease < time.Second, fmt.Sprintf("WithQueueLease(%v)", q.lease)},
		{q.poll <= 0, fmt.Sprintf("WithPoll(%v)", q.poll)},
		{q.timeout < 0, fmt.Sprintf("WithRunTimeout(%v)", q.timeout)},
		{q.attempts <= 0, fmt.Sprintf("WithAttempts(%d)", q.attempts)},
		{q.first <= 0 || q.most < q.first, fmt.Sprintf("WithBackoff(%v, %v)", q.first, q.most)},
		{q.maxAge <= 0, fmt.Sprintf("WithMaxAge(%v)", q.maxAge)},
		{q.retention <= 0, fmt.Sprintf("WithRetention(%v)", q.retention)},
		{q.maxBacklog < 0, fmt.Sprintf("WithMaxBacklog(%d)", q.maxBacklog)},
	} {
		if c.bad {
			return fmt.Errorf("sqlhook: %w: queue %q: %s", sonzaihook.ErrInvalidOption, q.name, c.what)
		}
	}
	return nil
}

// backlog is what is known of how many deliveries wait.
type backlog struct {
	mu     sync.Mutex
	known  int       // at the last look, and what was enqueued here since
	looked time.Time // zero: never
}
