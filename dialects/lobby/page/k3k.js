// A small k3k client. It does what the web client of that system does: a ticket
// over REST, then JSON in name spaces over one WebSocket, one connection for what
// it sends and one for each media session that it gets.

import { Emitter, Socket, Trouble, socketURL } from "./wire.js";
import { Rest } from "./k3krest.js";
import { Media, sorts } from "./k3kmedia.js";

const SUBPROTOCOL = "k3k-signaling-json-v1.0";
const PATIENCE = 10000; // ms until the answer to the join is given up
const TRIES = 20; // to come back; a server notices that somebody has vanished after half a minute

// Close codes after which the web client comes back (1006: there was none).
const passing = new Set([1005, 1006, 1007, 1012, 1013]);

const refusals = {
  participant_limit_reached: "The room is full.",
  chat_disabled: "The chat is switched off.",
  permission_denied: "You may not do that here.",
  insufficient_permissions: "Only moderators may do that.",
};

// Clients that have no word for a screen send it as one more participant, and call
// it so.
const onlyScreen = (name) => name.endsWith(" (screen)");

// tileOf is the id under which the page shows somebody's screen.
const tileOf = (id, name) => (onlyScreen(name) ? id : id + "#screen");

export class Client extends Emitter {
  dialect = "k3k";
  can = { kick: false, lock: false, screen: true, secret: false, admit: false };

  constructor({ path, frames, room, name, password, stream }) {
    super();
    Object.assign(this, { path, frames, room, name, password: password || "", stream });
    this.rest = new Rest(path, frames);
    this.members = new Map(); // id → {name}
    this.media = new Media(this);
    this.waiting = new Map(); // id → name, of those in the waiting room
    this.read = new Set(); // ids of messages
    this.ice = [];
  }

  async join() {
    try {
      await this.#enter();
    } catch (e) {
      this.#quit();
      throw e;
    }
  }

