package inspector

import (
	"net/http"
)

// faultsPage is the page with the switches of a simulated platform.
type faultsPage struct {
	frame
	Switches []faultSwitch
}

type faultSwitch struct {
	Fault
	Shown []chunk
}

func (i *Inspector) showFaults(w http.ResponseWriter, _ *http.Request) {
	if i.faults == nil {
		i.missing(w, "", "There is no simulated platform here whose faults could be switched.")
		return
	}
	p := faultsPage{frame: i.frame("", "faults")}
	for _, f := range i.faults.List() {
		p.Switches = append(p.Switches, faultSwitch{f, chunks(f.Description, 1000, false)})
	}
	i.render(w, http.StatusOK, "faults", p)
}

func (i *Inspector) switchFault(w http.ResponseWriter, req *http.Request) {
	if i.faults == nil {
		i.missing(w, "", "There is no simulated platform here whose faults could be switched.")
		return
	}
	if err := i.faults.Switch(req.PostFormValue("name"), req.PostFormValue("on") == "true"); err != nil {
		http.Error(w, "inspector: "+plain(err.Error(), longestMessage), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Location", "faults")
	w.WriteHeader(http.StatusSeeOther)
}
