// The media half of the k3k dialect: one connection for each thing that we send and
// for each that we receive. None carries more than one media session, which is
// what one participant sends of one sort: "video", the camera with its microphone,
// or "screen".

export const sorts = ["video", "screen"];

const AGAIN = 1000; // ms until what has ended is tried again
const TRIES = 3; // to publish

// The layers of the camera, the best first, as the web client names them. Together
// they stay below what servers allow a camera.
const layers = [
  { rid: "high", maxBitrate: 1_000_000 },
  { rid: "medium", scaleResolutionDownBy: 2, maxBitrate: 350_000 },
  { rid: "low", scaleResolutionDownBy: 4, maxBitrate: 120_000 },
];

// Three layers need a picture of this size, unless somebody wants a smaller one.
const camera = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } };

// Link is one connection.
class Link {
  constructor(media, who, sort) {
    Object.assign(this, { media, who, sort, up: false });
    this.work = Promise.resolve(); // descriptions are taken one after another
    const pc = this.pc = new RTCPeerConnection({ iceServers: media.client.ice });
    pc.onicecandidate = ({ candidate: c }) => {
      if (c?.candidate) this.say("sdp_candidate", { candidate: { candidate: c.candidate, sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex } });
      else if (!c) this.say("sdp_end_of_candidates");
    };
  }

  // say sends a command about the session.
  say(action, fields = {}) {
    this.media.client.send("media", action, { target: this.who, media_session_type: this.sort, ...fields });
  }

  // then does something with the connection when all that came before is done.
  then(what) {
    this.work = this.work.then(what).catch((e) => {
      if (this.pc.signalingState === "closed") return;
      this.media.client.frames.add("note", "media", `${this.sort}: negotiation failed: ${e.message}`);
      this.failed(e);
    });
  }

  close() {
    this.pc.onicecandidate = this.pc.onconnectionstatechange = this.pc.ontrack = null;
    this.pc.close();
  }
}

// Publication is what we send of one sort.
class Publication extends Link {
  constructor(media, sort, stream) {
    super(media, media.client.id, sort);
    this.stream = stream;
    this.told = false; // the others know of it
  }

  open() {
    this.then(async () => {
      for (const t of this.stream.getAudioTracks()) this.pc.addTransceiver(t, { direction: "sendonly", streams: [this.stream] });
      for (const t of this.stream.getVideoTracks()) {
        if (this.sort === "video" && !t.getConstraints().height?.max) await t.applyConstraints(camera).catch(() => {}); // then there are fewer layers
        this.pc.addTransceiver(t, { direction: "sendonly", streams: [this.stream], ...(this.sort === "video" && { sendEncodings: layers }) });
      }
      const offer = await this.pc.createOffer();
      this.say("publish", { sdp: offer.sdp });
      await this.pc.setLocalDescription(offer);
    });
  }

  answered(sdp) { this.then(() => this.pc.setRemoteDescription({ type: "answer", sdp })); }

  // received says that the server gets something; then the others may be told.
  received(receiving) {
    if (!receiving || this.told) return;
    this.told = true;
    this.#state("publish_complete");
  }

  // changed tells which of the tracks are on.
  changed() { if (this.told) this.#state("update_media_session"); }

  #state(action) {
    const on = (tracks) => tracks.some((t) => t.enabled);
    this.media.client.send("media", action, {
      media_session_type: this.sort,
      media_session_state: { audio: on(this.stream.getAudioTracks()), video: on(this.stream.getVideoTracks()) },
    });
  }

  ready() {}

  failed(e) { this.media.unpublished(this, e.message); }

  down() { this.media.unpublished(this, "The server gets nothing from you."); }
}

// Subscription is what we get of somebody's media session.
class Subscription extends Link {
  constructor(media, who, sort, shown) {
    super(media, who, sort);
    this.shown = shown; // the id of its tile
    this.wish = { video: true, substream: 2 };
    this.pc.ontrack = (e) => media.client.emit("media", { id: this.shown, stream: e.streams[0] || new MediaStream([e.track]) });
    this.pc.onconnectionstatechange = () => { if (this.pc.connectionState === "failed") this.restart(); };
  }

  open() { this.say("subscribe"); }

  // restart asks for a fresh way through the network.
  restart() { this.say("resubscribe"); }

  // offered answers the server, the first time and when it begins anew.
  offered(sdp) {
    this.then(async () => {
      await this.pc.setRemoteDescription({ type: "offer", sdp });
      const answer = await this.pc.createAnswer();
      this.say("sdp_answer", { sdp: answer.sdp });
      await this.pc.setLocalDescription(answer);
    });
  }

