package browser

import "slices"

// cipher is a way to encrypt media.
type cipher struct {
	name   string // as getStats has it
	script string // makes a page use it
}

// ciphers are of both families. The DTLS server chooses (RFC 5764, 4.1.2): that is the
// engine, unless the browser insists on being it, and browsers prefer the other one.
var ciphers = []cipher{
	{"SRTP_AEAD_AES_128_GCM", "null"},
	{"SRTP_AES128_CM_HMAC_SHA1_80", `(() => {
		const text = JSON.stringify;
		JSON.stringify = (...args) => text(...args)?.replaceAll("a=setup:actpass", "a=setup:passive");
		const take = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
			return take.call(this, { type, sdp: sdp.replaceAll("a=setup:actpass", "a=setup:active") });
		};
	})()`},
}

// encrypted checks that all connections of a guest use its cipher.
func (g *guest) encrypted() {
	g.Helper()
	used := eval[[]string](g, `(async () => {
		const used = new Set();
		for (const { pc } of window.lobby.connections())
			for (const s of (await pc.getStats()).values()) if (s.type === "transport") used.add(s.srtpCipher);
		return [...used];
	})()`)
	if !slices.Equal(used, []string{g.encrypt.name}) {
		g.Errorf("the media of %s (%s) are encrypted by %q, want %s", g.name, g.dialect, used, g.encrypt.name)
	}
}