  // enter gets a ticket and joins with it. Who has been here before stays who it
  // was, if the server still knows.
  async #enter() {
    const room = await this.rest.room(this.room, this.password);
    this.ice = await this.rest.turn(room);
    const { ticket, resumption } = await this.rest.start(room, this.password, this.resumption);
    this.resumption = resumption;
    this.#check();
    const socket = this.socket = await Socket.open(socketURL(this.path + "signaling"), ["ticket#" + ticket, SUBPROTOCOL], this.frames);
    try {
      await new Promise((resolve, reject) => {
        this.entry = { resolve, reject };
        this.#patience();
        socket.onmessage = (m) => this.#take(m);
        socket.onclose = () => reject(new Trouble("unreachable", "The server closed the connection before it let you in."));
        this.#check();
        this.send("control", "join", { display_name: this.name });
      });
    } catch (e) {
      socket.close();
      throw e;
    } finally {
      clearTimeout(this.timer);
      this.entry = null;
    }
    socket.onclose = (e) => this.#lost(e.code);
  }

  // check ends what somebody has thought better of.
  #check() { if (this.done) throw new Trouble("refused", "You have left."); }

  #patience() {
    this.timer = setTimeout(() => this.entry?.reject(new Trouble("unreachable", "The server did not answer the join.")), PATIENCE);
  }

  send(namespace, action, fields) { this.socket?.send({ namespace, payload: { action, ...fields } }); }

  #take({ namespace, payload }) {
    if (!payload || this.done) return;
    const name = namespace + "/" + payload.message;
    if (Object.hasOwn(messages, name)) messages[name](this, payload);
    else if (payload.message === "error") this.#refused(payload);
  }

  #refused(m) {
    const text = refusals[m.error];
    if (m.error === "invalid_request_offer") this.media.link(m)?.down(); // it ended while we asked
    else if (m.error === "invalid_sdp_offer") this.media.refused("The server does not understand what the browser offers.");
    else if (m.error === "permission_denied") this.media.refused(text, true);
    else if (text) this.emit("problem", { text });
  }

  // entered takes the answer to the join.
  entered(m) {
    if (this.id && this.id !== m.id) this.emit("gone", { id: this.id });
    this.id = m.id;
    this.role(m.role, false);
    this.can.screen = m.media.is_presenter;
    this.emit("problem", { text: "" });
    this.emit("joined", {
      id: m.id, moderator: this.can.kick, speaker: true, locked: false,
      remaining: m.closes_at ? (Date.parse(m.closes_at) - Date.now()) / 1000 : 0,
    });
    const here = new Set(m.participants.filter((p) => !p.control.left_at).map((p) => p.id));
    for (const id of this.members.keys()) if (!here.has(id)) this.gone(id);
    this.inside = true;
    for (const p of m.participants) this.know(p);
    for (const line of m.chat.room_history.toReversed()) this.said(line);
    this.waiting.clear();
    for (const p of m.moderation?.waiting_room_participants || []) this.knocks(p.id, p.control.display_name);
    this.media.publish("video", this.stream);
    this.entry?.resolve();
  }

  // wait: somebody has to let us in, which may take long.
  wait(text) {
    clearTimeout(this.timer);
    this.#out(); // who was inside is not any more
    for (const id of [...this.members.keys()]) this.gone(id);
    this.emit("problem", { text });
  }

  goIn() {
    this.send("control", "enter_room", {});
    this.#patience();
  }

  role(role, tell = true) {
    this.can.kick = this.can.admit = role === "moderator";
    if (tell) this.emit("can", {});
  }

  // know takes what is told of somebody, which is always all of it.
  know(p) {
    const name = p.control.display_name || "(no name)";
    if (p.control.left_at) { // what they said may be in the history
      this.members.set(p.id, { name });
      return;
    }
    const { id, media = {} } = p;
    this.members.set(id, { name });
    this.emit("member", {
      id, name, screen: onlyScreen(name), moderator: p.control.role === "moderator",
      audioMuted: !!media.video && !media.video.audio, videoMuted: !!media.video && !media.video.video,
    });
    const tile = tileOf(id, name);
    if (tile !== id) this.emit(media.screen ? "member" : "gone", { id: tile, name: name + " (screen)", screen: true });
    if (media.video) this.media.follow(id, "video", id);
    else this.media.unfollow(id, "video");
    if (media.screen) this.media.follow(id, "screen", tile);
    else this.media.unfollow(id, "screen");
  }

  gone(id) {
    const m = this.members.get(id);
    if (!m) return;
    this.members.delete(id);
    for (const sort of sorts) this.media.unfollow(id, sort);
    this.emit("gone", { id: tileOf(id, m.name) });
    this.emit("gone", { id });
  }

  knocks(id, name) {
    this.waiting.set(id, name);
    this.emit("knock", { id, name });
  }

  knocked(id) {
    if (this.waiting.delete(id)) this.emit("knock", { id, gone: true });
  }

  talks(id) {
    if (this.focus) this.emit("member", { id: this.focus, talking: false });
    this.focus = id;
    if (id) this.emit("member", { id, talking: true });
  }

  said({ id, source, content, scope }) {
    if (this.read.has(id)) return; // before the connection was lost
    this.read.add(id);
    const own = source === this.id;
    if (own && scope === "private") return;
    this.emit("chat", {
      from: source, name: own ? this.name : this.label(source), text: content, own, private: scope === "private",
    });
  }

  label(id) { return this.members.get(id)?.name || "Somebody"; }

  // asked: a moderator wants us to be quiet. Clients of this protocol obey.
  asked(issuer) {
    this.emit("muted", { kind: "audio" });
    this.emit("problem", { text: `${this.label(issuer)} has asked you to be quiet: your microphone is off.` });
  }

  presents(on) {
    this.can.screen = on;
    this.emit("can", {});
  }

  // say shows nothing: the server tells us, too, what we have said.
  async say(text) { this.send("chat", "send_message", { scope: "global", content: text }); }

  mute(kind, on) {
    for (const t of this.stream?.getTracks() || []) if (t.kind === kind) t.enabled = !on;
    this.media.giving.get("video")?.changed();
  }

  async kick(id) { this.send("moderation", "kick", { target: id }); }

  async admit(id) { this.send("moderation", "accept", { target: id }); }

  async share(stream) {
    this.media.withdraw("screen");
    this.media.publish("screen", stream);
  }

  async unshare() { this.media.withdraw("screen"); }

  restart(id) { this.media.restart(id); }

  configure(id, wish) { this.media.configure(id, wish); }

  connections() { return this.media.connections(); }

  // lost: the socket is closed, and not by us.
  #lost(code) {
    if (this.done) return;
    if (!passing.has(code)) {
      this.over("lost", code === 1000 ? "The meeting is over." : "The connection to the server is lost.");
      return;
    }
    this.emit("problem", { text: "The connection is lost. Trying again…" });
    this.#out();
    this.#comeBack();
  }

  async #comeBack() {
    for (let wait = 200, tries = 0; tries < TRIES && !this.done; tries++, wait = Math.min(wait + 500, 5000)) {
      await new Promise((r) => setTimeout(r, wait));
      if (this.done) return;
      try {
        await this.#enter();
        return;
      } catch (e) {
        if (e.code !== "unreachable" && e.code !== "running") {
          this.over("lost", e.message);
          return;
        }
      }
    }
    this.over("lost", "The connection to the server is lost.");
  }

  // out: the server has forgotten our connections.
  #out() {
    this.inside = false;
    this.media.end();
    this.talks(null);
  }

  leave() {
    for (const sort of [...this.media.giving.keys()]) this.media.withdraw(sort);
    this.over("left", "");
  }

  #quit() {
    this.done = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  over(why, message) {
    if (this.done) return;
    this.#out();
    this.#quit();
    this.entry?.reject(new Trouble("refused", message));
    if (this.id) this.emit("over", { why, message });
  }
}

