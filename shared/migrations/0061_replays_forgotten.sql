-- A dead-letter topic that came back older takes other records at the same places: `winback rebuild-log` forgets what was replayed
-- from there.
GRANT DELETE ON dead_letter_replays TO winback_worker;
