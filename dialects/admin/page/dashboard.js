// The dashboard: what /api/v1/events tells, as tables. No library, no build step.

const $ = (id) => document.getElementById(id);
const rooms = new Map(); // id → room as the API shows it, with participants
let key = sessionStorage.getItem("dragoman-admin-key") || "";

function el(tag, props = {}, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

async function call(method, path, body) {
  const headers = {};
  if (key) headers.Authorization = "Bearer " + key;
  if (method !== "GET") headers["Content-Type"] = "application/json";
  const r = await fetch("api/v1/" + path, { method, headers, body: body && JSON.stringify(body) });
  if (r.ok) return r;
  let message = r.statusText;
  try { message = (await r.json()).error.message; } catch { /* not ours */ }
  throw Object.assign(new Error(message), { status: r.status });
}

async function act(method, path, body, problem = "problem") {
  $(problem).textContent = "";
  try { await call(method, path, body); } catch (e) { $(problem).textContent = e.message; }
}

// One line of the API's names for people.
const inRoom = (id, rest) => "rooms/" + encodeURIComponent(id) + rest;

function tracks(p) {
  if (!p.streams.length) return ["–"];
  return p.streams.map((s) => {
    const what = ["audio", "video"].filter((t) => s[t] !== "absent").map((t) => `${t} ${s[t]}${rate(s.id, t)}`);
    return el("div", {}, s.source + ": " + (what.join(", ") || "nothing yet"));
  });
}

let rates = new Map(); // "<stream> <track>" → text
let counted = null; // the last answer, and when it came

function rate(stream, track) {
  const r = rates.get(stream + " " + track);
  return r ? ` (${r})` : "";
}

// sum adds up what all layers of a track have brought.
function sum(t) {
  const s = { bytes: 0, packets: 0, lost: 0, size: "", layers: t.layers.length };
  for (const l of t.layers) {
    s.bytes += l.bytes;
    s.packets += l.packets;
    s.lost += l.lost;
    if (l.height) s.size = `${l.width}×${l.height}`; // the last layer is the highest
  }
  return s;
}

async function traffic() {
  if (document.hidden || !rooms.size) return;
  let answer;
  try { answer = await (await call("GET", "traffic")).json(); } catch { return; }
  const now = { at: performance.now(), by: new Map(answer.traffic.map((t) => [t.stream + " " + t.track, sum(t)])) };
  if (counted) {
    rates = new Map();
    const seconds = (now.at - counted.at) / 1000;
    for (const [id, s] of now.by) {
      const before = counted.by.get(id);
      if (!before || s.bytes < before.bytes) continue;
      const packets = s.packets - before.packets, lost = Math.max(0, s.lost - before.lost);
      const parts = [`${Math.round((s.bytes - before.bytes) * 8 / seconds / 1000)} kbit/s`];
      if (s.size) parts.push(s.size);
      if (s.layers > 1) parts.push(`${s.layers} layers`);
      if (lost) parts.push(`${(100 * lost / (packets + lost)).toFixed(1)} % lost`);
      rates.set(id, parts.join(", "));
    }
    draw();
  }
  counted = now;
}

// The nodes of the cluster, and what runs on each.
let homes = new Map(); // room → name of its node
async function nodes() {
  if (document.hidden) return;
  let list;
  try { ({ nodes: list } = await (await call("GET", "nodes")).json()); } catch { return; }
  homes = new Map(list.flatMap((n) => n.rooms.map((r) => [r, n.name])));
  $("cluster").hidden = !list.length;
  const titles = ["Node", "State", "Rooms", "Load", "Version", ""].map((t) => el("th", { scope: "col" }, t));
  const rows = list.map((n) => {
    const up = n.state === "up";
    return el("tr", {}, el("td", {}, n.name, n.self ? " (this one)" : ""),
      el("td", {}, el("span", { className: "badge" }, n.answers ? n.state : "cannot be reached")),
      el("td", {}, String(n.rooms.length)), el("td", {}, String(n.load)), el("td", {}, n.version),
      el("td", { className: "actions" }, el("button", {
        type: "button", className: up ? "danger" : "", textContent: up ? "Drain" : "Take back",
        onclick: async () => {
          if (up && !confirm(`Make ${n.name} ready to go?`)) return;
          await act("POST", "nodes/drain", { node: n.id, on: up });
          nodes();
        },
      })));
  });
  if (list.length) $("nodes").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...titles)), el("tbody", {}, ...rows)));
}

