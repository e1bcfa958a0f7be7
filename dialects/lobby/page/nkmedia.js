// A small NkMEDIA client. It does what the browser client of that system does, in
// the words of the version that has conferences: requests both ways over one
// WebSocket, one connection for what it sends and one for each publisher that it
// listens to. Nothing is ever negotiated anew.

import { Emitter, Trouble, socketURL } from "./wire.js";
import { Calls, Refusal, codes, sessionID } from "./nkcalls.js";

// Clients that have no word for a screen send it as one more participant, and call
// it so.
const isScreen = (name) => name.endsWith(" (screen)");

const LOOK = 500; // ms between looks at whether pictures arrive
const STILL = 3000; // ms without one until a camera is taken for off

// people turns what the server refuses into words for people.
function people(e) {
  if (!(e instanceof Refusal)) return e;
  switch (e.number) {
    case codes.unauthorized: return new Trouble("password", "The password is wrong, or the room needs one.");
    case codes.invalidOperation: return new Trouble("full", "The room is full.");
    case codes.noConference: return new Trouble("missing", "There is no such room any more.");
    case codes.noServer: return new Trouble("unreachable", "The server takes nobody in right now. Try again in a moment.");
    default: return new Trouble("refused", "The server refused: " + e.message);
  }
}

export class Client extends Emitter {
  dialect = "nkmedia";
  can = { kick: false, lock: false, screen: false, secret: false, admit: false };

  constructor({ path, frames, room, name, password, stream }) {
    super();
    Object.assign(this, { path, frames, room, name, password: password || "", stream });
    this.members = new Map(); // session id → {id, role, name, peer}
    this.shown = new Map(); // id of a tile → is it a screen?
    this.listening = new Map(); // publisher's session id → {id, pc}
    this.own = new Set(); // ids of our sessions; we choose them, so events that overtake an answer are known
    this.read = new Set(); // msg_id
    this.early = []; // events that came before we know who is there
    this.muted = { audio: false, video: false };
  }

  async join() {
    try {
      await this.#login();
      await this.#conference();
      // Who has to wait to be let in does so here; only then is there something to see.
      if (this.stream?.getTracks().length) await this.#publish();
      else await this.#conf("get_info"); // the server remembers the password for the rest
      await this.#lookAround();
    } catch (e) {
      this.#quit();
      throw people(e);
    }
  }

