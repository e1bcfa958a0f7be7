// A small Ahoy client. It speaks the AhoyConference WebSocket API as its real
// clients do: create on one socket, join on a second, answer every offer of the
// server with a new RTCPeerConnection, and share a screen as a second member.

import { Emitter, Socket, Trouble, randomHex, socketURL } from "./wire.js";

const SUBPROTOCOL = "conference-protocol";
const PATIENCE = 10000; // ms until a response is given up

// What the status codes mean for people.
const refusals = {
  403: ["password", "The password is wrong, or the room needs one."],
  404: ["missing", "There is no such room any more."],
  470: ["locked", "The room is locked. Ask a moderator to unlock it."],
  486: ["full", "The room is full."],
  503: ["unreachable", "The server takes nobody in right now. Try again in a moment."],
};

// Link is one socket with requests and responses.
class Link {
  static async open(url, frames) {
    const l = new Link();
    l.waiting = new Map(); // transactionID → what to do with the response
    l.handlers = {};
    l.socket = await Socket.open(url, [SUBPROTOCOL], frames);
    l.socket.onmessage = (m) => l.take(m);
    return l;
  }

  take(m) {
    const wait = this.waiting.get(m.transactionID);
    if (wait && m.messageType === wait.type) {
      this.waiting.delete(m.transactionID);
      wait.done(m);
      return;
    }
    this.handlers[m.messageType]?.(m);
  }

  // request sends "<name>_request" and resolves with the "<name>_response".
  request(name, fields = {}, transactionID = "id-" + randomHex(8)) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(transactionID);
        reject(new Trouble("unreachable", `The server did not answer ${name}.`));
      }, PATIENCE);
      const done = (m) => {
        clearTimeout(timer);
        resolve(m);
      };
      this.waiting.set(transactionID, { type: name + "_response", done });
      this.socket.send({ messageType: name + "_request", ...fields, transactionID });
    });
  }

  close() { this.socket.close(); }
}

function check(m, expected = [200]) {
  if (expected.includes(m.status ?? 200)) return m;
  const [code, text] = refusals[m.status] || ["refused", `The server refused: ${m.status} ${m.reason || ""}`];
  throw new Trouble(code, text);
}

// join opens a socket and joins. A 302 is followed, as the real clients do.
async function join(url, frames, fields) {
  for (let hops = 0; hops < 4; hops++) {
    const link = await Link.open(url, frames);
    try {
      const m = await link.request("CONFERENCE_JOIN", fields);
      if (m.status !== 302) return { link, me: check(m) };
      url = m.url;
    } catch (e) {
      link.close();
      throw e;
    }
    link.close();
  }
  throw new Trouble("unreachable", "The servers send us round in circles.");
}

export class Client extends Emitter {
  dialect = "ahoy";
  can = { kick: false, lock: false, screen: true, secret: false };

  constructor({ path, frames, room, name, password, stream }) {
    super();
    Object.assign(this, { frames, room, name, password: password || null, stream });
    this.url = socketURL(path);
    this.members = new Map(); // memberID → {id, name, pc, stream}
    this.publishing = null;
    this.screen = null;
    this.ice = [];
  }

  async join() {
    // The room may be there already: then its own passwords stay.
    const maker = await Link.open(this.url, this.frames);
    try {
      check(await maker.request("CONFERENCE_CREATE", {
        conferenceID: this.room, conferenceName: this.room, password: this.password,
        listenerPassword: null, moderatorPassword: null,
      }), [200, 486]);
    } finally {
      maker.close();
    }
    const { link, me } = await join(this.url, this.frames, { conferenceID: this.room, name: this.name, password: this.password });
    this.link = link;
    this.id = me.memberID;
    this.conference = me.conferenceID;
    this.moderator = me.moderator;
    this.can = { ...this.can, kick: me.moderator, lock: me.moderator, screen: me.speaker };
    this.ice = me.iceServers || [];
    link.socket.onclose = () => this.over("lost", "The connection to the server is lost.");
    link.handlers = this.#handlers();
    this.emit("joined", { id: this.id, moderator: me.moderator, speaker: me.speaker, locked: me.locked, remaining: me.remainingSeconds });
    for (const m of me.members) this.#add(m);
    if (me.speaker && this.stream?.getTracks().length) await this.#offerMedia();
  }

