-- The view over a model's records, for people and their reports: its name, and a digest of what it was made from.
alter table shards add column view_name text;
alter table shards add column view_digest text;