// The rooms that are one with a room of a LiveKit server.
const span = (ms) => {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
};
const size = (n) => {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000 || unit === "GB") return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
  return "";
};
const grades = { up: "good", failed: "bad" };
let moved = null; // bytes of each peering as they were asked last, and when

function bitrate(now, p, which) {
  const before = moved?.by.get(peeringKey(p));
  if (!before || p[which] < before[which]) return size(p[which]);
  const kbit = (p[which] - before[which]) * 8 / (now - moved.at);
  return `${Math.round(kbit)} kbit/s, ${size(p[which])}`;
}

const peeringKey = (p) => JSON.stringify([p.room, p.server, p.node]);

async function peerings() {
  if (document.hidden) return;
  let servers, list;
  try { ({ servers, peerings: list } = await (await call("GET", "peerings")).json()); } catch { return; }
  $("federation").hidden = !servers.length && !list.length;
  if ($("federation").hidden) return;
  const select = $("peer-server");
  if ([...select.options].map((o) => o.value).join("\n") !== servers.join("\n")) {
    select.replaceChildren(...servers.map((s) => el("option", { value: s, textContent: s })));
  }
  const now = performance.now();
  const node = list.some((p) => p.node);
  const titles = ["Room", ...(node ? ["Node"] : []), "Server", "Room there", "State"];
  const numbers = ["People in", "People out", "Views", "Media in", "Media out"];
  const rows = list.flatMap((p) => {
    const state = el("td", { className: "state" }, el("span", { className: "badge " + (grades[p.state] || "") }, p.state), p.since ? ` ${span(Date.now() - new Date(p.since))}` : "");
    const out = p.puppets === p.out ? p.out : `${p.puppets} of ${p.out}`; // who are there, of those who should be
    const line = el("tr", {}, el("td", {}, p.room), ...(node ? [el("td", {}, p.node || "–")] : []), el("td", {}, p.server), el("td", {}, p.theirs), state,
      ...[p.in, out, p.views].map((n) => el("td", { className: "number" }, String(n))),
      ...["bytes_in", "bytes_out"].map((which) => el("td", { className: "number" }, bitrate(now, p, which))),
      el("td", { className: "actions" }, el("button", {
        type: "button", className: "danger", textContent: "Part",
        onclick: async () => {
          if (!confirm(`Part ${p.room} from ${p.theirs} on ${p.server}?`)) return;
          await act("DELETE", inRoom(p.room, "/peerings/" + encodeURIComponent(p.server)), undefined, "peer-problem");
          peerings();
        },
      })));
    const all = titles.length + numbers.length + 1;
    return p.error ? [line, el("tr", { className: "more" }, el("td", { className: "bad", colSpan: all }, p.error))] : [line];
  });
  moved = { at: now, by: new Map(list.map((p) => [peeringKey(p), p])) };
  const focused = [...$("peerings").querySelectorAll("button")].indexOf(document.activeElement);
  if (rows.length) {
    const head = [...titles.map((t) => el("th", { scope: "col" }, t)), ...numbers.map((t) => el("th", { scope: "col", className: "number" }, t)), el("th", { scope: "col" })];
    $("peerings").replaceChildren(el("article", {}, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows))));
  } else {
    $("peerings").replaceChildren(el("p", {}, "No room is one with a room there yet."));
  }
  $("peerings").querySelectorAll("button")[focused]?.focus();
}