// What each message of the server does.
const messages = {
  "control/join_success": (c, m) => c.entered(m),
  "control/join_blocked": (c, m) => c.entry?.reject(new Trouble("full", refusals[m.reason] || "The server lets nobody in.")),
  "control/joined": (c, m) => c.know(m),
  "control/update": (c, m) => c.know(m),
  "control/left": (c, m) => c.gone(m.id),
  "control/role_updated": (c, m) => c.role(m.new_role),
  "control/time_limit_quota_elapsed": (c) => c.over("time", "The time of this room is up."),
  "control/room_deleted": (c) => c.over("time", "The room is closed."),
  "media/sdp_answer": (c, m) => c.media.link(m)?.answered?.(m.sdp),
  "media/sdp_offer": (c, m) => c.media.link(m)?.offered?.(m.sdp),
  "media/webrtc_up": (c, m) => c.media.up(m),
  "media/webrtc_down": (c, m) => c.media.link(m)?.down(),
  "media/media_status": (c, m) => c.media.received(m),
  "media/focus_update": (c, m) => c.talks(m.focus),
  "media/request_mute": (c, m) => c.asked(m.issuer),
  "media/presenter_granted": (c) => c.presents(true),
  "media/presenter_revoked": (c) => c.presents(false),
  "chat/message_sent": (c, m) => c.said(m),
  "chat/chat_enabled": (c) => c.emit("problem", { text: "" }),
  "chat/chat_disabled": (c) => c.emit("problem", { text: "The chat is switched off." }),
  "moderation/in_waiting_room": (c) => c.wait("You are in the waiting room until a moderator lets you in."),
  "moderation/accepted": (c) => c.goIn(),
  "moderation/joined_waiting_room": (c, m) => c.knocks(m.id, m.control.display_name),
  "moderation/left_waiting_room": (c, m) => c.knocked(m.id),
  "moderation/kicked": (c) => c.over("kicked", "A moderator has removed you from the room."),
  "moderation/banned": (c) => c.over("banned", "A moderator has banned you from the room."),
  "moderation/session_ended": (c, m) => c.over("kicked", `${c.label(m.issued_by)} has ended the meeting.`),
};
