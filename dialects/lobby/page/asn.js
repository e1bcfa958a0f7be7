// A small asn client. It does what clients of the UCServer family do: calls and
// events of ROSE in JSON over one WebSocket, one connection for all that it sends,
// and one for each camera and each screen that it gets.

import { Emitter, Socket, Trouble, socketURL } from "./wire.js";
import { Media, kinds } from "./asnmedia.js";

const PATIENCE = 5000; // ms until an answer is given up
const TRIES = 20; // to come back
const EVENT = 99999; // the invokeID of what nobody answers

const operations = {
  asnRequestAuthToken: 3500, asnJoinConference: 3501, asnLeaveConference: 3502, asnConferenceKeepAlive: 3503,
  asnConfigurePublishing: 3504, asnSubscribeMedia: 3505, asnUnsubscribeMedia: 3506, asnConfigureMedia: 3507,
  asnRemoveParty: 3508, asnSDPOffer: 3560, asnSDPAnswer: 3561, asnTrickleIce: 3562, asnGatheringIceCompleted: 3563,
};

// What the error numbers mean for people who want to come in.
const refusals = {
  401: ["refused", "The room has a password, and this protocol has no word for it."],
  403: ["locked", "The room is locked, or you may not enter it."],
  410: ["missing", "This meeting is over, or it was cancelled."],
  429: ["full", "The room is full."],
  503: ["unreachable", "The server takes nobody in right now. Try again in a moment."],
};

const NO_ACCOUNT = 10; // invokeProblem: the credentials are wrong

// Why somebody has been removed.
const REMOVED = 1, ENDED = 4;

// Refusal is an error of the server's, by number, or a reject, by problem.
class Refusal extends Trouble {
  constructor(text, { number = 0, problem = 0 }) {
    super("refused", text);
    Object.assign(this, { number, problem });
  }
}

// Rose is one WebSocket with calls, their answers, and events.
class Rose {
  static async open(url, frames) {
    const r = new Rose();
    r.waiting = new Map(); // invokeID → what to do with the answer
    r.last = 0;
    r.onevent = r.onclose = () => {};
    r.socket = await Socket.open(url, [], frames);
    r.socket.onmessage = (m) => r.#take(m);
    r.socket.onclose = () => {
      r.#giveUp();
      r.onclose();
    };
    return r;
  }

