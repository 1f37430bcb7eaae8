package inspector

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"path"
	"strings"
)

//go:embed assets pages
var files embed.FS

var views = template.Must(template.New("").Funcs(template.FuncMap{"group": newGroup}).ParseFS(files, "pages/*.html"))

// routes serves the requests of the page. They are told apart by how their path
// ends, so that the page works below any prefix, stripped or not; every link is
// relative.
func (i *Inspector) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /list", i.reading(i.list))
	mux.HandleFunc("GET /events", i.stream)
	mux.HandleFunc("GET /deliveries/{id}", i.reading(i.show))
	mux.HandleFunc("GET /deliveries/{id}/body", i.reading(i.body))
	mux.HandleFunc("POST /deliveries/{id}/replay", i.reading(i.replay))
	mux.HandleFunc("GET /send", i.compose)
	mux.HandleFunc("POST /send", i.send)
	mux.HandleFunc("GET /faults", i.showFaults)
	mux.HandleFunc("POST /faults", i.switchFault)
	mux.HandleFunc("GET /assets/{name}", asset)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "inspector: there is no such page", http.StatusNotFound)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "" { // below http.StripPrefix, and without the slash at the end
			whole, _, _ := strings.Cut(req.RequestURI, "?")
			w.Header().Set("Location", "./"+path.Base(whole)+"/")
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		own := req.Clone(req.Context())
		own.URL.Path, own.URL.RawPath = ending(req.URL.Path), ""
		own.Body = http.MaxBytesReader(w, req.Body, mostForm)
		mux.ServeHTTP(w, own)
	})
}

// reading serves a page that takes records out of the shelf.
func (i *Inspector) reading(page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		defer i.shelf.read()()
		page(w, req)
	}
}

const mostForm = 2 << 20

// ending returns the part of a path that says what is asked for.
func ending(p string) string {
	if strings.HasSuffix(p, "/") {
		return "/list"
	}
	parts := strings.Split(p, "/")
	from := func(n int) string {
		if n > len(parts) {
			return ""
		}
		return parts[len(parts)-n]
	}
	switch last := from(1); {
	case (last == "replay" || last == "body") && from(3) == "deliveries":
		return "/deliveries/" + from(2) + "/" + last
	case from(2) == "deliveries" || from(2) == "assets":
		return "/" + from(2) + "/" + last
	case last == "events" || last == "send" || last == "faults":
		return "/" + last
	}
	return "/unknown"
}

// frame is what every page has.
type frame struct {
	Title  string
	Root   string // the way from the page to the list: "" or "../"
	Here   string
	Faulty bool // there are faults to switch
}

func (i *Inspector) frame(root, here string) frame {
	titles := map[string]string{"list": "Deliveries", "send": "Send a sample", "faults": "Faults"}
	return frame{Title: titles[here], Root: root, Here: here, Faulty: i.faults != nil}
}

type missingPage struct {
	frame
	What string
}

func (i *Inspector) missing(w http.ResponseWriter, root, what string) {
	f := i.frame(root, "")
	f.Title = "Not here"
	i.render(w, http.StatusNotFound, "missing", missingPage{f, what})
}

func (i *Inspector) render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := views.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, "inspector: the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // a client that is gone cannot be told so
}

var assetTypes = map[string]string{
	"style.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
}

func asset(w http.ResponseWriter, req *http.Request) {
	name := req.PathValue("name")
	data, err := files.ReadFile("assets/" + name)
	if err != nil || assetTypes[name] == "" {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", assetTypes[name])
	_, _ = w.Write(data)
}
