"""Signals: persists what the detector finds, keeps the read models, runs the
clock, shows the console.

consumes  orders, signals, accounts, contacts, sequences, outreach
produces  orders (runs), digest-ticks, sequence-ticks, contacts (tombstones), actions
owns      organizations, members, tokens, settings_versions, accounts, account_words, contacts,
          contact_words, goods, kept_forms, orders, feeds, runs, signals, episodes, schedules,
          slots, digest_recipients, digest_requests, sequences, sequence_steps, suppressions,
          outcomes, audit_log, saved_views, owner_people, follow_ups, account_notes,
          sending_settings, senders, sender_domains, action_events, sign_in_links, sessions,
          identities, invitations, deleted_organizations

Three processes, a room each, on what they share:

persist/  winback serve signals: topics to tables
clock/    winback serve clock: the only one that looks at the wall
console/  winback serve console: pages and GET /v1
cli/      the verbs that people type

actions/         what people do, for pages, verbs and other services alike: one law,
                 one row in the audit log
trial/           what thresholds would flag, before they are saved
second_opinion/  the rules once more, as SQL
progress/        how far the pipeline is
store/           the only SQL
"""
