// Sockets with a log of every frame, and the peer connections' share of it.

// Frames keeps what went over the wire, newest last, for the panel and for tests.
export class Frames {
  static limit = 500;
  constructor() {
    this.list = [];
    this.counts = { in: 0, out: 0 };
    this.listeners = new Set();
  }

  // add notes one frame. dir is "out", "in" or "note"; via says which socket or data
  // channel. Requests over HTTP have a title, because their body does not say what
  // they are.
  add(dir, via, text, title = "") {
    let data = null;
    if (dir !== "note") {
      this.counts[dir]++;
      try { data = JSON.parse(text); } catch { /* shown as text */ }
    }
    const frame = { n: this.counts.in + this.counts.out, at: new Date(), dir, via, text, data, title };
    this.list.push(frame);
    if (this.list.length > Frames.limit) this.list.shift();
    for (const f of this.listeners) f(frame);
  }

  clear() { this.list = []; }
}

// Trouble is an error that a person can do something about. code is one of
// "password", "locked", "full", "missing", "banned", "unreachable", "refused".
export class Trouble extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

let sockets = 0;

// Socket is a WebSocket that speaks JSON, one document per frame.
export class Socket {
  // open resolves when the connection stands.
  static open(url, protocols, frames) {
    return new Promise((resolve, reject) => {
      const via = "ws " + ++sockets;
      let ws;
      try {
        ws = new WebSocket(url, protocols);
      } catch (e) {
        reject(new Trouble("unreachable", `The address ${url} cannot be opened: ${e.message}`));
        return;
      }
      const s = new Socket(ws, via, frames);
      ws.onopen = () => {
        frames.add("note", via, `open ${url}${ws.protocol ? " (" + ws.protocol + ")" : ""}`);
        resolve(s);
      };
      ws.onerror = () => reject(new Trouble("unreachable",
        "The server does not answer. Is it still running? Try again in a moment."));
    });
  }

  constructor(ws, via, frames) {
    this.ws = ws;
    this.via = via;
    this.frames = frames;
    this.onmessage = () => {};
    this.onclose = () => {};
    ws.onmessage = (e) => {
      if (typeof e.data !== "string") return;
      frames.add("in", via, e.data);
      let doc;
      try { doc = JSON.parse(e.data); } catch { return; }
      this.onmessage(doc);
    };
    ws.onclose = (e) => {
      frames.add("note", via, `closed ${e.code}${e.reason ? " " + e.reason : ""}`);
      this.onclose(e);
    };
  }

  get open() { return this.ws.readyState === WebSocket.OPEN; }

  send(doc) {
    if (!this.open) return;
    const text = JSON.stringify(doc);
    this.frames.add("out", this.via, text);
    this.ws.send(text);
  }

  close() {
    this.ws.onmessage = null;
    this.onclose = () => {};
    this.ws.close(1000);
  }
}

// Emitter calls who listens. One event, one object.
export class Emitter {
  #on = new Map();
  on(event, f) {
    if (!this.#on.has(event)) this.#on.set(event, new Set());
    this.#on.get(event).add(f);
    return this;
  }
  emit(event, detail) {
    for (const f of this.#on.get(event) || []) f(detail);
  }
}

// socketURL turns a path on this server into a WebSocket address.
export function socketURL(path) {
  const u = new URL(path, location.href);
  u.protocol = u.protocol === "https:" ? "wss:" : "ws:";
  u.hash = "";
  return u.href;
}

export function randomHex(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
}
