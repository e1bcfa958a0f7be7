// The lobby: who, where, in which dialect; then the meeting.

import { $, el } from "./dom.js";
import { Frames } from "./wire.js";
import { Panel } from "./panel.js";
import { Stage } from "./stage.js";
import { capture, startMeter, stopMeter } from "./devices.js";
import { measure, nonSilent } from "./measure.js";

const params = new URLSearchParams(location.search);
const height = Number(params.get("height")) || 0; // of our picture at most
const frames = new Frames();
new Panel(frames);
const stage = new Stage({ onkick: kick });

let client = null;
let stream = null; // camera and microphone
let state = "idle"; // idle, joining, joined
let chat = [];
const muted = { audio: false, video: false };

function setState(s) {
  state = s;
  document.body.dataset.state = s;
  $("entrance").hidden = s === "joined";
  $("meeting").hidden = s !== "joined";
  $("where").hidden = s !== "joined";
  $("enter").disabled = s === "joining";
  $("enter").textContent = s === "joining" ? "Joining…" : "Join";
}

const status = (text) => { $("status").textContent = text; };
const problem = (text) => { $("problem").textContent = text; };

function stopStream() {
  for (const t of stream?.getTracks() || []) t.stop();
  stream = null;
  showPreview();
}

function showPreview() {
  $("preview").srcObject = stream;
  $("try").hidden = !!stream;
  stopMeter();
  if (stream?.getAudioTracks().length && state === "idle") startMeter(stream);
}

async function tryDevices() {
  problem("");
  stopStream();
  try {
    stream = await capture($("with-audio").checked, $("with-video").checked, status, height);
  } catch (e) {
    problem(e.message);
  }
  showPreview();
}

// wanted reports whether what was tried is what is to be sent.
function wanted(kind) {
  return (stream?.getTracks().some((t) => t.kind === kind && t.readyState === "live") || false) === $("with-" + kind).checked;
}

async function join() {
  if (state !== "idle") return;
  problem("");
  setState("joining");
  const dialect = new FormData($("join")).get("dialect");
  const chosen = server.dialects.find((d) => d.name === dialect);
  const want = { room: $("room").value.trim(), name: $("name").value.trim(), password: $("password").value };
  try {
    if (!wanted("audio") || !wanted("video")) {
      stopStream();
      stream = await capture($("with-audio").checked, $("with-video").checked, status, height);
    }
    stream ||= new MediaStream();
    showPreview();
    const { Client } = await import(`./${chosen.name}.js`);
    for (;;) {
      client = new Client({ path: chosen.path, frames, stream, ...want });
      listen(client, chosen, want);
      try {
        await client.join();
        break;
      } catch (e) {
        const refused = client;
        client = null; // what it still says is nobody's business
        refused.leave();
        if (e.code !== "password") throw e;
        const answer = await ask("This room needs a password", e.message);
        if (answer === null) throw e;
        want.password = answer;
      }
    }
  } catch (e) {
    client = null;
    stopStream();
    setState("idle");
    problem(e.message);
    return;
  }
  remember(chosen.name, want);
}

function listen(c, dialect, want) {
  const mine = (f) => (x) => { if (c === client) f(x); };
  c.on("joined", mine((x) => entered(c, dialect, want, x)));
  c.on("member", mine((x) => {
    stage.change(x.id === c.id ? { ...x, name: undefined } : x);
    announce();
  }));
  c.on("gone", mine((x) => stage.remove(x.id)));
  c.on("media", mine((x) => stage.media(x.id, x.stream)));
  c.on("chat", mine(line));
  c.on("problem", mine((x) => status(x.text)));
  c.on("room", mine((x) => {
    if (x.locked !== undefined) showLock(x.locked);
  }));
  c.on("can", mine(() => showRights(c)));
  c.on("muted", mine((x) => setMuted(x.kind, true)));
  c.on("knock", mine((x) => knock(c, x)));
  c.on("unshared", mine(() => shared(false)));
  c.on("over", mine((x) => left(x)));
}

function entered(c, dialect, want, x) {
  // A client that has lost its connection and is back has joined again: what its
  // user has switched off stays off.
  const again = state === "joined";
  if (!again) {
    stage.clear();
    chat = [];
    $("lines").replaceChildren();
  }
  setState("joined");
  $("room-name").textContent = want.room;
  $("badge").textContent = dialect.title;
  document.title = `${want.room} · Dragoman`;
  stage.change({ id: c.id, name: want.name, self: true });
  stage.media(c.id, stream.getTracks().length ? stream : null);
  $("knocking").replaceChildren();
  for (const kind of ["audio", "video"]) {
    const has = stream.getTracks().some((t) => t.kind === kind);
    $("mute-" + kind).disabled = !has;
    setMuted(kind, again && muted[kind]);
  }
  if (!again) shared(false);
  showRights(c);
  showLock(!!x.locked);
  status(x.remaining > 0 ? `This room closes in ${Math.ceil(x.remaining / 60)} min.` : "");
  showWays(want.room);
}

