// The media half of the asn dialect: the publishing leg, on which everything goes
// that we send, and a subscription for each camera (with its microphone) and each
// screen that we get. A leg has an id, and is one connection.

import { Trouble } from "./wire.js";

export const kinds = { audio: 1, video: 2, screen: 3 }; // eMediaType

const PATIENCE = 10000; // ms until the answer to an offer is given up
const AGAIN = 1000; // ms until what has failed is tried again
const TRIES = 3; // to publish

// The layers of the camera, the best first.
const layers = [
  { rid: "h", maxBitrate: 1_000_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 350_000 },
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 120_000 },
];

// Three layers need a picture of this size, unless somebody wants a smaller one.
const camera = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } };

const list = (types, settings) => types.map((k) => ({ eMediaType: kinds[k], ...settings }));

// Leg is one connection.
class Leg {
  constructor(media, id) {
    Object.assign(this, { media, id, closed: false });
    this.work = Promise.resolve(); // descriptions are taken one after another
    this.connect();
  }

  connect() {
    const pc = this.pc = new RTCPeerConnection({ iceServers: this.media.client.ice });
    this.early = []; // candidates that have come before their description
    pc.onicecandidate = ({ candidate: c }) => {
      if (c?.candidate) this.tell("asnTrickleIce", { iceCandidate: { candidate: c.candidate, sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex } });
      else if (!c) this.tell("asnGatheringIceCompleted");
    };
    pc.onconnectionstatechange = () => { if (pc.connectionState === "failed") this.failed(); };
  }

  tell(name, argument) { this.media.client.event(name, { u8sSubscriptionID: this.id, ...argument }); }

  // then does something when all that came before is done. It resolves with an
  // error that was dealt with, or with nothing.
  then(what) {
    return this.work = this.work.then(async () => {
      if (!this.closed) await what();
    }).catch((e) => {
      if (!this.closed) this.media.client.frames.add("note", "media", `${this.what}: ${e.message}`);
      return e;
    });
  }

  candidate(c) {
    if (this.early) this.early.push(c);
    else this.pc.addIceCandidate(c).catch(() => {}); // others will do
  }

  async remote(type, sdp) {
    await this.pc.setRemoteDescription({ type, sdp });
    const early = this.early || [];
    this.early = null;
    for (const c of early) this.candidate(c);
  }

  disconnect() {
    this.pc.onicecandidate = this.pc.onconnectionstatechange = this.pc.ontrack = null;
    this.pc.close();
  }

  close() {
    this.closed = true;
    this.disconnect();
    this.answer?.reject(new Trouble("refused", "It has ended."));
  }
}

// Publication is the publishing leg: we offer. What is once on it stays there; a
// screen is switched off and on by settings.
class Publication extends Leg {
  what = "publish";

  constructor(media, id) {
    super(media, id);
    this.lines = []; // {kind, transceiver}
  }

  async add(kind, track, stream, encodings) {
    const line = this.lines.find((l) => l.kind === kind && l.track === track.kind);
    if (line) {
      await line.transceiver.sender.replaceTrack(track);
      return false;
    }
    const transceiver = this.pc.addTransceiver(track, { direction: "sendonly", streams: [stream], ...(encodings && { sendEncodings: encodings }) });
    this.lines.push({ kind, track: track.kind, transceiver });
    return true;
  }

  // offer offers what there is. It rejects where the server does not want it.
  async offer() {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const sdp = await new Promise((resolve, reject) => {
      this.answer = { resolve, reject };
      setTimeout(() => reject(new Trouble("unreachable", "The server does not answer the offer.")), PATIENCE);
      this.tell("asnSDPOffer", {
        u8sSDP: this.pc.localDescription.sdp,
        sections: this.lines.map((l) => ({ sdpMid: l.transceiver.mid, eMediaType: kinds[l.kind] })),
      });
    });
    if (sdp) {
      await this.remote("answer", sdp);
      return;
    }
    await this.pc.setLocalDescription({ type: "rollback" });
    throw new Trouble("refused", "The server does not take what the browser offers.");
  }