function row(room, p) {
  const silenced = p.streams.some((s) => s.source === "camera" && s.audio === "silenced");
  const name = el("td", { className: p.talking ? "talking" : "" }, p.name || "(no name)");
  for (const [on, text] of [[p.kind === "federated", p.from ? "from " + p.from : "federated"], [p.hand, "hand up"], [p.away, "away"], [p.waiting, "waits"]]) {
    if (on) name.append(" ", el("span", { className: "badge" }, text));
  }
  return el("tr", {}, name,
    el("td", {}, p.dialect), el("td", {}, p.role), el("td", {}, ...tracks(p)),
    el("td", {}, new Date(p.joined).toLocaleTimeString()),
    el("td", { className: "actions" },
      el("button", {
        type: "button", textContent: silenced ? "Unmute" : "Mute",
        onclick: () => act("POST", inRoom(room.id, "/mute"), { participants: [p.id], track: "audio", force: true, off: silenced }),
      }),
      el("button", {
        type: "button", className: "danger", textContent: "Kick",
        onclick: () => confirm(`Throw ${p.name || "this participant"} out of ${room.id}?`) && act("POST", inRoom(room.id, "/kick"), { participant: p.id }),
      })));
}

function card(room) {
  const people = room.participants || [];
  const flags = [homes.get(room.id) && "on " + homes.get(room.id), room.locked && "locked", room.secured.length && "password", room.waiting_room && "waiting room", room.recording && "recording"].filter(Boolean);
  const head = el("header", {}, el("h3", {}, room.title && room.title !== room.id ? `${room.title} (${room.id})` : room.id),
    el("span", { className: "badge" }, `${room.members}${room.max ? " of " + room.max : ""}`),
    ...flags.map((f) => el("span", { className: "badge" }, f)),
    el("span", { className: "actions" },
      el("button", { type: "button", textContent: room.locked ? "Unlock" : "Lock", onclick: () => act("POST", inRoom(room.id, "/lock"), { on: !room.locked }) }),
      el("button", {
        type: "button", className: "danger", textContent: "Close",
        onclick: () => confirm(`Close ${room.id} for everybody?`) && act("DELETE", inRoom(room.id, "")),
      })));
  if (!people.length) return el("article", {}, head);
  const titles = ["Name", "Dialect", "Role", "Streams", "Since", ""].map((t) => el("th", { scope: "col" }, t));
  return el("article", {}, head, el("table", {}, el("thead", {}, el("tr", {}, ...titles)),
    el("tbody", {}, ...people.map((p) => row(room, p)))));
}

function totals() {
  const people = [...rooms.values()].flatMap((r) => r.participants || []);
  const by = new Map();
  for (const p of people) by.set(p.dialect, (by.get(p.dialect) || 0) + 1);
  const streams = people.reduce((n, p) => n + p.streams.length, 0);
  const list = [["Rooms", rooms.size], ["Participants", people.length], ["Streams", streams], ...[...by].sort()];
  $("totals").replaceChildren(...list.map(([t, n]) => el("div", {}, el("dt", {}, t), el("dd", {}, String(n)))));
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const focus = document.activeElement?.textContent;
    const at = [...$("rooms").querySelectorAll("button")].indexOf(document.activeElement);
    $("rooms").replaceChildren(...[...rooms.values()].sort((a, b) => a.id.localeCompare(b.id)).map(card));
    const again = $("rooms").querySelectorAll("button")[at];
    if (at >= 0 && again?.textContent === focus) again.focus();
    $("empty").hidden = rooms.size > 0;
    totals();
  });
}

function note(text) {
  const log = $("log");
  log.prepend(el("li", {}, el("time", {}, new Date().toLocaleTimeString()), text));
  while (log.childElementCount > 200) log.lastElementChild.remove();
}

const find = (room, id) => room?.participants.find((p) => p.id === id);

