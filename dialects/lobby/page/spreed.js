// A small Spreed WebRTC client. It behaves as the real web client does: one
// RTCPeerConnection per other session, the smaller id offers, a data channel
// "default" on each, Bye to end a call, tokens for screens.

import { Emitter, Socket, Trouble, randomHex, socketURL } from "./wire.js";

const QUIET = 5000; // ms without a document until Alive is sent
const DEAD = 11500; // ms without a document until the socket is given up

const refusals = {
  authorization_required: ["password", "The room needs a PIN."],
  invalid_credentials: ["password", "The PIN is wrong, or the room is locked."],
  room_join_requires_account: ["refused", "This server lets only users with an account into this room."],
  default_room_disabled: ["missing", "The room needs a name."],
};

// Call is one peer connection to one other session.
class Call {
  constructor(client, peer, extra = {}) {
    this.client = client;
    this.peer = peer;
    this.extra = extra; // _token and _id of connections that are no call
    this.pending = [];
    this.pc = new RTCPeerConnection({ iceServers: client.ice });
    this.pc.onicecandidate = ({ candidate: c }) => {
      if (!c?.candidate) return;
      client.to("Candidate", peer, {
        type: "candidate", sdpMLineIndex: c.sdpMLineIndex, sdpMid: c.sdpMid, candidate: c.candidate, ...extra,
      });
    };
    this.pc.ondatachannel = (e) => this.#channel(e.channel);
  }

