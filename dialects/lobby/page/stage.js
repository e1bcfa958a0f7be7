// The tiles: one per participant, with picture, name, who talks and who is muted.

import { $, el, icon } from "./dom.js";

export class Stage {
  // onkick is called with a participant's id when a moderator wants it out.
  constructor({ onkick }) {
    this.onkick = onkick;
    this.people = new Map(); // id → {id, name, muted, dark, talking, stream, tile, video}
    this.moderator = false;
    new ResizeObserver(() => this.#arrange()).observe($("tiles"));
  }

  // arrange gives all tiles the largest size at which they fit, between 4:3 and
  // 16:9.
  #arrange() {
    const box = $("tiles"), n = this.people.size, gap = 12;
    let best = { area: 0, width: 0, height: 0 };
    for (let columns = 1; columns <= n; columns++) {
      const rows = Math.ceil(n / columns);
      const w = (box.clientWidth - gap * (columns - 1)) / columns;
      const h = (box.clientHeight - gap * (rows - 1)) / rows;
      const width = Math.floor(Math.min(w, h * 16 / 9));
      const height = Math.floor(Math.min(h, width * 3 / 4));
      if (width * height > best.area) best = { area: width * height, width, height };
    }
    box.style.setProperty("--width", best.width + "px");
    box.style.setProperty("--height", best.height + "px");
  }

  clear() {
    for (const id of [...this.people.keys()]) this.remove(id);
  }

  // change adds a participant or changes what is known of one.
  change({ id, name, audioMuted, videoMuted, talking, screen, self, moderator }) {
    let p = this.people.get(id);
    if (!p) {
      if (name === undefined) return;
      p = this.#add(id, { self, screen });
    }
    if (name !== undefined) p.name = name;
    if (audioMuted !== undefined) p.muted = audioMuted;
    if (videoMuted !== undefined) p.dark = videoMuted;
    if (talking !== undefined) p.talking = talking;
    if (moderator !== undefined) p.moderator = moderator;
    this.#draw(p);
  }

  remove(id) {
    const p = this.people.get(id);
    if (!p) return;
    this.people.delete(id);
    p.video.srcObject = null;
    p.tile.remove();
    this.#count();
  }

  // media shows a stream, or with null none.
  media(id, stream) {
    const p = this.people.get(id);
    if (!p) return;
    if (p.video.srcObject !== stream) p.video.srcObject = stream;
    p.stream = stream;
    if (stream) {
      p.video.play().catch(() => {}); // the browser plays when it has something
      for (const t of stream.getVideoTracks()) t.onmute = t.onunmute = t.onended = () => this.#draw(p);
    }
    this.#draw(p);
  }

  #add(id, { self = false, screen = false }) {
    const video = el("video", { autoplay: true, playsInline: true, muted: self });
    const mark = el("span", { className: "mark" }, icon("muted"), el("span", { className: "sr" }, "muted"));
    const label = el("span", { className: "name" });
    const kick = el("button", {
      type: "button", className: "kick", textContent: "Remove", onclick: () => this.onkick(id),
    });
    const tile = el("li", { className: "tile" }, el("div", { className: "initials" }), video,
      el("div", { className: "caption" }, mark, label, kick));
    tile.classList.toggle("self", self && !screen);
    tile.classList.toggle("screen", screen);
    video.onresize = video.onplaying = () => this.#draw(this.people.get(id));
    const p = { id, name: "", self, screen, muted: false, dark: false, talking: false, stream: null, tile, video, mark, label, kick };
    this.people.set(id, p);
    if (screen) $("tiles").prepend(tile);
    else $("tiles").append(tile);
    this.#count();
    return p;
  }

  #draw(p) {
    if (!p) return;
    const shown = !p.dark && !!p.stream?.getVideoTracks().some((t) => t.readyState === "live" && t.enabled) && (p.self || p.video.videoWidth > 0);
    p.tile.classList.toggle("seen", shown);
    p.tile.classList.toggle("talking", p.talking && !p.muted);
    p.tile.firstChild.textContent = initials(p.name);
    p.tile.firstChild.dataset.hue = hue(p.name);
    p.mark.hidden = !p.muted;
    p.label.textContent = p.self ? p.name + " (you)" : p.name;
    p.kick.hidden = !this.moderator || p.self || p.id.endsWith("#screen");
    p.kick.setAttribute("aria-label", `Remove ${p.name} from the room`);
    p.tile.setAttribute("aria-label", p.name + (p.muted ? ", muted" : "") + (p.talking ? ", talks" : ""));
  }

  setModerator(on) {
    this.moderator = on;
    for (const p of this.people.values()) this.#draw(p);
  }

  #count() {
    this.#arrange();
    $("alone").hidden = [...this.people.values()].some((p) => !p.self);
  }
}

function initials(name) {
  const words = name.replace(/\(.*\)/, "").trim().split(/\s+/).filter(Boolean);
  return words.slice(0, 2).map((w) => [...w][0].toUpperCase()).join("") || "?";
}

// hue picks one of eight colours for a name.
function hue(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) >>> 0;
  return h % 8;
}