// What each event does to what we know.
const on = {
  room: (e) => { rooms.set(e.room, e.is); note(`${e.room} is open`); },
  closed: (e) => { rooms.delete(e.room); note(`${e.room} is closed: ${e.reason || ""}`); },
  changed: (e, room) => { if (room) Object.assign(room, e.is, { participants: room.participants }); },
  joined: (e, room) => {
    room.participants = room.participants.filter((p) => p.id !== e.participant.id).concat(e.participant);
    note(`${e.participant.name || "somebody"} ${e.participant.waiting ? "waits at" : "joined"} ${e.room} (${e.participant.dialect})`);
  },
  participant: (e, room) => {
    const p = find(room, e.participant.id);
    if (p) Object.assign(p, e.participant, { streams: p.streams, waiting: p.waiting });
  },
  left: (e, room) => {
    const p = find(room, e.id);
    if (p && (e.reason !== "waited" || p.waiting)) {
      room.participants = room.participants.filter((x) => x !== p);
      note(`${p.name || "somebody"} left ${e.room}: ${e.reason}`);
    }
  },
  stream: (e, room) => {
    const p = find(room, e.stream.owner);
    if (p) p.streams = p.streams.filter((s) => s.id !== e.stream.id).concat(e.stream);
  },
  unpublished: (e, room) => {
    const p = find(room, e.stream.owner);
    if (p) p.streams = p.streams.filter((s) => s.id !== e.stream.id);
  },
  talking: (e, room) => { const p = find(room, e.id); if (p) p.talking = e.on; },
  recording: (e, room) => { room.recording = e.on; },
  peering: (e) => {
    note(`${e.room} and ${e.peering.theirs} on ${e.peering.server}: ${e.peering.state}${e.peering.error ? ": " + e.peering.error : ""}`);
    peerings();
  },
  unpeered: (e) => {
    note(`${e.room} and ${e.peering.theirs} on ${e.peering.server} are no longer one`);
    peerings();
  },
};
const roomless = ["room", "peering", "unpeered"]; // kinds that may be of a room that is not shown

function take(block) {
  let kind = "", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (!on[kind]) return;
  const e = JSON.parse(data);
  const room = rooms.get(e.room);
  if (!room && !roomless.includes(kind)) return;
  on[kind](e, room);
  if (room) room.members = room.participants.filter((p) => !p.waiting).length;
  draw();
}

// EventSource cannot send a key, so the stream is read by hand.
async function listen() {
  const r = await call("GET", "events");
  $("state").textContent = "live";
  $("state").className = "good";
  rooms.clear();
  draw();
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    blocks.forEach(take);
  }
}

async function health() {
  const ask = async (path) => { try { return (await fetch(path)).ok; } catch { return false; } };
  const [live, ready] = [await ask("livez"), await ask("readyz")];
  $("health").textContent = live ? (ready ? "ready" : "alive, takes no new clients") : "does not answer";
  $("health").className = live && ready ? "good" : "bad";
}

async function main() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try {
      const v = await (await call("GET", "version")).json();
      $("version").textContent = v.version;
      $("login").hidden = true;
      wait = 500;
      await listen();
    } catch (e) {
      if (e.status === 401) {
        $("login").hidden = false;
        $("refused").textContent = key ? e.message : "";
        $("state").textContent = "locked";
        return;
      }
      $("refused").textContent = "";
    }
    $("state").textContent = "lost the node, trying again…";
    $("state").className = "bad";
    await new Promise((r) => setTimeout(r, wait));
  }
}

$("login").onsubmit = (e) => {
  e.preventDefault();
  key = $("key").value.trim();
  sessionStorage.setItem("dragoman-admin-key", key);
  main();
};
$("create").onsubmit = (e) => {
  e.preventDefault();
  act("POST", "rooms", { id: $("new-room").value });
  $("new-room").value = "";
};
$("peer").onsubmit = async (e) => {
  e.preventDefault();
  const body = { server: $("peer-server").value };
  if ($("peer-theirs").value) body.theirs = $("peer-theirs").value;
  await act("POST", inRoom($("peer-room").value, "/peerings"), body, "peer-problem");
  if (!$("peer-problem").textContent) $("peer").reset();
  peerings();
};
health();
setInterval(health, 5000);
setInterval(traffic, 2000);
setInterval(nodes, 2000);
setInterval(peerings, 2000);
main();
