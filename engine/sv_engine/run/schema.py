"""The tables of the journal, and how a database of an older version gets them."""

from __future__ import annotations

MIGRATIONS = (
    """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE text (key TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE problem (
    iteration INTEGER, id TEXT, prompt TEXT, entry_point TEXT, PRIMARY KEY (iteration, id));
CREATE TABLE request (
    id INTEGER PRIMARY KEY, iteration INTEGER, stage TEXT, problem_id TEXT, role TEXT,
    occurrence INTEGER, prompt_key TEXT, sampling TEXT);
CREATE TABLE sample (
    request INTEGER, sample INTEGER, text TEXT, finish_reason TEXT, token_count INTEGER, at REAL,
    PRIMARY KEY (request, sample));
CREATE VIEW completion AS SELECT iteration, stage, problem_id, role, occurrence, prompt_key,
    sampling, sample, text, finish_reason, token_count, at
    FROM sample JOIN request ON request.id = sample.request;
CREATE TABLE outcome (
    iteration INTEGER, stage TEXT, problem_id TEXT, packed BLOB NOT NULL,
    PRIMARY KEY (iteration, stage, problem_id));
CREATE TABLE selection (
    iteration INTEGER, problem_id TEXT, selector TEXT, outcome TEXT, detail TEXT,
    PRIMARY KEY (iteration, problem_id));
CREATE TABLE training_row (
    iteration INTEGER, phase TEXT, number INTEGER, problem_id TEXT, role TEXT, content TEXT,
    PRIMARY KEY (iteration, phase, number));
CREATE TABLE training_step (
    iteration INTEGER, phase TEXT, step INTEGER, loss REAL, learning_rate REAL, rows TEXT,
    detail TEXT, PRIMARY KEY (iteration, phase, step));
CREATE TABLE checkpoint (
    iteration INTEGER PRIMARY KEY, weights TEXT, adapter TEXT, detail TEXT NOT NULL);
CREATE TABLE metric (
    iteration INTEGER, name TEXT, value REAL, se REAL, n INTEGER, PRIMARY KEY (iteration, name));
CREATE TABLE event (at REAL, iteration INTEGER, kind TEXT, detail TEXT,
    PRIMARY KEY (iteration, kind));
""",
    """
CREATE TABLE refusal (request INTEGER PRIMARY KEY, iteration INTEGER, stage TEXT, message TEXT);
""",
    """
DROP VIEW completion;
ALTER TABLE request RENAME TO old_request;
ALTER TABLE sample RENAME TO old_sample;
ALTER TABLE text RENAME TO old_text;
CREATE TABLE request (
    number INTEGER PRIMARY KEY, id INTEGER UNIQUE, iteration INTEGER, stage TEXT, problem_id TEXT,
    role TEXT, occurrence INTEGER, prompt_key TEXT, sampling TEXT);
CREATE TABLE sample (
    request INTEGER, sample INTEGER, text TEXT, finish_reason TEXT, token_count INTEGER,
    at INTEGER, PRIMARY KEY (request, sample));
CREATE TABLE text (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE VIEW completion AS SELECT iteration, stage, problem_id, role, occurrence, prompt_key,
    sampling, sample, text, coalesce(finish_reason, 'stop') AS finish_reason, token_count, at
    FROM sample JOIN request ON request.number = sample.request;
INSERT INTO request (id, iteration, stage, problem_id, role, occurrence, prompt_key, sampling)
    SELECT * FROM old_request;
INSERT INTO sample
    SELECT number, sample, text, nullif(finish_reason, 'stop'), token_count, CAST(at AS INTEGER)
    FROM old_sample JOIN request ON id = old_sample.request ORDER BY old_sample.rowid;
INSERT INTO text SELECT * FROM old_text;
UPDATE refusal SET request = (SELECT number FROM request WHERE id = refusal.request);
DROP TABLE old_request;
DROP TABLE old_sample;
DROP TABLE old_text;
""",
    """
CREATE TABLE pack (
    number INTEGER PRIMARY KEY, request INTEGER, at INTEGER, places TEXT, texts BLOB);
INSERT INTO pack
    SELECT rowid, request, at,
        json_array(json_array(sample, 0, length(CAST(text AS BLOB)), token_count, finish_reason)),
        CAST(text AS BLOB)
    FROM sample;
CREATE INDEX pack_of_request ON pack (request);
DROP VIEW completion;
DROP TABLE sample;
CREATE VIEW sample AS SELECT pack.number * 65536 + key AS rowid, request,
    json_extract(value, '$[0]') AS sample,
    CAST(substr(texts, 1 + json_extract(value, '$[1]'), json_extract(value, '$[2]')) AS TEXT)
        AS text,
    json_extract(value, '$[4]') AS finish_reason, json_extract(value, '$[3]') AS token_count, at
    FROM pack, json_each(places);
CREATE VIEW completion AS SELECT iteration, stage, problem_id, role, occurrence, prompt_key,
    sampling, sample, text, coalesce(finish_reason, 'stop') AS finish_reason, token_count, at
    FROM sample JOIN request ON request.number = sample.request;
""",
    """
DROP VIEW completion;
DROP VIEW sample;
CREATE VIEW sample AS SELECT pack.number * 65536 + key AS rowid, pack.number AS pack,
    coalesce(request, json_extract(value, '$[4]')) AS request,
    json_extract(value, '$[0]') AS sample,
    CAST(substr(texts, 1 + json_extract(value, '$[1]'), json_extract(value, '$[2]')) AS TEXT)
        AS text,
    json_extract(value, CASE WHEN request IS NULL THEN '$[5]' ELSE '$[4]' END) AS finish_reason,
    json_extract(value, '$[3]') AS token_count, at
    FROM pack, json_each(places);
CREATE VIEW completion AS SELECT iteration, stage, problem_id, role, occurrence, prompt_key,
    sampling, sample, text, coalesce(finish_reason, 'stop') AS finish_reason, token_count, at
    FROM sample JOIN request ON request.number = sample.request;
""",
    # Until then it was that of the run's beginning, whatever was changed since.
    "UPDATE run SET key = 'config at the beginning' WHERE key = 'config';",
)
"""Step n takes a database of `user_version` n to n + 1. `packed` is what `execute.store.pack`
makes; `sampling`, `rows` and `detail` are JSON. `stage` is `play`, or says what was held out. The
`id` of a request is made of all that it belongs to and asks; samples name it by its number. `at` is
in seconds since the epoch; no `finish_reason` is `stop`.

A `pack` holds samples that were written together: their texts in UTF-8, one after the other, and
for each its place `[sample, first byte, bytes, tokens, request, finish reason]`, in the order of
arrival; where the column `request` names one, all are of that one, and their places do not. The
views `sample` and `completion` have a row for each, and `rowid` counts in the order of arrival, as
it did when `sample` was a table."""

PACKS_OF_REQUESTS = """
CREATE TEMP TABLE pack_of (
    request INTEGER, pack INTEGER, PRIMARY KEY (request, pack)) WITHOUT ROWID;
INSERT OR IGNORE INTO pack_of SELECT request, pack FROM sample;
"""
"""Where a process that goes on finds what is there of a request."""