  // Takes the one data channel, whoever made it.
  #channel(ch) {
    if (ch.label !== "default") return;
    this.channel = ch;
    const via = "dc " + this.client.label(this.peer);
    ch.onopen = () => this.onopen?.();
    ch.onclose = () => this.onclosed?.();
    ch.onmessage = (e) => {
      if (typeof e.data !== "string" || e.data.charCodeAt(0) === 2) return;
      this.client.frames.add("in", via, e.data);
      let doc;
      try { doc = JSON.parse(e.data); } catch { return; }
      this.onmessage?.(doc);
    };
    if (ch.readyState === "open") this.onopen?.();
  }

  send(doc) {
    if (this.channel?.readyState !== "open") return false;
    const text = JSON.stringify(doc);
    this.client.frames.add("out", "dc " + this.client.label(this.peer), text);
    this.channel.send(text);
    return true;
  }

  async offer(extra) {
    this.offering = true;
    this.#channel(this.pc.createDataChannel("default"));
    const offer = await this.pc.createOffer();
    await this.pc.setLocalDescription(offer);
    this.client.to("Offer", this.peer, { type: "offer", sdp: offer.sdp, ...extra, ...this.extra });
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: "offer", sdp });
    const answer = await this.pc.createAnswer();
    await this.pc.setLocalDescription(answer);
    this.client.to("Answer", this.peer, { type: "answer", sdp: answer.sdp, ...this.extra });
    await this.#late();
  }

  async accept(sdp) {
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    await this.#late();
  }

  async candidate(c) {
    if (!this.pc.remoteDescription) {
      this.pending.push(c);
      return;
    }
    try {
      await this.pc.addIceCandidate({ candidate: c.candidate.replace(/^a=/, ""), sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex });
    } catch { /* one more way that does not work */ }
  }

  async #late() {
    for (const c of this.pending.splice(0)) await this.candidate(c);
  }

  close() {
    this.onclosed = null;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

export class Client extends Emitter {
  dialect = "spreed";
  can = { kick: false, lock: false, screen: true, secret: true };

  constructor({ path, frames, room, name, password, stream }) {
    super();
    Object.assign(this, { path, frames, room, name, password: password || "", stream });
    this.users = new Map(); // id → {id, name}
    this.calls = new Map(); // id → Call
    this.screens = new Map(); // "<id> <_id>" → Call, of others' screens and of viewers of ours
    this.conference = null;
    this.tokens = 0;
    this.iids = 0;
    this.waiting = new Map(); // Iid → what to do with the reply
    this.ice = [];
    this.onunload = () => { for (const id of this.calls.keys()) this.#bye(id, "unload"); };
  }

  async join() {
    try {
      await this.#connect();
      await this.#hello();
    } catch (e) {
      this.#quit();
      throw e;
    }
    addEventListener("pagehide", this.onunload);
    this.#listen();
  }

  // label is how a peer is called in the panel.
  label(id) { return this.users.get(id)?.name || id.slice(0, 6) + "…"; }

  async #connect() {
    const query = this.token ? "?t=" + this.token : "";
    this.socket = await Socket.open(socketURL(this.path + "ws" + query), [], this.frames);
    this.heard = Date.now();
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Trouble("unreachable", "The server does not say who we are.")), 5000);
      this.socket.onmessage = (m) => {
        this.#take(m);
        if (m.Data?.Type === "Self") {
          clearTimeout(timer);
          resolve();
        }
      };
      this.socket.onclose = () => reject(new Trouble("unreachable", "The server closed the connection."));
    });
    this.socket.onmessage = (m) => this.#take(m);
    this.socket.onclose = () => this.#reconnect();
    clearInterval(this.heart);
    this.heart = setInterval(() => this.#beat(), 1000);
  }

  #beat() {
    const quiet = Date.now() - this.heard;
    if (quiet > DEAD) this.socket.ws.close();
    else if (quiet > QUIET) this.#send("Alive", { Type: "Alive", Alive: Date.now() });
  }

  // Calls outlive the socket: the session is resumed with its token.
  async #reconnect() {
    clearInterval(this.heart);
    this.emit("problem", { text: "The connection is lost. Trying again…" });
    for (let wait = 200, tries = 0; tries < 12 && !this.done; tries++, wait = Math.min(wait + 500, 5000)) {
      await new Promise((r) => setTimeout(r, wait));
      if (this.done) return;
      try {
        await this.#connect();
        await this.#hello();
        this.emit("problem", { text: "" });
        return;
      } catch (e) {
        if (e.code !== "unreachable") break;
      }
    }
    this.over("lost", "The connection to the server is lost.");
  }

  async #hello() {
    // Said before Hello, it is in what the others are told of us.
    this.#send("Status", { Type: "Status", Status: { displayName: this.name, buddyPicture: null, message: null } });
    const hello = { Version: this.version, Ua: agent(), Name: this.room, Type: "" };
    if (this.password) hello.Credentials = { PIN: this.password };
    let m = await this.#request("Hello", hello);
    if (m.Type === "Error" && m.Code === "authorization_not_required") {
      this.password = "";
      delete hello.Credentials;
      m = await this.#request("Hello", hello);
    }
    if (m.Type !== "Welcome") {
      const [code, text] = refusals[m.Code] || ["refused", `The server refused: ${m.Message || m.Code || "no reason given"}`];
      throw new Trouble(code, text);
    }
  }

  #welcome(m) {
    this.type = m.Room.Type;
    this.emit("joined", { id: this.id, moderator: false, speaker: true, locked: false });
    const here = new Set(m.Users.map((u) => u.Id));
    for (const id of [...this.users.keys()]) if (!here.has(id)) this.#remove(id);
    for (const u of m.Users) this.#add(u);
    // In a room where people call by hand, our user calls everybody who is there.
    if (this.type !== "Conference") {
      for (const u of m.Users) if (u.Id !== this.id && !this.calls.has(u.Id)) this.#call(u.Id, {});
    }
  }

  // to sends a document to one peer. Its name stands three times: that is the
  // protocol.
  to(type, peer, payload) { this.#send(type, { To: peer, Type: type, [type]: payload }); }

  #send(type, doc, iid) {
    const m = { Type: type, [type]: doc };
    if (iid !== undefined) m.Iid = iid;
    this.socket?.send(m);
  }

  #request(type, doc) {
    return new Promise((resolve, reject) => {
      const iid = String(this.iids++);
      const timer = setTimeout(() => {
        this.waiting.delete(iid);
        reject(new Trouble("unreachable", `The server did not answer ${type}.`));
      }, 10000);
      this.waiting.set(iid, (m) => {
        clearTimeout(timer);
        resolve(m);
      });
      this.#send(type, doc, iid);
    });
  }

  #take(m) {
    this.heard = Date.now();
    const doc = m.Data;
    if (!doc) return;
    if (doc.Type === "Welcome") this.#welcome(doc);
    const wait = this.waiting.get(m.Iid);
    if (wait) {
      this.waiting.delete(m.Iid);
      wait(doc);
      return;
    }
    handlers[doc.Type]?.call(this, doc, m.From, m);
  }

  #add(u) {
    if (u.Id === this.id) return;
    const known = this.users.get(u.Id);
    const name = u.Status?.displayName || known?.name || "User " + u.Id.slice(0, 4);
    if (known && known.name === name) return;
    this.users.set(u.Id, { id: u.Id, name });
    this.emit("member", { id: u.Id, name });
  }

  #remove(id) {
    if (!this.users.delete(id)) return;
    this.emit("gone", { id });
  }

  #start(peer) {
    const call = new Call(this, peer);
    this.calls.set(peer, call);
    for (const t of this.stream?.getTracks() || []) call.pc.addTrack(t, this.stream);
    call.pc.ontrack = (e) => this.emit("media", { id: peer, stream: e.streams[0] || new MediaStream([e.track]) });
    call.pc.onconnectionstatechange = () => this.#changed(call);
    call.onmessage = (doc) => this.#channelled(doc, peer);
    call.onopen = () => {
      if (this.talking) call.send({ Type: "Talking", Talking: true });
      if (this.shared) call.send(this.#announcement());
    };
    return call;
  }

  #changed(call) {
    if (this.calls.get(call.peer) !== call) return;
    const state = call.pc.connectionState;
    if (state === "failed") {
      this.#bye(call.peer, "failed");
      this.#hangup(call.peer);
    } else if (state === "connected" && this.type !== "Conference" && this.calls.size > 1) {
      this.#announceConference();
    }
  }

  // Where people call by hand, who has two calls makes a conference of them.
  #announceConference() {
    this.conference ||= `${this.id}_${this.iids++}_${randomHex(4)}`;
    const list = [...this.calls].filter(([, c]) => c.pc.connectionState === "connected").map(([id]) => id);
    this.#send("Conference", { Id: this.conference, Type: "Conference", Conference: [...list, this.id] });
  }

  async #call(peer, extra) {
    const call = this.#start(peer);
    for (const kind of ["audio", "video"]) {
      if (!call.pc.getTransceivers().some((t) => t.receiver.track.kind === kind)) call.pc.addTransceiver(kind, { direction: "recvonly" });
    }
    try {
      await call.offer(extra);
    } catch (e) {
      this.#fail(peer, e);
    }
  }

  #fail(peer, e) {
    this.frames.add("note", "media", `negotiation failed: ${e.message}`);
    this.#bye(peer, "error");
    this.#hangup(peer);
  }

  #bye(peer, reason) { this.to("Bye", peer, reason ? { Reason: reason } : {}); }

  #hangup(peer) {
    const call = this.calls.get(peer);
    if (!call) return;
    this.calls.delete(peer);
    call.close();
    // The real client forgets the conference with the last call but one.
    if (this.calls.size <= 1) this.conference = null;
    this.emit("media", { id: peer, stream: null });
    this.emit("member", { id: peer, talking: false });
  }

  async offered(peer, offer) {
    if (offer._token !== undefined) {
      await this.#viewer(peer, offer);
      return;
    }
    const live = this.calls.get(peer);
    if (live) {
      const state = live.pc.connectionState;
      if (live.pc.remoteDescription && state !== "failed" && state !== "disconnected") {
        this.#bye(peer, "unsupported");
        this.#hangup(peer);
        return;
      }
      this.#hangup(peer);
    }
    if (offer._conference ? offer._conference !== this.conference : this.calls.size > 0) {
      this.#bye(peer, "busy");
      return;
    }
    const call = this.#start(peer);
    try {
      await call.answer(offer.sdp);
    } catch (e) {
      this.#fail(peer, e);
    }
  }

  conferenced(doc, from) {
    const list = doc.Conference;
    const inRoom = this.type === "Conference";
    if (!Array.isArray(list) || this.calls.size === 0 && !inRoom) return;
    if (this.calls.size === 1) {
      if (!inRoom && !(this.calls.has(from) && list.includes(from))) return;
    } else if (this.calls.size > 1 && this.conference && this.conference !== doc.Id) {
      return;
    }
    this.conference = doc.Id;
    for (const peer of list) {
      if (this.id < peer && !this.calls.has(peer)) this.#call(peer, { _conference: this.conference });
    }
  }

  async signalled(doc, from) {
    const payload = doc[doc.Type];
    const call = payload._token === undefined ? this.calls.get(from) : this.screens.get(from + " " + payload._id);
    try {
      if (doc.Type === "Candidate") await call?.candidate(payload);
      else if (call?.offering && !call.pc.remoteDescription) await call.accept(payload.sdp);
    } catch (e) {
      if (payload._token === undefined) this.#fail(from, e);
    }
  }

  byed(doc, from) { this.#hangup(from); }

  #channelled(doc, peer) {
    switch (doc.Type) {
      case "Talking":
        this.emit("member", { id: peer, talking: !!doc.Talking });
        break;
      case "Chat":
        this.chatted(doc, peer);
        break;
      case "Screenshare":
        if (doc.Screenshare?.id) this.#view(peer, doc.Screenshare.id);
        break;
      default:
        handlers[doc.Type]?.call(this, doc, peer, {});
    }
  }

  chatted(doc, from) {
    const c = doc.Chat;
    const own = doc.To === "" ? false : doc.To === this.id;
    if (!c || doc.To !== "" && !own) return;
    if (own && c.Mid && c.Message) this.to("Chat", from, { NoEcho: true, Status: { State: "delivered", Mid: c.Mid } });
    if (c.Message && from !== this.id) this.emit("chat", { from, name: this.label(from), text: c.Message, private: own });
  }

  // listen tells every peer when our user talks.
  #listen() {
    if (!this.stream?.getAudioTracks().length) return;
    this.audio = new AudioContext();
    const analyser = this.audio.createAnalyser();
    analyser.fftSize = 512;
    this.audio.createMediaStreamSource(new MediaStream(this.stream.getAudioTracks())).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let quietAt = 0;
    this.ear = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, s) => sum + s * s, 0) / samples.length;
      if (power > 1e-4) quietAt = Date.now() + 600;
      const talking = Date.now() < quietAt;
      if (talking === !!this.talking) return;
      this.talking = talking;
      for (const call of this.calls.values()) call.send({ Type: "Talking", Talking: talking });
      this.emit("member", { id: this.id, talking });
    }, 150);
  }

  #announcement() { return { Type: "Screenshare", Id: null, Screenshare: { id: this.shared.token } }; }

  async share(stream) {
    if (this.shared) await this.unshare();
    this.shared = { token: `screenshare_${this.id}_${this.tokens++}`, stream };
    for (const call of this.calls.values()) call.send(this.#announcement());
  }

  async unshare() {
    if (!this.shared) return;
    const { stream } = this.shared;
    this.shared = null;
    for (const [key, s] of this.screens) {
      if (!s.viewer) continue;
      s.send({ m: "bye" });
      this.screens.delete(key);
      setTimeout(() => s.close(), 200); // lets the goodbye out first
    }
    for (const t of stream.getTracks()) t.stop();
    this.emit("unshared", {});
  }

  // A viewer of our screen offers; we send the picture and no sound.
  async #viewer(peer, offer) {
    if (offer._token !== this.shared?.token) return;
    const s = new Call(this, peer, { _token: offer._token, _id: offer._id });
    s.viewer = true;
    const key = peer + " " + offer._id;
    this.screens.set(key, s);
    const end = () => {
      s.close();
      this.screens.delete(key);
    };
    s.onmessage = (doc) => { if (doc.m === "bye") end(); };
    s.onclosed = end;
    for (const t of this.shared.stream.getVideoTracks()) s.pc.addTrack(t, this.shared.stream);
    try {
      await s.answer(offer.sdp);
    } catch (e) {
      this.frames.add("note", "media", `screen: ${e.message}`);
      end();
    }
  }

  // A peer's screen: we offer to receive it.
  async #view(peer, token) {
    const extra = { _token: token, _id: this.tokens++ };
    const key = peer + " " + extra._id;
    const id = peer + "#screen";
    for (const [k, old] of this.screens) {
      if (old.screen === id) {
        old.close();
        this.screens.delete(k);
      }
    }
    const s = new Call(this, peer, extra);
    s.screen = id;
    this.screens.set(key, s);
    const end = () => {
      s.close();
      if (this.screens.delete(key)) this.emit("gone", { id });
    };
    const name = this.label(peer);
    const only = name.endsWith(" (screen)"); // a session that is nothing else
    if (only) this.emit("gone", { id: peer });
    this.emit("member", { id, name: only ? name : name + " (screen)", screen: true });
    s.pc.ontrack = (e) => this.emit("media", { id, stream: e.streams[0] || new MediaStream([e.track]) });
    s.pc.onconnectionstatechange = () => { if (s.pc.connectionState === "failed") end(); };
    s.onmessage = (doc) => { if (doc.m === "bye") end(); };
    s.onclosed = end;
    s.pc.addTransceiver("video", { direction: "recvonly" });
    try {
      await s.offer({});
    } catch (e) {
      this.frames.add("note", "media", `screen: ${e.message}`);
      end();
    }
  }

  async say(text) {
    this.#send("Chat", { To: "", Type: "Chat", Chat: { Message: text, NoEcho: true, Mid: randomHex(20), Status: null } });
    this.emit("chat", { from: this.id, name: this.name, text, own: true });
  }

  // mute says nothing: the track is switched off, the peers hear silence.
  mute(kind, on) {
    for (const t of this.stream?.getTracks() || []) if (t.kind === kind) t.enabled = !on;
  }

  // secret sets the room's PIN, or takes it away.
  async secret(pin) {
    const m = await this.#request("Room", { Type: "", Name: this.room, Credentials: { PIN: pin } });
    if (m.Type === "Error") throw new Trouble("refused", m.Message || m.Code);
    this.password = pin;
    this.emit("room", { locked: pin !== "" });
  }

  connections() {
    const list = [...this.calls].map(([id, c]) => ({ id, pc: c.pc }));
    for (const s of this.screens.values()) if (s.screen) list.push({ id: s.screen, pc: s.pc });
    return list;
  }

  leave() {
    for (const id of this.calls.keys()) this.#bye(id);
    this.#send("Leave", {});
    this.over("left", "");
  }

  #quit() {
    this.done = true;
    clearInterval(this.heart);
    clearInterval(this.ear);
    removeEventListener("pagehide", this.onunload);
    this.audio?.close();
    this.socket?.close();
  }

  over(why, message) {
    if (this.done) return;
    this.unshare();
    this.#quit();
    for (const c of [...this.calls.values(), ...this.screens.values()]) c.close();
    this.calls.clear();
    this.screens.clear();
    this.emit("over", { why, message });
  }

  self(doc) {
    this.id = doc.Id;
    this.token = doc.Token;
    this.version = doc.Version;
    this.ice = [];
    if (doc.Stun?.length) this.ice.push({ urls: doc.Stun });
    if (doc.Turn?.urls?.length) this.ice.push({ urls: doc.Turn.urls, username: doc.Turn.username, credential: doc.Turn.password });
  }

  joined(doc) { this.#add(doc); }

  left(doc) { this.#remove(doc.Id); }

  roomed(doc) { this.emit("room", { locked: !!doc.Credentials?.PIN }); }
}

// What each document of the server does. They are called with the client as this.
const handlers = {
  Self(doc) { this.self(doc); },
  Joined(doc) { this.joined(doc); },
  Status(doc) { this.joined(doc); },
  Left(doc) { this.left(doc); },
  Room(doc) { this.roomed(doc); },
  Conference(doc, from) { this.conferenced(doc, from); },
  Offer(doc, from) { this.offered(from, doc.Offer); },
  Answer(doc, from) { this.signalled(doc, from); },
  Candidate(doc, from) { this.signalled(doc, from); },
  Bye(doc, from) { this.byed(doc, from); },
  Chat(doc, from) { this.chatted(doc, from); },
};

function agent() {
  const m = /(Chrome|Firefox|Version)\/(\d+)/.exec(navigator.userAgent);
  return m ? `${m[1] === "Version" ? "Safari" : m[1]} ${m[2]}` : "Browser";
}
