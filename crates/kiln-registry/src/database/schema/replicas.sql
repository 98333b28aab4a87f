-- What several servers agree on through the database that they share. Times are milliseconds since
-- 1970.

-- The request that is sending to an upload, among those of all servers: until `claimed` no other may.
-- Empty and 0 where there is one server, which knows by itself.
ALTER TABLE upload ADD COLUMN claim TEXT NOT NULL DEFAULT '';
ALTER TABLE upload ADD COLUMN claimed BIGINT NOT NULL DEFAULT 0;

-- Work that one server does for all: `holder` does it until `due`, and it was last done at `done`.
CREATE TABLE duty (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    due BIGINT NOT NULL,
    done BIGINT NOT NULL
);
