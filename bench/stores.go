package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// The stores: what claim and commit of a delivery cost, and what a whole delivery
// whose callback writes a row.

// networkDelay is what the slow network takes in each direction.
const networkDelay = 500 * time.Microsecond

func (b *bench) stores() error {
	defer allProcessors()()
	if err := b.claims(); err != nil {
		return err
	}
	return b.transactions()
}

// claimTask claims and commits one key after the other. Each call has a deadline, as
// those of a receiver have.
func claimTask(name string, store sonzaihook.Store) task {
	return task{name: name, do: func(ctx context.Context, n int64) error {
		key := fmt.Sprintf("proj_demo|agent.message|agent_luna|evt_%016d", n)
		claim, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		state, err := store.Claim(claim, key, "token", time.Minute)
		if err != nil {
			return err
		}
		if state != sonzaihook.Claimed {
			return fmt.Errorf("claim of a new key: %v", state)
		}
		commit, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return store.Commit(commit, key, "token", time.Minute)
	}}
}

// plainTask is the place of the plain client among the tasks of Redis.
const plainTask = 1

// redisTasks has the memory store, and each client that the adapters recommend.
func (s *servers) redisTasks(addr string) ([]task, error) {
	tasks := []task{claimTask("memory", sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity))}
	client := func(size int) *goredis.Client {
		c := goredis.NewClient(&goredis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: size})
		s.atEnd(func() { _ = c.Close() })
		return c
	}
	pipeliner, err := client(0).AutoPipeline()
	if err != nil {
		return nil, err
	}
	async, err := client(0).AsyncAutoPipeline()
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		name     string
		scripter goredis.Scripter
	}{
		{"plain client", client(0)}, {"plain, pool of 256", client(256)},
		{"AutoPipeline", pipeliner}, {"AsyncAutoPipeline", async},
	} {
		store, err := redishook.New(c.scripter)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, claimTask(c.name, store))
	}
	other, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		return nil, err
	}
	s.atEnd(other.Close)
	store, err := rueidishook.New(other)
	if err != nil {
		return nil, err
	}
	return append(tasks, claimTask("rueidishook", store)), nil
}

func (b *bench) claims() error {
	addr, err := b.servers.redis(b.ctx, "everysec")
	if err != nil {
		if notInstalled(err) {
			b.paper.title("Redis: claim and commit", "Not measured: "+err.Error()+".")
			return nil
		}
		return err
	}
	proxy, err := newDelayed(addr, networkDelay)
	if err != nil {
		return err
	}
	b.servers.atEnd(proxy.close)
	for _, network := range []struct{ name, about, addr string }{
		{"Redis: claim and commit, on loopback", "Two round trips for each delivery, so many deliveries at a time, an append-only file that is flushed every second. × is how many times as many as the plain client in the same round.", addr},
		{"Redis: claim and commit, over a network", "The same through a proxy that delays every byte by 0.5 ms in each direction, without holding up those behind it: a round trip takes 1 ms, and what the proxy adds.", proxy.addr()},
	} {
		tasks, err := b.servers.redisTasks(network.addr)
		if err != nil {
			return err
		}
		b.paper.title(network.name, network.about)
		if err := b.claimsOver(network.name, tasks); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) claimsOver(name string, tasks []task) error {
	var rows []table.Row
	var aims []aim
	for _, callers := range []int{1, 16, 64, 256} {
		results, err := b.contest(fmt.Sprintf("%s, %d at a time", name, callers), callers, 8, tasks)
		if err != nil {
			return err
		}
		plain := &results[plainTask]
		for i := range results {
			r := &results[i]
			rows = append(rows, table.Row{r.name, callers, thousands(r.rate()), ratio(r.faster(plain)), span(r.percentile(50)), span(r.percentile(99))})
		}
		if callers == 64 {
			for i := plainTask + 2; i < len(results); i++ {
				r := &results[i]
				slower := float64(r.percentile(99)) / float64(plain.percentile(99))
				aims = append(aims, newAim("64 at a time: "+r.name+" ÷ plain", atLeast, r.faster(plain), 2, ratio),
					newAim("· its p99 ÷ that of plain", atMost, slower, 1, ratio))
			}
		}
	}
	b.paper.table(table.Row{"", "at a time", "per s", "×", "p50", "p99"}, rows)
	b.paper.aims(aims)
	return nil
}

// claimTasks has claim and commit in each store, for the table of transactions.
func (b *bench) claimTasks() ([]task, error) {
	tasks := []task{claimTask("memory", sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity))}
	for _, fsync := range []string{"everysec", "always"} {
		name := "Redis, appendfsync " + fsync
		store, err := b.redisStore(fsync)
		if err != nil {
			if !notInstalled(err) {
				return nil, err
			}
			tasks = append(tasks, task{name: name, missing: err})
			continue
		}
		tasks = append(tasks, claimTask(name, store))
	}
	for _, d := range dialects {
		store, _, err := b.servers.store(b.ctx, d.dialect)
		if err != nil {
			if !notInstalled(err) {
				return nil, err
			}
			tasks = append(tasks, task{name: d.name, missing: err})
			continue
		}
		tasks = append(tasks, claimTask(d.name, store))
	}
	return tasks, nil
}

var dialects = []struct {
	name    string
	dialect sqlhook.Dialect
}{{"PostgreSQL", sqlhook.Postgres}, {"MariaDB", sqlhook.MySQL}, {"SQLite", sqlhook.SQLite}}

// redisStore returns a store with a plain client, the fastest with few at a time.
func (b *bench) redisStore(fsync string) (sonzaihook.Store, error) {
	addr, err := b.servers.redis(b.ctx, fsync)
	if err != nil {
		return nil, err
	}
	client := goredis.NewClient(&goredis.Options{Addr: addr, ContextTimeoutEnabled: true})
	b.servers.atEnd(func() { _ = client.Close() })
	return redishook.New(client)
}
