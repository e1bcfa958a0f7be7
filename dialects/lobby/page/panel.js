// The panel with the frames on the wire: what the protocol really says.

import { $, el } from "./dom.js";

const SHOWN = 300; // rows kept in the page

export class Panel {
  constructor(frames) {
    this.frames = frames;
    this.paused = false;
    this.queue = [];
    frames.listeners.add((f) => this.#queue(f));
    $("filter").oninput = () => this.#refill();
    $("pause").onclick = () => {
      this.paused = !this.paused;
      $("pause").setAttribute("aria-pressed", String(this.paused));
      $("pause").textContent = this.paused ? "Go on" : "Pause";
      if (!this.paused) this.#refill();
    };
    $("clear").onclick = () => {
      frames.clear();
      $("frames").replaceChildren();
    };
  }

  // Frames come in bursts; the page is changed once per picture.
  #queue(f) {
    if (this.queue.push(f) > 1) return;
    requestAnimationFrame(() => {
      const batch = this.queue.splice(0);
      $("counts").textContent = `${this.frames.counts.out} sent, ${this.frames.counts.in} received`;
      if (this.paused) return;
      this.#append(batch.filter((x) => this.#matches(x)));
    });
  }

  #matches(f) {
    const wanted = $("filter").value.trim().toLowerCase();
    return !wanted || (title(f) + " " + f.text + " " + f.via).toLowerCase().includes(wanted);
  }

  #refill() {
    $("frames").replaceChildren();
    this.#append(this.frames.list.filter((f) => this.#matches(f)));
  }

  #append(list) {
    const box = $("frames");
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(...list.slice(-SHOWN).map(row));
    while (box.childElementCount > SHOWN) box.firstElementChild.remove();
    if (follows) box.scrollTop = box.scrollHeight;
  }
}

const arrows = { out: "▲", in: "▼", note: "·" };
const said = { out: "sent", in: "received", note: "note" };

function row(f) {
  const head = [
    el("span", { className: "arrow", title: said[f.dir] }, arrows[f.dir]),
    el("time", {}, f.at.toTimeString().slice(0, 8) + "." + String(f.at.getMilliseconds()).padStart(3, "0")),
    el("span", { className: "title" }, title(f)),
    el("span", { className: "via", title: f.via }, f.via),
  ];
  if (f.dir === "note") return el("li", { className: "note" }, el("div", { className: "head" }, ...head));
  const details = el("details", {}, el("summary", { className: "head", title: `${said[f.dir]} over ${f.via}, ${size(f.text.length)}` }, ...head));
  // The tree is built when somebody looks.
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) {
      details.append(el("div", { className: "json" }, f.data === null ? el("pre", {}, f.text || "(empty)") : tree(f.data)));
    }
  });
  return el("li", { className: f.dir }, details);
}

const size = (n) => (n < 1000 ? n + " B" : (n / 1024).toFixed(1) + " KiB");

// title is what kind of message this is, in the protocol's own words.
function title(f) {
  const d = f.data;
  if (f.title) return f.title;
  if (f.dir === "note" || d === null || typeof d !== "object") return f.text.slice(0, 120);
  if (d.messageType) return d.messageType + (d.status ? " " + d.status : "") + (d.event ? " " + d.event : "");
  if (d.invoke) return d.invoke.operationName;
  if (d.result) return (d.result.result.result._type || "result").replace("Asn", "");
  if (d.error) return `error ${d.error.error_value} ${d.error.error.u8sErrorString}`;
  if (d.reject) return "reject " + (d.reject.details || "");
  if (d.namespace && d.payload) {
    const { action, message, error, media_session_type: sort, kind, receiving, content } = d.payload;
    const details = [error, sort, kind, typeof receiving === "boolean" ? String(receiving) : "", content?.slice(0, 40)];
    return [d.namespace, action || message, ...details].filter(Boolean).join(" ");
  }
  if (d.class && d.cmd) { // a request of NkMEDIA, either way
    const { subclass, type, obj_id: about } = d.data || {};
    return [d.class, d.subclass, d.cmd, ...(d.cmd === "event" ? [subclass, type, about?.slice(0, 16)] : [type])].filter(Boolean).join(" ");
  }
  if (d.result) return [d.result, d.tid, d.data?.code, d.data?.error].filter((x) => x !== undefined).join(" ");
  if (d.ack !== undefined) return "ack " + d.ack;
  // Documents of Spreed: bare, in an envelope, or below a key of their own name.
  let inner = d.Data || d;
  if (inner.Type && inner[inner.Type]?.Type === inner.Type) inner = inner[inner.Type];
  const kind = inner.Type || (d.m ? "m: " + d.m : Object.keys(inner)[0] || "{}");
  const details = [inner.Code, inner.Status?.displayName, inner.Chat?.Message, inner.Talking];
  const detail = details.find((x) => typeof x === "boolean" || typeof x === "string" && x);
  return kind + (detail === undefined ? "" : " " + String(detail).slice(0, 40));
}

// tree shows JSON as lines that open and close. Texts of many lines, such as SDP,
// keep their lines.
function tree(value, key) {
  const name = key === undefined ? null : el("span", { className: "key" }, key + ": ");
  if (value === null || typeof value !== "object") {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (typeof value === "string" && value.includes("\n")) {
      return el("details", { className: "branch" }, el("summary", {}, name, el("span", { className: "more" }, `${value.trim().split("\n").length} lines`)),
        el("pre", {}, value.trim()));
    }
    return el("div", { className: "leaf" }, name, el("span", { className: value === null ? "null" : typeof value }, text === "" ? "\"\"" : text));
  }
  const entries = Object.entries(value);
  const shape = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  if (!entries.length) return el("div", { className: "leaf" }, name, el("span", { className: "more" }, Array.isArray(value) ? "[]" : "{}"));
  return el("details", { className: "branch", open: true }, el("summary", {}, name, el("span", { className: "more" }, shape)),
    ...entries.map(([k, v]) => tree(v, k)));
}
