package main

import (
	"context"
	"fmt"
)

// backlogSize is how many deliveries wait in the long queue.
const backlogSize = 1_000_000

// backlogs compares queues in which a million deliveries wait with empty ones.
func (b *bench) backlogs() error {
	var aims []aim
	var all []queueTurns
	for _, d := range dialects {
		empty, err := b.ourQueue(d.name+", empty", d.dialect, false)
		if err != nil {
			return err
		}
		long, err := b.ourQueue(d.name+", a million", d.dialect, false)
		if err != nil {
			return err
		}
		if empty.missing == nil {
			if err := b.fill(long); err != nil {
				return err
			}
		}
		r, err := b.raceQueues("backlog, "+d.name, max(b.plan.rounds/4, 1), []*queue{empty, long})
		if err != nil {
			return err
		}
		aims = append(aims,
			faster(d.name+": enqueue, a million ÷ none", &r[1].enqueued, &r[0].enqueued, 0.8),
			faster(d.name+": drain, a million ÷ none", &r[1].drained, &r[0].drained, 0.8))
		all = append(all, r...)
	}
	b.paper.title("Queues: with a million deliveries that wait", "The same beside an empty queue. The million were put in with Enqueue, some hundred at a time.")
	b.paper.queues(all)
	b.paper.aims(aims)
	return nil
}

// fill puts a backlog in.
func (b *bench) fill(q *queue) error {
	const callers = 256
	step := b.progressOf("backlog, filling " + q.name)
	const parts = 20
	for part := range parts {
		step(part, parts)
		failed := make(chan error, callers)
		for caller := range callers {
			go func() {
				n := backlogSize / parts / callers
				if caller < backlogSize/parts%callers {
					n++
				}
				var err error
				for range n {
					if err = q.enqueue(context.WithoutCancel(b.ctx), numbers.Add(1)); err != nil {
						break
					}
				}
				failed <- err
			}()
		}
		for range callers {
			if err := <-failed; err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
