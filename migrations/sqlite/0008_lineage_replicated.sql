-- Whether commits waited for a replica when the log was written (Postgres).
alter table lineage add column replicated integer not null default 0;
