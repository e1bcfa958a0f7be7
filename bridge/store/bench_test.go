package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dragoman/bridge"
	"dragoman/bridge/store"
)

// many is how many meetings there are in the benchmark, all of one person, which
// is the worst case.
const many = 10_000

func crowd(b *testing.B, db *store.DB) (ids []bridge.MeetingID) {
	b.Helper()
	for i := range many {
		m := meeting(fmt.Sprint("meeting ", i))
		m.Starts.At = noon.Add(time.Duration(i*7919%many) * time.Minute)
		m.Ends.At = m.Starts.At.Add(time.Hour)
		m.Room.Spec.Secrets = map[bridge.Role]bridge.Secret{bridge.Speaker: "sesame"}
		ok(b, db.Meetings().Create(b.Context(), m))
		ids = append(ids, m.ID)
	}
	return ids
}

// BenchmarkMany lists and looks up among ten thousand meetings, and reports the
// median.
func BenchmarkMany(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			db := open(b, e.url(b))
			ids := crowd(b, db)
			all := bridge.Query{Viewer: bridge.AccountOf("test:crash"), Mail: "nobody@example.org", Attendees: 5}
			middle, late, favorites := all, all, all
			middle.After = must(db.Meetings().List(b.Context(), bridge.Query{Viewer: all.Viewer, From: noon.Add(many / 2 * time.Minute), Limit: 1}))(b).Next
			late.From = noon.Add((many - 50) * time.Minute)
			favorites.Favorites = true
			for i := range 20 {
				must(db.Meetings().Favor(b.Context(), all.Viewer, ids[i*many/20], true))(b)
			}
			list := func(q bridge.Query) func(int) error {
				return func(int) error {
					page, err := db.Meetings().List(b.Context(), q)
					if err == nil && len(page.Entries) < 20 {
						b.Errorf("%d meetings", len(page.Entries))
					}
					return err
				}
			}
			for _, r := range []struct {
				name string
				do   func(i int) error
			}{
				{"first page", list(all)},
				{"page in the middle", list(middle)},
				{"after all others", list(late)},
				{"favorites", list(favorites)},
				{"get", func(i int) error {
					_, err := db.Meetings().Get(b.Context(), ids[i*7919%many], all.Viewer)
					return err
				}},
				{"by room", func(i int) error {
					_, err := db.Meetings().OfRoom(b.Context(), bridge.RoomID(ids[i*7919%many].String()), all.Viewer)
					return err
				}},
			} {
				b.Run(r.name, func(b *testing.B) {
					var took []time.Duration
					for i := 0; b.Loop(); i++ {
						start := time.Now()
						if err := r.do(i); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(start))
					}
					slices.Sort(took)
					median := took[len(took)/2]
					b.ReportMetric(float64(median.Microseconds())/1000, "ms-median")
					b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
					if median > 10*time.Millisecond {
						b.Errorf("the median is %v: more than 10ms", median)
					}
				})
			}
		})
	}
}
