// The REST half of the k3k dialect: how somebody who knows the name of a room gets
// a ticket for its signalling.

import { Trouble } from "./wire.js";

const PATIENCE = 10000; // ms until an answer is given up

// What the codes of refusals mean for people. What is not here is said in the
// server's own words.
const refusals = {
  wrong_room_password: ["password", "The password is wrong, or the room needs one."],
  banned_from_room: ["banned", "You have been banned from this room."],
  not_found: ["missing", "There is no such room, or it cannot be opened from here."],
  conflict: ["full", "The room is full."],
  forbidden: ["refused", "The server does not let you into this room."],
  too_many_requests: ["refused", "Too many attempts. Wait a minute, then try again."],
  service_unavailable: ["unreachable", "The server takes nobody in right now. Try again in a moment."],
  session_running: ["running", "The server still believes in the connection that was lost."],
};

export class Rest {
  constructor(path, frames) {
    this.path = path;
    this.frames = frames;
  }

  // call makes a request and shows it, and what is answered, among the frames. It
  // resolves with the document, or null where the answer is empty.
  async call(method, what, body, bearer) {
    const title = `${method} v1/${what.replace(/[0-9a-f-]{36}/g, "…")}`;
    const text = body === undefined ? "" : JSON.stringify(body);
    this.frames.add("out", "http", text, title);
    const headers = {};
    if (text) headers["Content-Type"] = "application/json";
    if (bearer) headers.Authorization = "Bearer " + bearer;
    let response, answer;
    try {
      response = await fetch(this.path + "v1/" + what, {
        method, headers, body: text || undefined, signal: AbortSignal.timeout(PATIENCE), cache: "no-store",
      });
      answer = await response.text();
    } catch (e) {
      this.frames.add("note", "http", `${title}: ${e.message}`);
      throw new Trouble("unreachable", "The server does not answer. Is it still running? Try again in a moment.");
    }
    this.frames.add("in", "http", answer, `${response.status} ${title}`);
    let doc = null;
    try { doc = JSON.parse(answer); } catch { /* empty, or not for us */ }
    if (response.ok) return doc;
    throw refused(response.status, doc);
  }

  // room finds a room by its name, which opens it where there is none and the
  // server allows that. With the password, then, if one is given.
  async room(name, password) {
    const found = await this.call("POST", "names", password ? { name, password } : { name });
    const { room_id, password_required } = await this.call("POST", "invite/verify", { invite_code: found.invite_code });
    if (password_required && !password) throw new Trouble("password", "The room needs a password.");
    return { id: room_id, code: found.invite_code };
  }

  // start gets a ticket. The old resumption token keeps a participant what it was.
  start(room, password, resumption) {
    return this.call("POST", `rooms/${room.id}/start_invited`, {
      invite_code: room.code, breakout_room: null, ...(password && { password }), ...(resumption && { resumption }),
    });
  }

  // turn lists what helps to get through firewalls, as a browser wants it.
  async turn(room) {
    const list = await this.call("GET", "turn", undefined, room.code);
    return (list || []).map((s) => ({ urls: s.uris, username: s.username, credential: s.password }));
  }
}

// refused is the trouble behind a status and the body of an error. The layer of
// permissions answers without a body.
function refused(status, doc) {
  const code = doc?.code || { 403: "forbidden", 404: "not_found", 429: "too_many_requests", 503: "service_unavailable" }[status];
  if (refusals[code]) return new Trouble(...refusals[code]);
  const field = doc?.errors?.[0];
  return new Trouble("refused", `The server refused: ${field?.message || doc?.message || "status " + status}`);
}
