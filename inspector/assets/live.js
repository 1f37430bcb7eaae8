// Keeps a list of deliveries up to date and lets the keyboard move in it. What a
// delivery says becomes text, never markup.

class LiveDeliveries extends HTMLElement {
  connectedCallback() {
    this.list = this.querySelector("ol.rows");
    this.blank = this.querySelector("template");
    this.empty = this.querySelector(".empty");
    this.more = this.querySelector("a.more");
    this.pulse = this.querySelector(".pulse");
    this.missed = 0;
    this.position = this.dataset.after;
    // A browser opens few connections to one server, so a hidden page
    // keeps none; it catches up when it is shown again.
    this.seen = () => (document.hidden ? this.rest() : this.listen());
    document.addEventListener("visibilitychange", this.seen);
    addEventListener("pagehide", () => this.rest());
    addEventListener("pageshow", this.seen);
    this.seen();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.seen);
    removeEventListener("pageshow", this.seen);
    this.rest();
  }

  listen() {
    if (this.source) return;
    this.source = new EventSource(`events?after=${encodeURIComponent(this.position)}`);
    this.source.addEventListener("open", () => this.state("on", "live"));
    this.source.addEventListener("error", () => this.state("off", "connection lost"));
    this.source.addEventListener("reload", () => this.offer("Some deliveries are not shown: reload"));
    this.source.addEventListener("rows", (event) => {
      this.position = event.lastEventId;
      this.take(JSON.parse(event.data));
    });
  }

  rest() {
    this.source?.close();
    this.source = undefined;
    this.state("off", "paused");
  }

  state(value, words) {
    if (this.pulse.dataset.state === value) return;
    this.pulse.dataset.state = value;
    this.pulse.querySelector("[data-text]").textContent = words;
  }

  take({ rows, missed = {}, counts }) {
    const show = this.dataset.show;
    const fresh = document.createDocumentFragment();
    rows.sort((a, b) => b.seq - a.seq);
    for (const row of rows) {
      if (show && show !== row.kind) continue;
      if (document.getElementById(`d${row.seq}`)) continue;
      fresh.append(this.line(row));
    }
    this.list.prepend(fresh);
    this.empty.hidden = this.list.childElementCount > 0;
    this.forget("handled", counts.handled);
    this.forget("refused", counts.refused);
    this.count({ ...counts, all: counts.handled + counts.refused });
    for (const kind in missed) if (!show || show === kind) this.missed += missed[kind];
    if (this.missed) this.offer(`${this.missed} more arrived: reload to see those that are kept`);
  }

  line(row) {
    const item = this.blank.content.cloneNode(true).firstElementChild;
    const link = item.querySelector("a");
    link.id = `d${row.seq}`;
    link.href = `deliveries/${Number(row.seq)}`;
    link.dataset.kind = row.kind;
    link.classList.add(row.tone, "fresh");
    link.classList.toggle("claimed", row.claimed);
    for (const place of link.querySelectorAll("[data-text]")) place.textContent = row[place.dataset.text];
    link.querySelector("time").dateTime = row.stamp;
    return item;
  }

  // The oldest of a kind go when more are shown than are kept.
  forget(kind, most) {
    const links = this.list.querySelectorAll(`a[data-kind="${kind}"]`);
    for (const link of [...links].slice(most)) {
      if (link !== document.activeElement) link.parentElement.remove();
    }
  }

  count(counts) {
    for (const place of this.querySelectorAll("[data-count]")) place.textContent = counts[place.dataset.count];
  }

  offer(words) {
    this.more.textContent = words;
    this.more.hidden = false;
  }
}

customElements.define("live-deliveries", LiveDeliveries);

// In a list j and k, or the arrows, move from row to row; on other pages a key follows the
// link that names it.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const link = [...document.querySelectorAll("a[data-key]")].find((a) => a.dataset.key === event.key);
  if (link) return link.click();
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  const rows = [...document.querySelectorAll("ol.rows a.row")];
  const at = rows.indexOf(document.activeElement);
  if (!step || !rows.length || (at < 0 && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)].focus();
});