  ready() { this.configure({}); }

  configure(wish) {
    Object.assign(this.wish, wish);
    if (this.up) this.say("configure", { configuration: this.wish.video ? this.wish : { video: false } });
  }

  failed() { this.media.unsubscribed(this); }

  down() { this.media.unsubscribed(this); }
}

const keyOf = (who, sort) => who + " " + sort;

// Media is everything that one client sends and receives.
export class Media {
  constructor(client) {
    this.client = client;
    this.giving = new Map(); // sort → Publication
    this.getting = new Map(); // "<id> <sort>" → Subscription
    this.announced = new Set(); // the same keys, of what others are said to send
    this.tries = 0; // to publish the camera
  }

  publish(sort, stream) {
    if (!stream?.getTracks().length) return;
    const p = new Publication(this, sort, stream);
    this.giving.set(sort, p);
    p.open();
  }

  // unpublished: the server does not take what we send, or not any more.
  unpublished(p, why, once) {
    if (this.giving.get(p.sort) !== p) return;
    this.giving.delete(p.sort);
    p.close();
    const again = !once && p.sort === "video" && ++this.tries < TRIES;
    if (why) this.client.emit("problem", { text: `The others do not see what you send. ${again ? "Trying again…" : why}` });
    if (p.sort === "screen") {
      for (const t of p.stream.getTracks()) t.stop();
      this.client.emit("unshared", {});
    } else if (again) {
      setTimeout(() => { if (this.client.inside && !this.giving.has(p.sort)) this.publish(p.sort, p.stream); }, AGAIN);
    }
  }

  // withdraw ends what we send of one sort.
  withdraw(sort) {
    const p = this.giving.get(sort);
    if (!p) return;
    this.client.send("media", "unpublish", { media_session_type: sort });
    this.unpublished(p, "", true);
  }

  // follow gets what somebody sends, to show it in a tile.
  follow(who, sort, shown) {
    const key = keyOf(who, sort);
    this.announced.add(key);
    if (this.getting.has(key)) return;
    const s = new Subscription(this, who, sort, shown);
    this.getting.set(key, s);
    s.open();
  }

  // unfollow: somebody does not send that any more.
  unfollow(who, sort) {
    const key = keyOf(who, sort);
    this.announced.delete(key);
    if (this.getting.has(key)) this.#drop(this.getting.get(key));
  }

  #drop(s) {
    s.close();
    this.getting.delete(keyOf(s.who, s.sort));
    this.client.emit("media", { id: s.shown, stream: null });
  }

  // unsubscribed: nothing comes any more. What is there after a moment is asked for
  // again; where it has ended, an update has said so.
  unsubscribed(s) {
    const key = keyOf(s.who, s.sort);
    if (this.getting.get(key) !== s) return;
    this.#drop(s);
    setTimeout(() => { if (this.client.inside && this.announced.has(key)) this.follow(s.who, s.sort, s.shown); }, AGAIN);
  }

  // link returns the connection that a message is about.
  link({ source, media_session_type: sort }) {
    return source === this.client.id ? this.giving.get(sort) : this.getting.get(keyOf(source, sort));
  }

  up(m) {
    const l = this.link(m);
    if (!l) return;
    l.up = true;
    l.ready();
  }

  received(m) {
    const p = this.giving.get(m.media_session_type);
    if (!p || m.source !== this.client.id) return;
    p.received(m.receiving);
    if (!p.told || p.sort !== "video" || !this.tries) return;
    this.tries = 0;
    this.client.emit("problem", { text: "" });
  }

  // refused: what we send is not wanted. The error does not say of which sort that
  // is: of the one that is not up yet.
  refused(why, once) {
    const p = [...this.giving.values()].find((x) => !x.told);
    if (p) this.unpublished(p, why, once);
  }

  restart(shown) { for (const s of this.getting.values()) if (s.shown === shown) s.restart(); }

  // configure asks for a layer, substream 2 for the best and 0 for the lowest, or
  // with video false for no picture.
  configure(shown, wish) { for (const s of this.getting.values()) if (s.shown === shown) s.configure(wish); }

  connections() {
    const list = [...this.getting.values()].map((s) => ({ id: s.shown, pc: s.pc }));
    if (this.giving.has("video")) list.push({ id: this.client.id, pc: this.giving.get("video").pc });
    return list;
  }

  // end closes everything, without a word to the server.
  end() {
    for (const s of [...this.getting.values()]) this.#drop(s);
    this.announced.clear();
    for (const p of [...this.giving.values()]) this.unpublished(p, "", true);
    this.tries = 0;
  }
}