  #take({ invoke, result, error, reject }) {
    if (invoke) this.onevent(invoke.operationName, invoke.argument);
    else if (result) this.#answered(result.invokeID)?.resolve(result.result.result);
    else if (error) this.#answered(error.invokedID)?.reject(new Refusal(error.error.u8sErrorString, { number: error.error.iErrorDetail }));
    else if (reject) this.#answered(reject.invokedID?.invokedID)?.reject(new Refusal(reject.details || "The server does not understand that.", { problem: reject.reject?.invokeProblem }));
  }

  #answered(id) {
    const w = this.waiting.get(id);
    this.waiting.delete(id);
    clearTimeout(w?.timer);
    return w;
  }

  #giveUp() {
    for (const id of [...this.waiting.keys()]) this.#answered(id).reject(new Trouble("unreachable", "The connection to the server is lost."));
  }

  // call resolves with the result.
  call(name, argument, authentication) {
    return new Promise((resolve, reject) => {
      const id = ++this.last;
      const timer = setTimeout(() => this.#answered(id)?.reject(new Trouble("unreachable", `The server did not answer ${name}.`)), PATIENCE);
      this.waiting.set(id, { resolve, reject, timer });
      this.#send(id, name, argument, authentication);
    });
  }

  event(name, argument) { this.#send(EVENT, name, argument); }

  #send(invokeID, name, argument, authentication) {
    this.socket.send({
      invoke: {
        invokeID, operationID: operations[name], operationName: name, ...(authentication && { authentication }),
        argument: { _type: "A" + name.slice(1) + "Argument", ...argument },
      },
    });
  }

  close() {
    this.onclose = this.onevent = () => {};
    this.socket.close();
    this.#giveUp();
  }
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// Clients that have no word for a screen send it as one more participant, and call
// it so.
const onlyScreen = (name) => name.endsWith(" (screen)");

// tileOf is the id under which the page shows somebody's screen.
const tileOf = (id, name) => (onlyScreen(name) ? id : id + "#screen");

const MODERATOR = 1; // eRole

export class Client extends Emitter {
  dialect = "asn";
  can = { kick: false, lock: false, screen: true, secret: false, chat: false };

  constructor({ path, frames, room, name, password, stream }) {
    super();
    Object.assign(this, { frames, room, name, password: password || "", stream });
    this.url = socketURL(path + "ws");
    this.members = new Map(); // party id → name
    this.talking = new Set(); // party ids
    this.muted = { audio: false, video: false }; // as the server was told
    this.media = new Media(this);
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

  async #enter() {
    this.#check();
    const rose = await Rose.open(this.url, this.frames);
    try {
      this.#check();
      this.rose = rose;
      rose.onevent = (name, argument) => { if (Object.hasOwn(events, name)) events[name](this, argument); };
      this.#entered(await this.#sit());
    } catch (e) {
      rose.close();
      throw refusals[e.number] ? new Trouble(...refusals[e.number]) : e;
    }
    rose.onclose = () => this.#lost();
  }

  // check ends what somebody has thought better of.
  #check() { if (this.done) throw new Trouble("refused", "You have left."); }

  // sit joins. Who has been here before comes back as who it was, if the server still
  // knows; who finds no such conference makes one with a token of its account.
  async #sit() {
    const muted = (kind) => ({ eMediaType: kinds[kind], bMuted: this.muted[kind] });
    const want = {
      u8sConferenceID: this.room, contact: { u8sDisplayName: this.name }, bPublisher: true,
      capabilities: { eClientCapabilities: [1, 2, 3], customCapabilities: [] }, media: [muted("audio"), muted("video")],
    };
    if (this.session) {
      try {
        return await this.rose.call("asnJoinConference", { ...want, u8sSessionToken: this.session });
      } catch (e) {
        if (e.number !== 401 && e.number !== 404) throw e;
        this.session = null;
      }
    }
    try {
      return await this.rose.call("asnJoinConference", want);
    } catch (e) {
      if (e.number !== 404) throw e;
    }
    return this.rose.call("asnJoinConference", { ...want, u8sToken: await this.#token() });
  }

  // token gets one for an account of our user's name. In development mode everybody
  // has one. The octets are encoded once more, as JSON wants it.
  async #token() {
    const authdata = base64(base64(this.name.replaceAll(":", " ") + ":" + this.password));
    try {
      return (await this.rose.call("asnRequestAuthToken", {}, { auth: { method: "Basic", authdata } })).u8sToken;
    } catch (e) {
      if (e.problem !== NO_ACCOUNT) throw e;
      throw new Trouble("password", "There is no such room yet. To open it, join under the name of an account, with its password.");
    }
  }

  // entered takes the result of a join.
  #entered(r) {
    const back = r.u8sPartyID === this.id;
    if (!back) {
      this.media.end();
      if (this.id) this.emit("gone", { id: this.id });
    }
    this.id = r.u8sPartyID;
    this.session = r.u8sSessionToken;
    this.ice = (r.iceServers || []).map(({ urls, username, credential }) => ({ urls, ...(username && { username, credential }) }));
    this.can.kick = r.eRole === MODERATOR;
    this.can.screen = !!r.u8sPublishID;
    this.inside = true;
    this.emit("problem", { text: "" });
    this.emit("joined", { id: this.id, moderator: this.can.kick, speaker: this.can.screen, locked: false, remaining: 0 });
    const here = new Set(r.parties.map((p) => p.u8sPartyID));
    for (const id of [...this.members.keys()]) if (!here.has(id)) this.gone(id);
    for (const p of r.parties) this.know(p);
    if (back) this.#remind(r.parties.find((p) => p.u8sPartyID === this.id));
    else if (r.u8sPublishID) this.media.publish(r.u8sPublishID, this.stream);
    clearInterval(this.timer);
    this.timer = setInterval(() => this.#alive(), r.iKeepAliveTimeout / 3);
  }

  // remind tells again what was switched while the connection was lost.
  #remind(self) {
    for (const kind of ["audio", "video"]) {
      const m = self?.media.find((x) => x.eMediaType === kinds[kind]);
      if (m && m.bMuted !== this.muted[kind]) this.#configure(kind, this.muted[kind]);
    }
  }

  #alive() {
    this.call("asnConferenceKeepAlive").catch((e) => {
      if (e.number === 401) this.#lost(); // the server has given us up
    });
  }

  // call and event speak for our party.
  call(name, argument = {}) { return this.rose.call(name, { u8sSessionToken: this.session, ...argument }); }

  event(name, argument) { this.rose.event(name, { u8sSessionToken: this.session, ...argument }); }

  // know takes what is told of somebody, which is always all of it.
  know(p, by) {
    const id = p.u8sPartyID, has = (kind) => p.media.find((m) => m.eMediaType === kinds[kind]);
    if (id === this.id) {
      if (by && by !== id) this.#overruled(has);
      return;
    }
    const name = p.contact.u8sDisplayName || "(no name)";
    this.members.set(id, name);
    this.emit("member", {
      id, name, screen: onlyScreen(name), moderator: p.eRole === MODERATOR, audioMuted: !!has("audio")?.bMuted, videoMuted: !!has("video")?.bMuted,
    });
    const tile = tileOf(id, name);
    if (tile !== id) this.emit(has("screen") ? "member" : "gone", { id: tile, name: name + " (screen)", screen: true });
    this.media.follow(id, "camera", ["audio", "video"].filter(has), id);
    this.media.follow(id, "screen", ["screen"].filter(has), tile);
  }

  // overruled: a moderator has switched something of ours. What is off goes on only
  // when our user wants it.
  #overruled(has) {
    for (const kind of ["audio", "video"]) {
      const m = has(kind);
      if (!m || m.bMuted === this.muted[kind]) continue;
      this.muted[kind] = m.bMuted;
      const what = kind === "audio" ? "microphone" : "camera";
      if (m.bMuted) this.emit("muted", { kind });
      this.emit("problem", { text: m.bMuted ? `A moderator has switched your ${what} off.` : `A moderator asks you to switch your ${what} on.` });
    }
  }

  gone(id) {
    if (!this.members.has(id)) return;
    const tile = tileOf(id, this.members.get(id));
    this.members.delete(id);
    this.talking.delete(id);
    this.media.forget(id);
    this.emit("gone", { id: tile });
    this.emit("gone", { id });
  }

  removed({ u8sPartyID: id, eReason, u8sReason }) {
    if (id !== this.id) this.gone(id);
    else if (eReason === REMOVED) this.over("kicked", "A moderator has removed you from the room." + (u8sReason ? ` “${u8sReason}”` : ""));
    else if (eReason === ENDED) this.over("time", "The meeting is over.");
    else this.#lost();
  }

  // talk takes the list of all who talk.
  talk(ids) {
    for (const id of this.talking) if (!ids.includes(id)) this.emit("member", { id, talking: false });
    for (const id of ids) if (!this.talking.has(id)) this.emit("member", { id, talking: true });
    this.talking = new Set(ids);
  }

  // mute tells the server, and switches the track off besides.
  mute(kind, on) {
    for (const t of this.stream?.getTracks() || []) if (t.kind === kind) t.enabled = !on;
    if (this.muted[kind] === on) return;
    this.muted[kind] = on;
    if (this.inside) this.#configure(kind, on);
  }

  async #configure(kind, on) {
    try {
      await this.call("asnConfigurePublishing", { media: [{ eMediaType: kinds[kind], bMuted: on }] });
    } catch (e) {
      if (!e.number || this.muted[kind] !== on) return; // it is told when the connection is back
      this.muted[kind] = !on;
      if (!on) this.emit("muted", { kind });
      this.emit("problem", { text: e.number === 403 ? "A moderator does not want that now." : e.message });
    }
  }

  async say() { throw new Trouble("refused", "This protocol has no chat."); }

  async kick(id) { await this.call("asnRemoveParty", { u8sPartyID: id }); }

  async share(stream) { await this.media.share(stream); }

  async unshare() { await this.media.unshare(); }

  restart(id) { this.media.restart(id); }

  configure(id, wish) { return this.media.configure(id, wish); }

  connections() { return this.media.connections(); }

  // lost: the party stays for a while, and its media with it.
  #lost() {
    if (this.done || !this.inside) return;
    this.inside = false;
    clearInterval(this.timer);
    this.rose.close();
    this.talk([]);
    this.emit("problem", { text: "The connection is lost. Trying again…" });
    this.#comeBack();
  }

  async #comeBack() {
    for (let tries = 0; tries < TRIES && !this.done; tries++) {
      await new Promise((r) => setTimeout(r, tries < 10 ? 1000 : 5000));
      try {
        await this.#enter();
        return;
      } catch (e) {
        if (e.code === "unreachable") continue;
        this.over("lost", e.message);
        return;
      }
    }
    this.over("lost", "The connection to the server is lost.");
  }

  leave() {
    if (this.inside) this.call("asnLeaveConference").catch(() => {}); // nobody waits for the answer
    this.over("left", "");
  }

  #quit() {
    this.done = true;
    this.inside = false;
    clearInterval(this.timer);
    this.rose?.close();
  }

  over(why, message) {
    if (this.done) return;
    this.#quit();
    this.media.end();
    if (this.id) this.emit("over", { why, message });
  }
}

// What each event of the server does.
const events = {
  asnSDPOffer: (c, a) => c.media.leg(a)?.offered?.(a.u8sSDP),
  asnSDPAnswer: (c, a) => c.media.leg(a)?.answered?.(a.u8sSDP),
  asnTrickleIce: (c, a) => c.media.leg(a)?.candidate(a.iceCandidate),
  asnPartyAdded: (c, a) => c.know(a.party),
  asnPartyChanged: (c, a) => c.know(a.party, a.u8sByPartyID),
  asnPartyRemoved: (c, a) => c.removed(a),
  asnPartyTalking: (c, a) => c.talk(a.seqPartyIDs),
};