  answered(sdp) { this.answer?.resolve(sdp); }

  failed() { this.media.republish(this); }
}

// Subscription is what we get of somebody's camera or screen: the server offers.
class Subscription extends Leg {
  constructor(media, who, sort, shown) {
    super(media, "");
    Object.assign(this, { what: "subscribe " + sort, who, sort, shown, wanted: [], asked: [] });
  }

  connect() {
    super.connect();
    this.pc.ontrack = (e) => this.media.client.emit("media", { id: this.shown, stream: e.streams[0] || new MediaStream([e.track]) });
  }

  // want gets these media, as far as it is not done yet. What the server refuses is
  // asked for again when something changes.
  want(types) {
    this.wanted = types;
    this.asked = this.asked.filter((t) => types.includes(t));
    this.then(() => this.#ask());
  }

  async #ask() {
    const { client } = this.media, types = this.wanted, missing = types.filter((t) => !this.asked.includes(t));
    if (!missing.length || !client.inside) return;
    if (this.id) {
      await client.call("asnConfigureMedia", { u8sSubscriptionID: this.id, media: list(missing, { bEnabled: true }) });
    } else {
      const { u8sSubscriptionID: id } = await client.call("asnSubscribeMedia", { u8sPartyID: this.who, media: list(types) });
      if (this.closed) {
        this.media.unsubscribe(id);
        return;
      }
      this.id = id;
      this.media.legs.set(id, this);
    }
    this.asked = types.filter((t) => this.wanted.includes(t));
  }

  // offered answers the server, the first time and whenever something changes. An
  // empty answer would end the subscription.
  offered(sdp) {
    this.then(async () => {
      await this.remote("offer", sdp);
      await this.pc.setLocalDescription(await this.pc.createAnswer());
      this.tell("asnSDPAnswer", { u8sSDP: this.pc.localDescription.sdp });
    });
  }

  // failed begins anew.
  failed() {
    this.then(() => {
      const { id, wanted } = this;
      this.media.legs.delete(id);
      this.media.unsubscribe(id);
      this.disconnect();
      this.id = "";
      this.asked = [];
      this.connect();
      this.want(wanted);
    });
  }
}

// Media is everything that one client sends and receives.
export class Media {
  constructor(client) {
    this.client = client;
    this.legs = new Map(); // id → Leg
    this.getting = new Map(); // "<party id> <sort>" → Subscription
    this.giving = null; // Publication
    this.screen = null; // the stream
    this.ended = false; // the server was told that there is no screen any more
    this.tries = 0; // to publish
  }

  leg({ u8sSubscriptionID: id }) { return this.legs.get(id); }

  // publish sends camera and microphone, and a screen that is shared.
  async publish(id, stream) {
    const p = this.giving = new Publication(this, id);
    this.legs.set(id, p);
    const e = await p.then(async () => {
      for (const t of stream?.getAudioTracks() || []) await p.add("audio", t, stream);
      for (const t of stream?.getVideoTracks() || []) {
        if (!t.getConstraints().height?.max) await t.applyConstraints(camera).catch(() => {}); // then there are fewer layers
        await p.add("video", t, stream, layers);
      }
      for (const t of this.screen?.getTracks() || []) await p.add("screen", t, this.screen);
      if (p.lines.length) await p.offer();
    });
    if (!e) {
      if (this.tries) this.client.emit("problem", { text: "" });
      this.tries = 0;
    } else if (!p.closed) {
      this.republish(p, e.message);
    }
  }

