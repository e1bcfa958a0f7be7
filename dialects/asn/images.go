package asn

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"dragoman/bridge"
	"dragoman/dialects/asn/rose"
)

// Pictures are kept in the store, among the tickets: they are the only thing there
// that any node finds, that is gone by itself after a time, and that can be
// larger than the attributes of a participant. A ticket holds a part of a picture.
const (
	imagePart    = 48 << 10 // bytes; in base64 and sealed a ticket holds no more than 64 KiB
	pictureLife  = 24 * time.Hour
	pictureRenew = 12 * time.Hour
)

// heads are the types of pictures that are taken, and what data of them begins with.
var heads = map[string]func(data []byte) bool{
	"image/jpeg": func(d []byte) bool { return bytes.HasPrefix(d, []byte("\xff\xd8\xff")) },
	"image/png":  func(d []byte) bool { return bytes.HasPrefix(d, []byte("\x89PNG")) },
	"image/gif": func(d []byte) bool {
		return bytes.HasPrefix(d, []byte("GIF87a")) || bytes.HasPrefix(d, []byte("GIF89a"))
	},
	"image/webp": func(d []byte) bool { return len(d) >= 12 && string(d[:4]) == "RIFF" && string(d[8:12]) == "WEBP" },
}

// picture is what the first ticket says.
type picture struct {
	Type  string
	Hash  string // SHA-256 in lower-case hex
	Parts int    // tickets that follow
}

// checkImage says what is wrong with a picture (reference 3521).
func checkImage(i rose.ConferenceImage) error {
	begins := heads[strings.ToLower(i.ContentType)]
	switch {
	case len(i.ImageData) > rose.MaxImage:
		return fail(rose.TooLarge, "the image is larger than 1 MiB")
	case begins == nil:
		return fail(rose.InvalidArgument, "this type of image is not taken")
	case !begins(i.ImageData):
		return fail(rose.InvalidArgument, "the image does not begin like its type")
	}
	return nil
}

// ticket names a ticket of a picture.
func ticket(id string, part int) bridge.Secret {
	return bridge.Secret(fmt.Sprintf("asn-image/%s/%d", id, part))
}

// keepImage keeps a picture until some time, and returns its id.
func (d *server) keepImage(ctx context.Context, i rose.ConferenceImage, until time.Time) (id string, err error) {
	if err := checkImage(i); err != nil {
		return "", err
	}
	id = "img-" + strings.ToLower(rand.Text())
	sum := sha256.Sum256(i.ImageData)
	p := picture{Type: strings.ToLower(i.ContentType), Hash: hex.EncodeToString(sum[:]), Parts: (len(i.ImageData) + imagePart - 1) / imagePart}
	kept := d.env.Store.Tickets()
	for n := range p.Parts {
		if err := kept.Put(ctx, ticket(id, n+1), i.ImageData[n*imagePart:min(len(i.ImageData), (n+1)*imagePart)], until); err != nil {
			return "", err
		}
	}
	return id, kept.Put(ctx, ticket(id, 0), marshal(p), until)
}

// imageInfo tells of a picture; NotFound: it is not kept.
func (d *server) imageInfo(ctx context.Context, id string) (p picture, err error) {
	data, err := d.env.Store.Tickets().Get(ctx, ticket(id, 0))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	return p, err
}

func (d *server) imageData(ctx context.Context, id string, p picture) (data []byte, err error) {
	for n := range p.Parts {
		part, err := d.env.Store.Tickets().Get(ctx, ticket(id, n+1))
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
	}
	return data, nil
}

// prolong keeps a picture longer.
func (d *server) prolong(ctx context.Context, id string, until time.Time) error {
	p, err := d.imageInfo(ctx, id)
	if err != nil {
		return err
	}
	for n := range p.Parts + 1 {
		part, err := d.env.Store.Tickets().Get(ctx, ticket(id, n))
		if err == nil {
			err = d.env.Store.Tickets().Put(ctx, ticket(id, n), part, until)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropImage forgets a picture, as far as it can; what is left goes by itself.
func (d *server) dropImage(ctx context.Context, id string) {
	p, err := d.imageInfo(ctx, id)
	for n := 0; err == nil && n <= p.Parts; n++ {
		_, err = d.env.Store.Tickets().Take(ctx, ticket(id, n))
	}
}

// renewImage keeps the party's picture for as long as it stays.
func (t *seat) renewImage(ctx context.Context) error {
	if t.self.ImageID != nil {
		if err := t.d.prolong(ctx, *t.self.ImageID, time.Now().Add(pictureLife)); err != nil {
			t.s.c.Log.Warn("picture", "err", err)
		}
	}
	t.after(pictureRenew, t.renewImage)
	return nil
}

// getImage handles asnGetImage. Only pictures of the room are found.
func (t *seat) getImage(ctx context.Context, a *rose.GetImageArgument) (*rose.GetImageResult, error) {
	if err := t.sync(ctx); err != nil {
		return nil, err
	}
	unknown := fail(rose.ImageNotFound, "there is no such image in the room")
	known := a.ImageID != "" && a.ImageID == t.room.Attrs[attrImage]
	for _, m := range t.order {
		said, _ := m.said()
		known = known || said.ImageID != nil && *said.ImageID == a.ImageID
	}
	if !known {
		return nil, unknown
	}
	if err := rose.Check(a); err != nil {
		return nil, err
	}
	p, err := t.d.imageInfo(ctx, a.ImageID)
	if bridge.CodeOf(err) == bridge.NotFound {
		return &rose.GetImageResult{ImageResult: rose.ImageDefault}, nil // its time is over
	}
	if err != nil {
		return nil, err
	}
	if a.KnownHash != nil && *a.KnownHash == p.Hash {
		return &rose.GetImageResult{ImageResult: rose.ImageHashNotChanged, ImageHash: &p.Hash}, nil
	}
	data, err := t.d.imageData(ctx, a.ImageID, p)
	if err != nil {
		return nil, err
	}
	return &rose.GetImageResult{
		ImageResult: rose.ImageAttached, ImageHash: &p.Hash,
		Image: &rose.ConferenceImage{ContentType: p.Type, ImageData: data},
	}, nil
}
