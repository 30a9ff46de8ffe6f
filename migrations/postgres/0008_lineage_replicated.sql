-- Whether commits waited for a replica when the log was written: a replica that takes over then has every write.
alter table lineage add column replicated boolean not null default false;
