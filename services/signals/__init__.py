"""Signals: persists what the detector finds, keeps the read models, runs the clock, shows the console.

consumes  orders, signals, accounts, contacts, sequences
produces  orders (runs), digest-ticks, sequence-ticks, contacts (tombstones)
owns      organizations, members, tokens, settings_versions, accounts, account_words, contacts, orders, feeds, runs, signals,
          episodes, schedules, slots, digest_recipients, digest_requests, sequences, sequence_steps, suppressions, outcomes,
          audit_log, saved_views, sign_in_links, sessions, deleted_organizations

Three processes: `signals` (__main__: topics to tables), `clock` (clock_main: the only one that looks at the wall) and
`console` (console_main: pages and GET /v1).
"""
