-- What the servers have found out about the database's clock: how far it is ahead of what is believed, and how often it was
-- found to be right after all. A SQLite file has one process, which needs no word from another.
create table store_clock (
    one integer primary key check (one = 1),
    ahead_ms bigint not null,
    pardons bigint not null
);

insert into store_clock (one, ahead_ms, pardons) values (1, 0, 0);

-- As the former, which servers of a former version call, with the latest time that the caller believes.
create function log_tick(p_shard integer, p_after bigint, p_latest bigint) returns void
language plpgsql volatile
as $$
declare
    v_head_ms bigint;
    v_head_seq bigint;
    v_floor bigint;
    v_now bigint;
begin
    perform pg_advisory_xact_lock(7001, p_shard);
    select s.floor_ms into v_floor from shards s where s.shard = p_shard;
    select l.changed_ms, l.seq into v_head_ms, v_head_seq
      from change_log l where l.shard = p_shard order by l.seq desc limit 1;
    v_now := least(wall_ms(), p_latest);
    if v_head_seq is null or v_now - v_head_ms > p_after then
        insert into change_log (shard, seq, changed_ms, op, pk, version, deleted, doc)
        values (p_shard, coalesce(v_head_seq, 0) + 1,
                greatest(coalesce(v_head_ms, 0), coalesce(v_floor, 0), v_now), 't', '', 0, false, '');
    end if;
end
$$;

-- The number of the batch that wrote the row, and its place in it: a batch whose answer was lost is handed in again, and what
-- it had done is known by this.
alter table change_log add column batch bigint;
