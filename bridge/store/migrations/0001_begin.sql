-- Written for SQLite and PostgreSQL alike: TEXT, BIGINT and BOOLEAN only. Times
-- are microseconds since 1970, ids are text, '' is the zero id. What no query asks
-- for is JSON in one column, so that a new field needs no migration.

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

CREATE TABLE accounts (
	id      TEXT PRIMARY KEY,
	subject TEXT NOT NULL UNIQUE,
	name    TEXT NOT NULL,
	mail    TEXT NOT NULL, -- in lower case
	search  TEXT NOT NULL, -- names and mail in lower case
	profile TEXT NOT NULL,
	attrs   TEXT NOT NULL,
	expires BIGINT NOT NULL,
	created BIGINT NOT NULL
);
CREATE INDEX accounts_mail ON accounts (mail, created, id);

CREATE TABLE rooms (
	id      TEXT PRIMARY KEY,
	creator TEXT NOT NULL,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	spec    TEXT NOT NULL,
	secrets TEXT NOT NULL -- sealed
);
CREATE INDEX rooms_creator ON rooms (creator, created, id);

CREATE TABLE meetings (
	id         TEXT PRIMARY KEY,
	room       TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
	series     TEXT REFERENCES meetings (id) ON DELETE CASCADE,
	occurrence BIGINT NOT NULL,
	creator    TEXT NOT NULL,
	created    BIGINT NOT NULL,
	invited    BIGINT NOT NULL,
	body       TEXT NOT NULL,
	UNIQUE (series, occurrence)
);
CREATE INDEX meetings_room ON meetings (room, created, id);

CREATE TABLE attendees (
	meeting  TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	account  TEXT NOT NULL,
	name     TEXT NOT NULL,
	mail     TEXT NOT NULL,
	role     BIGINT NOT NULL,
	answer   BIGINT NOT NULL,
	PRIMARY KEY (meeting, position)
);

-- Who has which meeting in the calendar: its creator and all attendees, by account
-- and by mail ('mailto:…'), with all that lists are filtered and ordered by. It is
-- made from the two tables above and holds nothing of its own.
CREATE TABLE calendar (
	owner    TEXT NOT NULL,
	starts   BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	meeting  TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
	ends     BIGINT NOT NULL,
	adhoc    BOOLEAN NOT NULL,
	timeless BOOLEAN NOT NULL,
	answer   BIGINT NOT NULL,
	PRIMARY KEY (meeting, owner)
);
CREATE INDEX calendar_order ON calendar (owner, starts, created, meeting, ends, adhoc, timeless, answer);

CREATE TABLE favorites (
	account TEXT NOT NULL,
	meeting TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
	PRIMARY KEY (account, meeting)
);
CREATE INDEX favorites_meeting ON favorites (meeting);

CREATE TABLE invites (
	code       TEXT PRIMARY KEY,
	room       TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
	creator    TEXT NOT NULL,
	created    BIGINT NOT NULL,
	updated_by TEXT NOT NULL,
	updated    BIGINT NOT NULL,
	expires    BIGINT NOT NULL,
	active     BOOLEAN NOT NULL
);
CREATE INDEX invites_room ON invites (room, created, code);

-- Rooms keep chat whether they are stored or not. A room's row here is also what
-- those wait for who append to the same chat.
CREATE TABLE chats (
	room TEXT PRIMARY KEY,
	last BIGINT NOT NULL -- number that was given last
);
CREATE TABLE messages (
	room   TEXT NOT NULL REFERENCES chats (room) ON DELETE CASCADE,
	number BIGINT NOT NULL,
	id     TEXT NOT NULL,
	at     BIGINT NOT NULL,
	body   TEXT NOT NULL,
	PRIMARY KEY (room, number),
	UNIQUE (room, id)
);

CREATE TABLE tickets (
	hash    TEXT PRIMARY KEY,
	value   TEXT NOT NULL, -- sealed
	expires BIGINT NOT NULL
);
CREATE INDEX tickets_expires ON tickets (expires);
