package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func newStats(q *queueOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Count what waits, runs and is dead in each queue",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return q.with(cmd.Context(), func(store *sqlhook.Store) error { return q.stats(cmd.Context(), store) })
		},
	}
}

// queueStats is what stats prints with --json.
type queueStats struct {
	Queue   string  `json:"queue"`
	Waiting int     `json:"waiting"`
	Due     int     `json:"due"`
	Running int     `json:"running"`
	Dead    int     `json:"dead"`
	Oldest  float64 `json:"oldest_seconds"`
}

func (q *queueOptions) stats(ctx context.Context, store *sqlhook.Store) error {
	names, err := store.Queues(ctx)
	if err != nil {
		return err
	}
	if q.queue != "" {
		names = []string{q.queue}
	}
	g := console.Grid{Headings: []string{"QUEUE", "WAITING", "DUE", "RUNNING", "DEAD", "OLDEST"}}
	for _, name := range names {
		s, err := store.Queue(name).Stats(ctx)
		if err != nil {
			return err
		}
		if q.json {
			if err := q.console.WriteJSON(queueStats{name, s.Waiting, s.Due, s.Running, s.Dead, s.Oldest.Seconds()}); err != nil {
				return err
			}
			continue
		}
		dead := console.Faint("0")
		if s.Dead > 0 {
			dead = console.Warn(strconv.Itoa(s.Dead))
		}
		g.Row(console.Calm(name), number(s.Waiting), number(s.Due), number(s.Running), dead, console.Faint(s.Oldest.Round(time.Second).String()))
	}
	return q.show(&g, "no queue holds anything")
}

func newList(q *queueOptions) *cobra.Command {
	var o sqlhook.ListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the deliveries of a queue, without their bodies",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return q.withQueue(cmd.Context(), func(queue *sqlhook.Queue) error { return q.list(cmd.Context(), queue, o) })
		},
	}
	cmd.Flags().BoolVar(&o.Dead, "dead", false, "the dead ones instead of the others")
	cmd.Flags().IntVar(&o.Limit, "limit", 100, "this `number` at most")
	return cmd
}

// queueItem is a delivery as list and show print it with --json.
type queueItem struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Project    string    `json:"project_id,omitempty"`
	Source     string    `json:"source"`
	EnqueuedAt time.Time `json:"enqueued_at"`
	Due        time.Time `json:"due"`
	Attempts   int       `json:"attempts"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Size       int       `json:"size"`
	Body       string    `json:"body,omitempty"`
}

func itemOf(i sqlhook.Item) queueItem {
	return queueItem{
		i.ID, string(i.Type), i.Project, string(i.Source), i.EnqueuedAt, i.Due, i.Attempts, state(i), i.Reason, i.Size, string(i.Body),
	}
}

func state(i sqlhook.Item) string {
	switch {
	case i.Dead:
		return "dead"
	case i.Running:
		return "running"
	}
	return "waiting"
}

func (q *queueOptions) list(ctx context.Context, queue *sqlhook.Queue, o sqlhook.ListOptions) error {
	items, err := queue.List(ctx, o)
	if err != nil {
		return err
	}
	g := console.Grid{Headings: []string{"STATE", "TRIES", "DUE", "TYPE", "ID", "REASON"}}
	for _, i := range items {
		if q.json {
			if err := q.console.WriteJSON(itemOf(i)); err != nil {
				return err
			}
			continue
		}
		shown := console.Plain(state(i))
		if i.Dead {
			shown = console.Warn("dead")
		}
		g.Row(shown, number(i.Attempts), console.Faint(i.Due.Local().Format(time.DateTime)), console.Calm(string(i.Type)),
			console.Plain(i.ID), console.Faint(i.Reason))
	}
	return q.show(&g, "nothing is there; --dead lists the dead ones")
}

func newShow(q *queueOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a delivery with its body",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return q.withQueue(cmd.Context(), func(queue *sqlhook.Queue) error {
				item, err := queue.Show(cmd.Context(), args[0])
				if err != nil {
					return missing(err)
				}
				return q.console.WriteJSON(itemOf(item))
			})
		},
	}
}

func newRetry(q *queueOptions) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "retry [ID]",
		Short: "Make a delivery due at once, also a dead one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return errors.New("retry needs the ID of a delivery, or --all-dead")
			}
			return q.withQueue(cmd.Context(), func(queue *sqlhook.Queue) error {
				if !all {
					return missing(queue.Retry(cmd.Context(), args[0]))
				}
				n, err := queue.RetryDead(cmd.Context())
				if err == nil {
					q.console.Remark(console.Good("✓ "), console.Plain(strconv.FormatInt(n, 10)+" alive again"))
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all-dead", false, "all dead deliveries of the queue")
	return cmd
}

func newDrop(q *queueOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "drop ID",
		Short: "Delete a delivery that waits or is dead",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return q.withQueue(cmd.Context(), func(queue *sqlhook.Queue) error {
				return missing(queue.Drop(cmd.Context(), args[0]))
			})
		},
	}
}

// missing turns "there is none" into the answer no.
func missing(err error) error {
	if errors.Is(err, sqlhook.ErrNoItem) {
		return console.No("there is no such delivery that is not running")
	}
	return err
}

func number(n int) console.Cell { return console.Plain(strconv.Itoa(n)) }

// show prints a table, or says that there is nothing.
func (q *queueOptions) show(g *console.Grid, empty string) error {
	if q.json {
		return nil
	}
	if g.Len() == 0 {
		q.console.Remark(console.Faint(empty))
		return nil
	}
	return q.console.Write(g.Render(q.console.Width()) + "\n")
}