  // republish begins anew, with a leg of a new id.
  async republish(p, why = "") {
    if (this.giving !== p) return;
    this.#drop(p);
    this.giving = null;
    const again = ++this.tries < TRIES;
    this.client.emit("problem", { text: `The others do not see what you send. ${again ? "Trying again…" : why}` });
    if (!again) return;
    await new Promise((r) => setTimeout(r, AGAIN));
    if (this.giving || !this.client.inside) return;
    try {
      await this.client.call("asnConfigurePublishing", { bPublisher: false });
      const { u8sPublishID: id } = await this.client.call("asnConfigurePublishing", { bPublisher: true });
      if (id && !this.giving) await this.publish(id, this.client.stream);
    } catch (e) {
      this.client.emit("problem", { text: `The others do not see what you send. ${e.message}` });
    }
  }

  async share(stream) {
    if (this.screen) await this.unshare();
    const p = this.giving;
    if (!p) throw new Trouble("refused", "Nothing can be sent right now.");
    this.screen = stream;
    const e = await p.then(async () => {
      const fresh = [];
      for (const t of stream.getTracks()) fresh.push(await p.add("screen", t, stream));
      if (this.ended) await this.#enable(true);
      if (fresh.some(Boolean)) await p.offer();
    });
    if (!e) return;
    if (this.screen === stream) this.screen = null;
    throw e;
  }

  async unshare() {
    const stream = this.screen;
    if (!stream) return;
    this.screen = null;
    for (const t of stream.getTracks()) t.stop();
    this.client.emit("unshared", {});
    await this.giving?.then(async () => {
      for (const l of this.giving.lines) if (l.kind === "screen") await l.transceiver.sender.replaceTrack(null);
      await this.#enable(false);
    });
  }

  // enable switches the screen. The server keeps that for the next leg, too.
  async #enable(on) {
    await this.client.call("asnConfigurePublishing", { media: list(["screen"], { bEnabled: on }) });
    this.ended = !on;
  }

  // follow gets what somebody sends, to show it in a tile.
  follow(who, sort, types, shown) {
    const key = who + " " + sort, s = this.getting.get(key);
    if (!types.length) {
      this.#forget(key);
    } else if (s) {
      s.want(types);
    } else {
      this.getting.set(key, new Subscription(this, who, sort, shown));
      this.getting.get(key).want(types);
    }
  }

  // forget: the server has closed the subscriptions by itself.
  forget(who) { for (const sort of ["camera", "screen"]) this.#forget(who + " " + sort); }

  #forget(key) {
    const s = this.getting.get(key);
    if (!s) return;
    this.getting.delete(key);
    this.#drop(s);
    this.client.emit("media", { id: s.shown, stream: null });
  }

  #drop(leg) {
    if (this.legs.get(leg.id) === leg) this.legs.delete(leg.id);
    leg.close();
  }

  unsubscribe(id) {
    if (id && this.client.inside) this.client.call("asnUnsubscribeMedia", { u8sSubscriptionID: id }).catch(() => {}); // it is gone already
  }

  restart(shown) { for (const s of this.getting.values()) if (s.shown === shown) s.failed(); }

  // configure asks for a layer, substream 2 for the best and 0 for the lowest, or
  // with video false for no picture. Nobody else learns of it.
  async configure(shown, { video, substream }) {
    for (const s of this.getting.values()) {
      const type = s.wanted.find((t) => t !== "audio");
      if (s.shown !== shown || !s.id || !type) continue;
      const setting = { ...(video !== undefined && { bMuted: !video }), ...(substream !== undefined && { eQuality: substream + 1 }) };
      await this.client.call("asnConfigureMedia", { u8sSubscriptionID: s.id, media: list([type], setting) });
    }
  }

  connections() {
    const all = [...this.getting.values()].map((s) => ({ id: s.shown, pc: s.pc }));
    if (this.giving) all.push({ id: this.client.id, pc: this.giving.pc });
    return all;
  }

  // end closes everything, without a word to the server.
  end() {
    for (const key of [...this.getting.keys()]) this.#forget(key);
    if (this.giving) this.#drop(this.giving);
    this.giving = null;
    this.tries = 0;
    this.ended = false;
    if (!this.screen) return;
    for (const t of this.screen.getTracks()) t.stop();
    this.screen = null;
    this.client.emit("unshared", {});
  }
}