// showRights offers what our user may do.
function showRights(c) {
  stage.setModerator(c.can.kick);
  $("share").disabled = !c.can.screen || !navigator.mediaDevices?.getDisplayMedia;
  $("lock").hidden = !c.can.lock && !c.can.secret;
  $("knocking").hidden = !c.can.admit;
  const chats = able(c).chat;
  if (chats && $("tab-chat").hidden) show("chat");
  else if (!chats && !$("chat").hidden) show("wire");
  $("tab-chat").hidden = !chats;
}

// able says what a client can do: chat, unless it says otherwise.
const able = (c) => ({ chat: true, ...c?.can });

// knock shows who waits to be let in.
function knock(c, { id, name, gone }) {
  [...$("knocking").children].find((x) => x.dataset.id === id)?.remove();
  if (gone) return;
  const item = el("li", {}, el("span", {}, name + " waits to be let in."), el("button", { type: "button", onclick: () => c.admit(id) }, "Let in"));
  item.dataset.id = id;
  $("knocking").append(item);
}

function announce() { $("alone").hidden = stage.people.size > 1; }

function left({ why, message }) {
  client = null;
  stopStream();
  stage.clear();
  setState("idle");
  document.title = "Dragoman: lobby";
  status("");
  problem(why === "left" ? "" : message);
  $("enter").focus();
}

function setMuted(kind, on) {
  muted[kind] = on;
  const b = $("mute-" + kind);
  b.setAttribute("aria-pressed", String(on));
  const words = { audio: ["Mute", "Unmute"], video: ["Camera off", "Camera on"] }[kind];
  b.querySelector("span").textContent = words[on ? 1 : 0];
  client?.mute(kind, on);
  if (client?.id && kind === "audio") stage.change({ id: client.id, audioMuted: on });
  if (client?.id && kind === "video") stage.change({ id: client.id });
}

async function kick(id) {
  try { await client.kick(id); } catch (e) { status(e.message); }
}

function showLock(on) {
  $("lock").setAttribute("aria-pressed", String(on));
  $("lock").querySelector("span").textContent = client?.can.secret ? (on ? "Remove PIN" : "Set PIN") : (on ? "Unlock" : "Lock");
  $("locked").hidden = !on;
}

async function lock() {
  const on = $("lock").getAttribute("aria-pressed") !== "true";
  try {
    if (client.can.lock) {
      await client.lock(on);
    } else {
      const pin = on ? await ask("Set a PIN", "Whoever joins from now on has to know it.") : "";
      if (pin === null || on && !pin) return;
      await client.secret(pin);
    }
  } catch (e) { status(e.message); }
}

function shared(on) {
  $("share").setAttribute("aria-pressed", String(on));
  $("share").querySelector("span").textContent = on ? "Stop sharing" : "Share screen";
  if (!client) return;
  if (!on) stage.remove("own-screen");
}

async function share() {
  if ($("share").getAttribute("aria-pressed") === "true") {
    await client.unshare();
    return;
  }
  let screen;
  try {
    screen = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
  } catch (e) {
    if (e.name !== "NotAllowedError") status(e.message); // who closes the browser's question knows it
    return;
  }
  try {
    await client.share(screen);
    shared(true);
    stage.change({ id: "own-screen", name: "Your screen", self: true, screen: true });
    stage.media("own-screen", screen);
    screen.getVideoTracks()[0].addEventListener("ended", () => client?.unshare());
  } catch (e) {
    for (const t of screen.getTracks()) t.stop();
    status(e.message);
  }
}

function line({ from, name, text, own, private: direct }) {
  chat.push({ from, name, text, own: !!own });
  const item = el("li", { className: own ? "own" : "" }, el("span", { className: "who" }, own ? "You" : name + (direct ? " (to you)" : "")), el("span", { className: "what" }, text));
  $("lines").append(item);
  while ($("lines").childElementCount > 500) $("lines").firstElementChild.remove();
  $("lines").scrollTop = $("lines").scrollHeight;
  if (!own && $("chat").hidden) {
    $("unread").hidden = false;
    $("unread").textContent = String(Number($("unread").textContent || 0) + 1);
  }
}

async function say(text) {
  text = text.trim();
  if (!text || !client || !able(client).chat) return;
  try { await client.say(text); } catch (e) { status(e.message); }
}

async function showWays(room) {
  const list = $("ways-list");
  list.replaceChildren();
  try {
    const r = await fetch("lobby/card.json?room=" + encodeURIComponent(room));
    const { ways } = await r.json();
    list.replaceChildren(...ways.map((w) => el("li", {}, el("strong", {}, w.dialect), el("span", {}, w.how), el("code", {}, w.url), w.room ? el("span", {}, "room: ", el("code", {}, w.room)) : null)));
  } catch { /* the tab stays empty */ }
}

// ask asks for one secret; null: the person thought better of it.
function ask(title, text) {
  const d = $("ask");
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-value").value = "";
  d.returnValue = "";
  d.showModal();
  $("ask-value").focus();
  return new Promise((resolve) => {
    d.onclose = () => resolve(d.returnValue === "ok" ? $("ask-value").value : null);
  });
}

const tabs = ["chat", "wire", "ways"];

