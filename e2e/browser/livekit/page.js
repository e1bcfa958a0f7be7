// A client of LiveKit's own: joins a room with the camera and the microphone that there
// are, decodes everybody, and tells the test by window.client.
"use strict";

(() => {
  const { Room, RoomEvent, Track } = window.LivekitClient;
  const room = new Room({ adaptiveStream: false, dynacast: true });
  const chat = [];
  const problems = [];
  let joined = false;
  let screen;

  const tile = (participant, track) => {
    const box = document.createElement("div");
    box.className = "tile";
    box.dataset.sid = track.sid;
    const label = document.createElement("div");
    label.textContent = `${participant.name} (${track.source})`;
    box.append(track.attach(), label);
    document.getElementById("tiles").append(box);
  };

  room
    .on(RoomEvent.TrackSubscribed, (track, _, participant) => tile(participant, track))
    .on(RoomEvent.TrackUnsubscribed, (track) => {
      track.detach();
      document.querySelector(`[data-sid="${track.sid}"]`)?.remove();
    })
    .on(RoomEvent.TrackSubscriptionFailed, (sid) => problems.push(`no subscription of ${sid}`))
    .on(RoomEvent.Disconnected, (reason) => {
      joined = false;
      problems.push(`disconnected: ${reason}`);
    });

  room.registerTextStreamHandler("lk.chat", async (reader, from) => {
    const text = await reader.readAll();
    const name = room.remoteParticipants.get(from.identity)?.name ?? "";
    chat.push({ name, text });
    const line = document.createElement("li");
    line.textContent = `${name}: ${text}`;
    document.getElementById("chat").append(line);
  });

  // inbound is what the browser has received and decoded of a track.
  const inbound = async (track) => {
    const report = await track?.receiver?.getStats();
    for (const s of report?.values() ?? []) {
      if (s.type === "inbound-rtp") return s;
    }
    return {};
  };

  const describe = async (p) => {
    const camera = p.getTrackPublication(Track.Source.Camera);
    const sound = p.getTrackPublication(Track.Source.Microphone);
    const shared = p.getTrackPublication(Track.Source.ScreenShare);
    const [v, a, s] = await Promise.all([inbound(camera?.track), inbound(sound?.track), inbound(shared?.track)]);
    return {
      name: p.name, identity: p.identity, kind: p.kind, attributes: p.attributes,
      frames: v.framesDecoded ?? 0, width: v.frameWidth ?? 0, height: v.frameHeight ?? 0, dropped: v.framesDropped ?? 0,
      screenFrames: s.framesDecoded ?? 0, screenWidth: s.frameWidth ?? 0, shares: !!shared,
      energy: a.totalAudioEnergy ?? 0, samples: a.totalSamplesReceived ?? 0,
      muted: !sound || sound.isMuted, speaking: p.isSpeaking,
    };
  };

  const base64 = (chunk) => {
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    return btoa(String.fromCharCode(...bytes));
  };

  // encode gives what a real encoder makes of n pieces.
  const encode = async (Encoder, config, pieces) => {
    const out = [];
    const encoder = new Encoder({ output: (c) => out.push(base64(c)), error: (e) => problems.push(`${e}`) });
    encoder.configure(config);
    for (const piece of pieces) {
      encoder.encode(piece, ...(piece instanceof VideoFrame ? [{ keyFrame: true }] : []));
      piece.close();
    }
    await encoder.flush();
    encoder.close();
    return out;
  };

  window.client = {
    async join(url, token) {
      await room.connect(url, token);
      await room.localParticipant.setMicrophoneEnabled(true);
      await room.localParticipant.setCameraEnabled(true, { resolution: { width: 640, height: 360, frameRate: 15 } });
      joined = true;
    },
    say: (text) => room.localParticipant.sendText(text, { topic: "lk.chat" }),
    mute: (on) => room.localParticipant.setMicrophoneEnabled(!on),
    async share(stream) {
      screen = stream.getVideoTracks()[0];
      await room.localParticipant.publishTrack(screen, { source: Track.Source.ScreenShare, simulcast: false });
    },
    unshare: () => room.localParticipant.unpublishTrack(screen),
    leave: () => room.disconnect(),
    stats: async () => ({
      joined, chat, problems,
      participants: await Promise.all([...room.remoteParticipants.values()].map(describe)),
    }),
    // samples makes a picture of VP8 that is a key frame, and a second of Opus, for
    // clients that have no encoder.
    async samples(width, height) {
      const canvas = new OffscreenCanvas(width, height);
      const g = canvas.getContext("2d");
      g.fillStyle = "teal";
      g.fillRect(0, 0, width, height);
      g.fillStyle = "white";
      g.font = "60px sans-serif";
      g.fillText("LiveKit", 40, height / 2);
      const picture = await encode(VideoEncoder, { codec: "vp8", width, height, bitrate: 300000, framerate: 15 },
        [new VideoFrame(canvas, { timestamp: 0 })]);
      const tone = (n) => new AudioData({
        format: "f32", sampleRate: 48000, numberOfChannels: 1, numberOfFrames: 960, timestamp: n * 20000,
        data: Float32Array.from({ length: 960 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * (n * 960 + i)) / 48000)),
      });
      const sound = await encode(AudioEncoder, { codec: "opus", sampleRate: 48000, numberOfChannels: 1, bitrate: 32000 },
        Array.from({ length: 50 }, (_, n) => tone(n)));
      return { picture: picture[0], sound };
    },
  };
})();