  async #offerMedia() {
    try {
      check(await this.link.request("MEDIA_SHARE", {
        audio: this.stream.getAudioTracks().length > 0, video: this.stream.getVideoTracks().length > 0, maxVideoBitrate: 1000,
      }));
    } catch (e) {
      this.emit("problem", { text: "The others do not see and hear you. " + e.message });
    }
  }

  #handlers() {
    return {
      CONFERENCE_JOIN_indication: (m) => this.#add(m.member),
      CONFERENCE_LEAVE_indication: (m) => this.#remove(m.member.memberID),
      CONFERENCE_KICK_indication: (m) => m.timeout
        ? this.over("time", "The time of this room is up.")
        : this.over("kicked", "A moderator has removed you from the room."),
      CONFERENCE_LOCK_indication: (m) => this.emit("room", { locked: m.locked }),
      CONFERENCE_DESCRIPTION_indication: (m) => this.emit("room", { about: m.description }),
      MEDIA_indication: (m) => {
        this.#named(m.member);
        this.#available(m.member.memberID, m.audio, m.video);
      },
      MEDIA_event: (m) => {
        this.#named(m.member);
        this.#event(m.member.memberID, m.event);
      },
      CHAT_MESSAGE_indication: (m) => this.#heard(m),
      MEDIA_RECEIVE_request: (m) => this.#publish(m),
      SDP_request: (m) => this.#receive(m),
    };
  }

  #add(m) {
    if (m.memberID === this.screen?.id) return; // our own second member
    this.members.set(m.memberID, { id: m.memberID, name: m.name });
    this.emit("member", {
      id: m.memberID, name: m.name || "(no name)", moderator: m.moderator, screen: m.name.endsWith(" (screen)"),
      audioMuted: m.audio.available && m.audio.muted, talking: m.audio.speaking,
    });
    if (m.audio.available || m.video.available) this.#available(m.memberID, m.audio, m.video);
  }

  // There is no message for a new name; the others carry it along.
  #named({ memberID, name }) {
    const m = this.members.get(memberID);
    if (!m || !name || m.name === name) return;
    m.name = name;
    this.emit("member", { id: memberID, name });
  }

  #remove(id) {
    const m = this.members.get(id);
    if (!m) return;
    this.members.delete(id);
    m.pc?.close();
    this.emit("gone", { id });
  }

  #available(id, audio, video) {
    if (!this.members.has(id)) return;
    this.emit("member", { id, audioMuted: audio.available && audio.muted });
    this.link.request("MEDIA", { members: [{ memberID: id, audio: audio.available, video: video.available }] }, id).catch(() => {});
    if (!audio.available && !video.available) {
      const m = this.members.get(id);
      m.pc?.close();
      m.pc = null;
      this.emit("media", { id, stream: null });
    }
  }

  #event(id, event) {
    const changes = {
      start_speaking: { talking: true }, stop_speaking: { talking: false },
      audio_muted: { audioMuted: true }, audio_unmuted: { audioMuted: false },
    }[event];
    if (changes && (this.members.has(id) || id === this.id)) this.emit("member", { id, ...changes });
  }

  #heard({ from, message }) {
    this.#named(from);
    let text = message.text;
    try {
      const inner = JSON.parse(text);
      if (typeof inner === "string") text = inner;
      else if (typeof inner?.chat === "string") text = inner.chat;
      else if (inner?.control) return;
    } catch { /* plain text */ }
    this.emit("chat", { from: from.memberID, name: from.name, text });
  }

  // The server wants what we send. Each offer is a new connection; the server
  // closes the old one.
  async #publish(m) {
    const old = this.publishing;
    const pc = this.publishing = new RTCPeerConnection({ iceServers: this.ice });
    try {
      for (const t of this.stream.getTracks()) pc.addTrack(t, this.stream);
      await this.#answer(pc, m, "MEDIA_RECEIVE_response", this.link);
      pc.onconnectionstatechange = () => { if (pc.connectionState === "connected") old?.close(); };
    } catch (e) {
      this.#failed(this.link, "MEDIA_RECEIVE_response", m, e);
    }
  }

  async #receive(m) {
    const member = this.members.get(m.member.memberID);
    if (!member) return;
    const old = member.pc;
    const pc = member.pc = new RTCPeerConnection({ iceServers: this.ice });
    pc.ontrack = (e) => this.emit("media", { id: member.id, stream: e.streams[0] || new MediaStream([e.track]) });
    try {
      await this.#answer(pc, m, "SDP_response", this.link);
    } catch (e) {
      this.#failed(this.link, "SDP_response", m, e);
    }
    old?.close();
  }

  // The answer goes out as createAnswer made it: clients of this protocol send no
  // candidates, the server sees where the checks come from.
  async #answer(pc, m, type, link) {
    await pc.setRemoteDescription({ type: "offer", sdp: unescape(m.sdp) });
    const answer = await pc.createAnswer();
    link.socket.send({ messageType: type, status: 200, reason: "OK", sdp: answer.sdp, transactionID: m.transactionID });
    await pc.setLocalDescription(answer);
  }

  #failed(link, type, m, e) {
    this.frames.add("note", "media", `negotiation failed: ${e.message}`);
    link.socket.send({ messageType: type, status: 500, reason: e.message, transactionID: m.transactionID });
  }

  async say(text) {
    check(await this.link.request("CHAT_MESSAGE", { message: { text: JSON.stringify({ chat: text }) } }));
    this.emit("chat", { from: this.id, name: this.name, text, own: true });
  }

  // mute says nothing: clients of this protocol switch the track off, and the
  // server finds out.
  mute(kind, on) {
    for (const t of this.stream?.getTracks() || []) if (t.kind === kind) t.enabled = !on;
  }

  async kick(id) { check(await this.link.request("CONFERENCE_KICK", { memberID: id })); }

  async lock(on) { check(await this.link.request("CONFERENCE_LOCK", { lock: on })); }

  // share joins once more, as "<name> (screen)".
  async share(stream) {
    if (this.screen) await this.unshare();
    const { link, me } = await join(this.url, this.frames, {
      conferenceID: this.conference, name: this.name + " (screen)", password: this.password,
    });
    const screen = this.screen = { id: me.memberID, link, pc: null, stream };
    this.#remove(me.memberID); // its join may have been told before we knew the id
    link.socket.onclose = () => { if (this.screen === screen) this.unshare(); };
    link.handlers = {
      MEDIA_RECEIVE_request: async (m) => {
        const old = screen.pc;
        const pc = screen.pc = new RTCPeerConnection({ iceServers: this.ice });
        try {
          for (const t of stream.getTracks()) pc.addTrack(t, stream);
          await this.#answer(pc, m, "MEDIA_RECEIVE_response", link);
        } catch (e) {
          this.#failed(link, "MEDIA_RECEIVE_response", m, e);
        }
        old?.close();
      },
      CONFERENCE_KICK_indication: () => this.unshare(),
    };
    check(await link.request("MEDIA_SHARE", { audio: stream.getAudioTracks().length > 0, video: true, maxVideoBitrate: 1000 }));
  }

  async unshare() {
    const screen = this.screen;
    if (!screen) return;
    this.screen = null;
    screen.link.close();
    screen.pc?.close();
    for (const t of screen.stream.getTracks()) t.stop();
    this.emit("unshared", {});
  }

  // connections lists what can be measured.
  connections() {
    const list = [...this.members.values()].filter((m) => m.pc).map((m) => ({ id: m.id, pc: m.pc }));
    if (this.publishing) list.push({ id: this.id, pc: this.publishing });
    return list;
  }

  // leave does what the web clients do: it closes the socket.
  leave() { this.over("left", ""); }

  over(why, message) {
    if (this.done) return;
    this.done = true;
    this.unshare();
    this.link?.close();
    this.publishing?.close();
    for (const m of this.members.values()) m.pc?.close();
    this.emit("over", { why, message });
  }
}
