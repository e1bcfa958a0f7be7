package spreed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects"
)

// picture is the buddy picture of a session (reference 1.4). It lives in the
// speaker of its session and dies with it; whoever wants to see it asks there.
type picture struct {
	mime string
	data []byte
	tag  string // changes with the data
	made time.Time
}

// partSize is how much of a picture fits into one message between speakers, where
// base64 makes it longer by a third.
const partSize = bridge.MaxText/2 - 4<<10

// imagePrefix begins the values by which clients know a stored picture.
const imagePrefix = "img:"

// extension is what the name of a stored picture ends with; types that are not
// here have none.
func extension(mime string) string {
	switch mime {
	case "image/png":
		return "/picture.png"
	case "image/jpeg", "image/jpg":
		return "/picture.jpg"
	case "image/gif":
		return "/picture.gif"
	case "image/webp":
		return "/picture.webp"
	}
	return ""
}

// extract takes the picture out of a status that holds one as a data URL, and puts
// its name there. Everything else in a status is passed on as it is, also a
// buddyPicture that is no text. No status at all is nil.
func extract(status json.RawMessage, name func(picture) string) (_ json.RawMessage, p picture, found bool) {
	if bytes.Equal(status, []byte("null")) {
		return nil, p, false
	}
	var fields map[string]json.RawMessage
	var url string
	if json.Unmarshal(status, &fields) != nil || json.Unmarshal(fields["buddyPicture"], &url) != nil {
		return status, p, false
	}
	p, ok := decodePicture(url)
	if !ok {
		return status, p, false
	}
	value, err := json.Marshal(name(p))
	if err != nil {
		return status, p, false
	}
	fields["buddyPicture"] = value
	changed, err := json.Marshal(fields)
	if err != nil {
		return status, p, false
	}
	return changed, p, true
}

// decodePicture reads a data URL (RFC 2397) with an image in base64.
func decodePicture(url string) (p picture, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return p, false
	}
	head, body, ok := strings.Cut(rest, ",")
	kind, isBase64 := strings.CutSuffix(head, ";base64")
	if !ok || !isBase64 {
		return p, false
	}
	media, _, err := mime.ParseMediaType(kind)
	if err != nil || !strings.HasPrefix(media, "image/") || media == "image/svg+xml" {
		return p, false // a script in our origin would be none of ours
	}
	data, err := base64.StdEncoding.DecodeString(body)
	if err != nil || len(data) == 0 {
		return p, false
	}
	sum := sha256.Sum256(data)
	return picture{mime: media, data: data, tag: base64.RawURLEncoding.EncodeToString(sum[:12]), made: time.Now()}, true
}

// imageName is how others are told of the picture.
func (s *speaker) imageName(p picture) string {
	return imagePrefix + s.forms.picture(s.me) + "/" + p.tag + extension(p.mime)
}

// avatar is the picture for other dialects: a URL.
func (s *speaker) avatar(buddy string) string {
	if name, ok := strings.CutPrefix(buddy, imagePrefix); ok {
		r := s.c.Request
		base := scheme(r) + "://" + r.Host + dialects.Base(r)
		return base + "static/img/buddy/s46/" + name
	}
	if strings.HasPrefix(buddy, "https://") || strings.HasPrefix(buddy, "http://") {
		return cut(buddy, 1<<10)
	}
	return ""
}

// showPicture sends the picture in parts.
func (s *speaker) showPicture(ctx context.Context, d bridge.Data) error {
	data := s.image.data
	if len(data) == 0 {
		return s.respond(ctx, d, answer{})
	}
	parts := (len(data) + partSize - 1) / partSize
	for len(data) > 0 {
		part := data[:min(partSize, len(data))]
		data = data[len(part):]
		a := answer{OK: true, MIME: s.image.mime, Tag: s.image.tag, Made: s.image.made, Part: part, Parts: parts}
		if err := s.respond(ctx, d, a); err != nil {
			return err
		}
	}
	return nil
}

// cacheTime is how long a picture may be kept (reference 1.4).
const cacheTime = 24 * time.Hour

// buddy serves static/img/buddy/{flags}/{imageid}/{rest}. Only the image id is
// looked at.
func (s *server) buddy(w http.ResponseWriter, r *http.Request) {
	id, ok := s.forms.pictured(r.PathValue("image"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	parts, err := s.house.ask(r.Context(), id, topicPicture, question{})
	if err != nil || !parts[0].OK {
		http.NotFound(w, r)
		return
	}
	var data []byte
	for _, p := range parts {
		data = append(data, p.Part...)
	}
	p := parts[0]
	h := w.Header()
	h.Set("Content-Type", p.MIME)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", strconv.Quote(p.Tag))
	h.Set("Age", strconv.Itoa(int(max(0, time.Since(p.Made))/time.Second)))
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(cacheTime/time.Second)))
	h.Set("Expires", time.Now().Add(cacheTime).UTC().Format(http.TimeFormat))
	http.ServeContent(w, r, path.Base(extension(p.MIME)), p.Made, bytes.NewReader(data))
}
