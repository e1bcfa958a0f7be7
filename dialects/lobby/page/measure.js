// What can be measured of the media that arrives, for people who test.

// measure reads the inbound streams of each participant.
export async function measure(client) {
  const out = new Map(); // id → {frames, audioEnergy, packets…}
  for (const { id, pc } of client.connections()) {
    const m = out.get(id) || { frames: 0, width: 0, height: 0, audioEnergy: 0, audioPackets: 0, audioBytes: 0, videoPackets: 0, state: "" };
    m.state = pc.connectionState;
    let report;
    try { report = await pc.getStats(); } catch { continue; }
    for (const s of report.values()) {
      if (s.type !== "inbound-rtp") continue;
      if (s.kind === "video") {
        m.frames += s.framesDecoded || 0;
        m.width = s.frameWidth || m.width;
        m.height = s.frameHeight || m.height;
        m.videoPackets += s.packetsReceived || 0;
      } else {
        m.audioEnergy += s.totalAudioEnergy || 0;
        m.audioPackets += s.packetsReceived || 0;
        m.audioBytes += s.bytesReceived || 0;
      }
    }
    out.set(id, m);
  }
  return out;
}

// Energy that a second of silence, encoded and decoded, stays well below.
const AUDIBLE = 1e-4;

export const nonSilent = (m) => !!m && m.audioEnergy > AUDIBLE;
