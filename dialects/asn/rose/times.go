package rose

import (
	"errors"
	"math"
	"time"
)

// epoch is where the days of AsnSystemTime are counted from.
func epoch() time.Time { return time.Date(1899, time.December, 30, 0, 0, 0, 0, time.UTC) }

const secondsPerDay = 24 * 60 * 60

// fromDays turns days since the epoch into a time of whole seconds, and reports
// whether its year has four digits.
func fromDays(days float64) (time.Time, bool) {
	const most = 2_958_466 // the first day of the year 10000
	if math.IsNaN(days) || days < 0 || days >= most {
		return time.Time{}, false
	}
	return time.Unix(epoch().Unix()+int64(math.Round(days*secondsPerDay)), 0).UTC(), true
}

// toDays is the reverse.
func toDays(t time.Time) float64 { return float64(t.Unix()-epoch().Unix()) / secondsPerDay }

// parseTime reads ISO 8601 as clients write it: with seconds or without, and with an
// offset, or in UTC.
func parseTime(s string) (time.Time, error) {
	for _, format := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700"} {
		t, err := time.Parse(format, s)
		if err == nil {
			t = t.UTC()
			if t.Before(epoch()) || t.Year() > 9999 { // by its offset
				return time.Time{}, errors.New("the time is before 1899-12-30, or in the year 10000")
			}
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a time of ISO 8601")
}