function show(tab) {
  for (const t of tabs) {
    const on = t === tab;
    $(t).hidden = !on;
    $("tab-" + t).setAttribute("aria-selected", String(on));
    $("tab-" + t).tabIndex = on ? 0 : -1;
  }
  if (tab === "chat") {
    $("unread").hidden = true;
    $("unread").textContent = "";
  }
  if (tab === "wire") $("frames").scrollTop = $("frames").scrollHeight;
}

function togglePanel() {
  const on = $("panel").getAttribute("aria-pressed") !== "true";
  $("panel").setAttribute("aria-pressed", String(on));
  $("side").hidden = !on;
}

function remember(dialect, want) {
  localStorage.setItem("dragoman-lobby", JSON.stringify({ dialect, name: want.name, room: want.room }));
}

function remembered() {
  try { return JSON.parse(localStorage.getItem("dragoman-lobby")) || {}; } catch { return {}; }
}

const keys = {
  m: () => !$("mute-audio").disabled && setMuted("audio", !muted.audio),
  v: () => !$("mute-video").disabled && setMuted("video", !muted.video),
  s: () => !$("share").disabled && share(),
  l: () => !$("lock").hidden && lock(),
  p: togglePanel,
};

function wire() {
  $("join").onsubmit = (e) => {
    e.preventDefault();
    join();
  };
  $("say").onsubmit = (e) => {
    e.preventDefault();
    say($("text").value);
    $("text").value = "";
  };
  for (const kind of ["audio", "video"]) $("mute-" + kind).onclick = () => setMuted(kind, !muted[kind]);
  $("share").onclick = share;
  $("lock").onclick = lock;
  $("panel").onclick = togglePanel;
  $("leave").onclick = () => client?.leave();
  $("try").onclick = tryDevices;
  $("ask-cancel").onclick = () => $("ask").close();
  for (const t of tabs) $("tab-" + t).onclick = () => show(t);
  document.querySelector("[role=tablist]").onkeydown = (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const offered = tabs.filter((t) => !$("tab-" + t).hidden);
    const at = offered.findIndex((t) => !$(t).hidden);
    const next = offered[(at + step + offered.length) % offered.length];
    show(next);
    $("tab-" + next).focus();
  };
  addEventListener("keydown", (e) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);
    if (state !== "joined" || typing || e.ctrlKey || e.metaKey || e.altKey || $("ask").open) return;
    keys[e.key.toLowerCase()]?.();
  });
}

let server = { dialects: [], rooms: [] };

async function start() {
  wire();
  setState("idle");
  const last = remembered();
  try {
    server = await (await fetch("lobby/server.json")).json();
  } catch {
    problem("The server does not answer. Load the page again when it is back.");
    return;
  }
  const wanted = params.get("dialect") || last.dialect;
  $("dialects").replaceChildren(...server.dialects.map((d, i) => {
    const radio = el("input", { type: "radio", name: "dialect", value: d.name, required: true });
    radio.checked = server.dialects.some((x) => x.name === wanted) ? d.name === wanted : i === 0;
    return el("label", {}, radio, el("span", {}, d.title));
  }));
  if (!server.dialects.length) problem("No dialect that the lobby can speak is switched on here.");
  $("rooms").replaceChildren(...server.rooms.map((r) => el("option", { value: r })));
  $("room").value = params.get("room") ?? last.room ?? "demo";
  $("name").value = params.get("name") ?? last.name ?? "";
  $("with-audio").checked = params.get("audio") !== "0";
  $("with-video").checked = params.get("video") !== "0";
  if (params.get("autojoin") === "1") await join();
  else (($("room").value && !$("name").value) ? $("name") : $("enter")).focus();
}

// For tests: what a person would see and hear, in numbers.
window.lobby = {
  async stats() {
    const measured = client ? await measure(client) : new Map();
    const participants = [...stage.people.values()].filter((p) => !p.self).map((p) => {
      const m = measured.get(p.id);
      return {
        id: p.id, name: p.name, screen: p.screen, muted: p.muted, talking: p.talking, seen: p.tile.classList.contains("seen"),
        frames: m?.frames || 0, width: m?.width || 0, height: m?.height || 0, audioEnergy: m?.audioEnergy || 0,
        audioPackets: m?.audioPackets || 0, videoPackets: m?.videoPackets || 0, nonSilent: nonSilent(m), connection: m?.state || "",
      };
    });
    return {
      state, dialect: client?.dialect || "", id: client?.id || "", can: able(client), moderator: !!client?.can.kick, locked: !$("locked").hidden,
      problem: $("problem").textContent, status: $("status").textContent, participants, chat, frames: { ...frames.counts },
    };
  },
  frames: () => frames.list.map(({ dir, via, text, title }) => ({ dir, via, text, title })),
  connections: () => client?.connections() || [],
  join,
  leave: () => client?.leave(),
  say,
  mute: (kind, on) => setMuted(kind, on),
  kick,
  lock: (on) => client?.lock(on),
  share: async (screen) => {
    await client.share(screen);
    shared(true);
  },
  unshare: () => client?.unshare(),
  configure: (id, wish) => client.configure(id, wish),
  restart: (id) => client.restart(id),
};

start();
