package signature

import "container/list"

// lru keeps the most recently used values.
type lru[V any] struct {
	capacity int
	order    *list.List // of item[V], the least recently used first
	index    map[string]*list.Element
}

type item[V any] struct {
	key   string
	value V
}

func newLRU[V any](capacity int) lru[V] {
	return lru[V]{capacity: capacity, order: list.New(), index: make(map[string]*list.Element)}
}

func (m *lru[V]) get(key string) (V, bool) {
	e, ok := m.index[key]
	if !ok {
		var none V
		return none, false
	}
	m.order.MoveToBack(e)
	return e.Value.(item[V]).value, true
}

func (m *lru[V]) put(key string, value V) {
	m.drop(key)
	if m.order.Len() == m.capacity {
		m.drop(m.order.Front().Value.(item[V]).key)
	}
	m.index[key] = m.order.PushBack(item[V]{key, value})
}

func (m *lru[V]) drop(key string) {
	if e, ok := m.index[key]; ok {
		m.order.Remove(e)
		delete(m.index, key)
	}
}
