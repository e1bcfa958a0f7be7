// Camera and microphone: getting them, and showing that the microphone works.

import { $ } from "./dom.js";

// What goes wrong with devices, and what to do about it.
const deviceTroubles = {
  NotAllowedError: "The browser did not allow the camera and microphone. Allow them beside the address, or switch them off here.",
  NotReadableError: "The camera or microphone is used by another program. Close it, or switch it off here.",
  OverconstrainedError: "The camera cannot do what was asked of it.",
};

// capture gets what there is of camera and microphone. Without any, one still sees
// and hears, which status is told. height bounds that of the picture; 0: the clients
// choose.
export async function capture(audio, video, status, height = 0) {
  if (!audio && !video) return new MediaStream();
  if (!navigator.mediaDevices) {
    throw new Error("This browser gives pages a camera only over https, or on localhost. Switch camera and microphone off to look on.");
  }
  const size = height
    ? { width: { max: height * 4 / 3 }, height: { max: height }, frameRate: { max: 15 } }
    : { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { max: 30 } };
  for (const [a, v] of [[audio, video], [audio, false], [false, video]]) {
    if (!a && !v) continue;
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: a && { echoCancellation: true }, video: v && size });
    } catch (e) {
      if (e.name !== "NotFoundError") throw new Error(deviceTroubles[e.name] || e.message);
    }
  }
  status("There is no camera or microphone here. You see and hear the others.");
  return new MediaStream();
}

let meter = null;

// startMeter shows how loud a stream is.
export function startMeter(stream) {
  const audio = new AudioContext();
  const analyser = audio.createAnalyser();
  audio.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    $("level").value = Math.sqrt(Math.max(...samples.map(Math.abs)));
  }, 100);
  $("level").hidden = false;
  meter = { audio, timer };
}

export function stopMeter() {
  $("level").hidden = true;
  clearInterval(meter?.timer);
  meter?.audio.close();
  meter = null;
}