  async #login() {
    this.calls = await Calls.open(socketURL(this.path + "nkapi/ws"), this.frames);
    this.calls.onclosed = () => this.over("lost", "The connection to the server is lost.");
    this.calls.onevent = (e) => this.#event(e);
    try {
      // A user's password is not the room's, and the lobby knows none: it is for
      // servers that let everybody in.
      const { session_id } = await this.calls.request("core/user/login", { user: this.name, pass: "lobby" });
      this.api = session_id;
    } catch (e) {
      if (e.number !== codes.unauthorized) throw e;
      throw new Trouble("refused", `This server does not let ${this.name} log in without a password of its own.`);
    }
  }

  async #conference() {
    try {
      await this.calls.request("media/conf/create", { class: "sfu", conf_id: this.room });
    } catch (e) {
      if (e.number !== codes.exists) throw e; // then we come to the others
    }
  }

  // conf asks something about the room.
  #conf(cmd, fields = {}) { return this.calls.request("media/conf/" + cmd, this.#secret({ conf_id: this.room, ...fields })); }

  #secret(fields) { return this.password ? { ...fields, password: this.password } : fields; }

  // lookAround subscribes, and then asks who is there and what was said: nobody is
  // missed in between.
  async #lookAround() {
    await this.calls.request("core/event/subscribe", { class: "media", subclass: "conf", obj_id: this.room });
    const { members } = await this.#conf("get_info");
    const log = await this.#conf("msglog_get");
    this.id = this.publishing?.id || "api-" + this.api;
    this.emit("joined", { id: this.id, moderator: false, speaker: true, locked: false });
    for (const [id, m] of Object.entries(members)) this.members.set(id, { id, role: m.role, name: m.user_id, peer: m.peer_id });
    for (const id of this.members.keys()) this.#meet(id);
    for (const m of log) this.said(m);
    for (const e of this.early.splice(0)) this.#event(e);
    this.timer = setInterval(() => this.#look(), LOOK);
  }

  // look finds out whose camera is off, which nobody says: no pictures come any more.
  // A screen may stand still.
  #look() {
    for (const [id, l] of this.listening) {
      const at = l.pc.getReceivers().find((r) => r.track.kind === "video")?.getSynchronizationSources()[0]?.timestamp;
      const now = performance.now();
      if (at !== undefined && at !== l.at) Object.assign(l, { at, seen: now });
      const dark = l.seen !== undefined && now - l.seen > STILL && this.shown.get(id) === false;
      if (dark !== l.dark) this.emit("member", { id, videoMuted: l.dark = dark });
    }
  }

  // publish sends camera and microphone.
  async #publish() {
    const id = this.#session();
    const pc = new RTCPeerConnection();
    this.publishing = { id, pc };
    for (const t of this.stream.getTracks()) pc.addTransceiver(t, { direction: "sendonly", streams: [this.stream] });
    await pc.setLocalDescription();
    const offer = { sdp: await gathered(pc) };
    const waits = () => this.emit("problem", { text: "This takes long. Perhaps somebody has to let you in." });
    const request = this.#secret({ type: "publish", session_id: id, conf_id: this.room, wait_reply: true, offer, ...this.#mutes() });
    const { answer } = await this.calls.request("media/session/create", request, waits);
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.emit("problem", { text: "" });
  }

  #mutes() { return { mute_audio: this.muted.audio, mute_video: this.muted.video }; }

  #session() {
    const id = sessionID();
    this.own.add(id);
    return id;
  }

  // listen gets what a publisher sends.
  async #listen(publisher) {
    const id = this.#session();
    const pc = new RTCPeerConnection();
    const l = { id, pc, dark: false };
    this.listening.set(publisher, l);
    const stream = new MediaStream();
    pc.ontrack = (e) => {
      stream.addTrack(e.track);
      this.emit("media", { id: publisher, stream });
    };
    try {
      const request = this.#secret({ type: "listen", session_id: id, publisher_id: publisher, wait_reply: true });
      const { offer } = await this.calls.request("media/session/create", request);
      if (this.listening.get(publisher) !== l) return this.#destroy(id); // it has ended meanwhile
      this.#show(publisher, offer.sdp);
      await pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
      await pc.setLocalDescription();
      await this.calls.request("media/session/set_answer", { session_id: id, answer: { sdp: await gathered(pc) } });
    } catch (e) {
      if (this.listening.get(publisher) !== l) return;
      this.frames.add("note", "media", `negotiation failed: ${e.message}`);
      this.#show(publisher, "");
      this.#unlisten(publisher);
      this.#destroy(id);
    }
  }

  #unlisten(publisher) {
    this.listening.get(publisher)?.pc.close();
    this.listening.delete(publisher);
  }

  // destroy ends a session of ours; there is nothing to do if it has ended by itself.
  #destroy(id) { this.calls.request("media/session/destroy", { session_id: id }).catch(() => {}); }

  #event(e) {
    if (this.done) return;
    if (this.id) events[[e.class, e.subclass, e.type].join("/")]?.(this, e.body || {}, e.obj_id);
    else this.early.push(e);
  }

  started({ session_id: id, role, user_id: name, peer_id: peer }) {
    this.members.set(id, { id, role, name, peer });
    this.#meet(id);
  }

  stopped({ session_id: id }) {
    if (!this.members.delete(id)) return;
    this.#unlisten(id);
    if (this.shown.delete(id)) this.emit("gone", { id });
    for (const m of this.members.values()) this.#meet(m.id); // who only listens from now on, or whose screen is left
    this.#sweep();
  }

  // meet shows a member. A publisher is one when its offer says what it sends; who
  // only listens has a session for each publisher, and is one tile.
  #meet(id) {
    const m = this.members.get(id);
    if (this.own.has(id)) return;
    if (m.role === "publisher") {
      if (this.shown.has(id)) this.#tell(id);
      else if (!this.listening.has(id)) this.#listen(id);
    } else if (!m.peer) {
      this.shown.set(id, false);
      this.#tell(id);
    } else if (m.name !== this.name && !this.#sends(m.name)) {
      const tile = "user-" + m.name;
      this.shown.set(tile, false);
      this.emit("member", { id: tile, name: m.name });
    }
    this.#sweep();
  }

  // sends reports whether somebody is a publisher.
  #sends(name) { return [...this.members.values()].some((m) => m.name === name && m.role === "publisher"); }

  // sweep takes away the tiles of those who only listened.
  #sweep() {
    for (const tile of this.shown.keys()) {
      const name = tile.startsWith("user-") ? tile.slice("user-".length) : null;
      if (name === null || !this.#sends(name) && [...this.members.values()].some((m) => m.peer && m.name === name)) continue;
      this.shown.delete(tile);
      this.emit("gone", { id: tile });
    }
  }

  // show makes a publisher's tile. That it is a screen nobody says: it is one of two
  // publishers of the same name, and has no sound.
  #show(id, sdp) {
    const m = this.members.get(id);
    if (!m) return;
    const camera = [...this.members.values()].some((o) => o.id !== id && o.name === m.name && o.role === "publisher" && !this.shown.get(o.id));
    this.shown.set(id, isScreen(m.name) || camera && !/^m=audio/m.test(sdp));
    this.#tell(id);
  }

  #tell(id) {
    const { name } = this.members.get(id), screen = this.shown.get(id);
    this.emit("member", { id, name: screen && !isScreen(name) ? name + " (screen)" : name, screen });
  }

  // ended: a session is over. That of a publisher who goes is told by its conference,
  // too; others are tried once more.
  ended(id, { code }) {
    if (!this.own.delete(id)) return;
    if (code === codes.stopped) this.over("kicked", "A moderator has removed you from the room.");
    else if (code === codes.destroyed) this.over("time", "The room is closed.");
    else if (id === this.publishing?.id) this.#again();
    else this.#lost(id, code);
  }

  #lost(id, code) {
    const publisher = [...this.listening].find(([, l]) => l.id === id)?.[0];
    if (!publisher) return;
    this.#unlisten(publisher);
    this.emit("media", { id: publisher, stream: null });
    if (code !== codes.publisherStopped && this.members.has(publisher)) this.#listen(publisher);
  }

  async #again() {
    this.publishing.pc.close();
    try {
      await this.#publish();
    } catch (e) {
      this.emit("problem", { text: "The others do not see and hear you. " + people(e).message });
    }
  }

  said({ msg_id, user_id: name, session_id: from, text }) {
    if (typeof text !== "string" || this.read.has(msg_id)) return; // other clients log things that are not for people
    this.read.add(msg_id);
    this.emit("chat", { from, name, text, own: from === this.api });
  }

  // say shows nothing: the server tells us, too, what we have said.
  async say(text) {
    try { await this.#conf("msglog_send", { msg: { type: "text", text } }); } catch (e) { throw people(e); }
  }

  // mute lets the server forward nothing, and gives it nothing.
  mute(kind, on) {
    for (const t of this.stream?.getTracks() || []) if (t.kind === kind) t.enabled = !on;
    if (this.muted[kind] === on) return;
    this.muted[kind] = on;
    if (!this.publishing) return;
    this.calls.request("media/session/update_media", { session_id: this.publishing.id, ["mute_" + kind]: on })
      .catch((e) => this.emit("problem", { text: people(e).message }));
  }

  connections() {
    const list = [...this.listening].map(([id, { pc }]) => ({ id, pc }));
    if (this.publishing) list.push({ id: this.id, pc: this.publishing.pc });
    return list;
  }

  // leave ends what we send, as the browser client does, and then the connection with
  // all else.
  leave() {
    if (this.publishing && !this.done) this.#destroy(this.publishing.id);
    this.over("left", "");
  }

  #quit() {
    this.done = true;
    clearInterval(this.timer);
    this.calls?.close();
    this.publishing?.pc.close();
    for (const publisher of [...this.listening.keys()]) this.#unlisten(publisher);
  }

  over(why, message) {
    if (this.done) return;
    this.#quit();
    if (this.id) this.emit("over", { why, message });
  }
}

// What each event does.
const events = {
  "media/conf/started_member": (c, body) => c.started(body),
  "media/conf/stopped_member": (c, body) => c.stopped(body),
  "media/conf/msglog_new_msg": (c, body) => c.said(body),
  "media/conf/destroyed": (c) => c.over("time", "The room is closed."),
  "media/session/destroyed": (c, body, id) => c.ended(id, body),
};

// gathered returns a description with all candidates; a network that keeps the
// browser waiting is not waited for.
function gathered(pc) {
  return new Promise((resolve) => {
    const done = () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve(pc.localDescription.sdp);
    };
    const timer = setTimeout(() => resolve(pc.localDescription.sdp), 1000);
    pc.addEventListener("icegatheringstatechange", done);
    done();
  });
}
