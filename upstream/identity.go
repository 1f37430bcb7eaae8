package upstream

import (
	"cmp"
	"encoding/json"

	"github.com/sonzaihook/sonzaihook"
)

func identityOf(d *sonzaihook.Delivery) (id string, named bool) {
	var envelope struct {
		EventID string `json:"event_id"`
		ID      string `json:"id"`
	}
	if json.Unmarshal(d.Body, &envelope) != nil {
		return "", false
	}
	id = cmp.Or(envelope.EventID, envelope.ID)
	return id, id != ""
}
