package inspector

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// unplayable says why a delivery cannot be replayed, or nothing. What the receiver
// did not believe must not reach a callback by way of this page.
func (i *Inspector) unplayable(r *record) string {
	switch {
	case i.hooks == nil || r.origin == sent:
		return "It was sent from here, and there is no receiver that could take it again. Send a sample, or let the platform try again."
	case r.out == nil || !r.out.authentic:
		return "Only a delivery whose signature was right can be replayed. Mend what is wrong with it; the platform's own replay then brings it again."
	case r.out.id == "":
		return "It could not be decoded, so there is nothing that a callback could take."
	case !r.whole || len(r.body) == 0:
		return "Its bytes were not kept, or not all of them."
	}
	return ""
}

// replay hands a delivery to the receiver once more: as a copy, which a receiver
// that handled it recognises, or as a new event under a new identity.
func (i *Inspector) replay(w http.ResponseWriter, req *http.Request) {
	r := i.wanted(w, req)
	if r == nil {
		return
	}
	if why := i.unplayable(r); why != "" {
		http.Error(w, "inspector: "+why, http.StatusConflict)
		return
	}
	d := &sonzaihook.Delivery{
		ID: r.out.id, Type: sonzaihook.EventType(r.out.typ), Project: r.out.project,
		SignedAt: r.out.signedAt, Source: sonzaihook.SourceReplay, Body: bytes.Clone(r.body),
	}
	switch how := req.PostFormValue("as"); how {
	case "copy":
	case "new":
		d.ID = "inspector:" + rand.Text()
	default:
		http.Error(w, `inspector: as is "copy" or "new"`, http.StatusBadRequest)
		return
	}
	seq := i.dispatch(req.Context(), d, r.seq)
	w.Header().Set("Location", fmt.Sprintf("../%d", seq))
	w.WriteHeader(http.StatusSeeOther)
}

// dispatch hands a delivery to the receiver and keeps what became of it.
func (i *Inspector) dispatch(ctx context.Context, d *sonzaihook.Delivery, of uint64) uint64 {
	p := newPending(ctx, i, replayed)
	p.r.home = nil // callbacks may keep the body, which is the record's as well
	p.r.of, p.r.body, p.r.length, p.r.whole = of, d.Body, int64(len(d.Body)), true
	out := i.hooks.Dispatch(p, d)
	p.r.took, p.r.out, p.r.status = time.Since(p.started), newResult(&out), out.Status
	p.r.answer = out.Body()
	return i.keep(p.r)
}
