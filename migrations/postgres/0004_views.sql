-- The view over a model's records, for people and their reports: its name, and a digest of what it was made from.
alter table shards add column view_name text;
alter table shards add column view_digest text;

-- Values of records as types of columns. Stored values may be older than the schema: what is none of the type is null.

create function value_integer(p json) returns integer
language plpgsql immutable strict
as $$
begin
    return case json_typeof(p) when 'number' then (p #>> '{}')::numeric::integer end;
exception when others then
    return null;
end
$$;

create function value_float(p json) returns double precision
language plpgsql immutable strict
as $$
begin
    return case json_typeof(p) when 'number' then (p #>> '{}')::double precision end;
exception when others then
    return null;
end
$$;

create function value_boolean(p json) returns boolean
language sql immutable strict
as $$ select case when json_typeof(p) = 'boolean' then (p #>> '{}')::boolean end $$;

-- Seconds since 1970.
create function value_instant(p json) returns timestamptz
language plpgsql immutable strict
as $$
begin
    return case json_typeof(p) when 'number' then to_timestamp((p #>> '{}')::double precision) end;
exception when others then
    return null;
end
$$;

create function value_timestamp(p text) returns timestamptz
language plpgsql stable strict
as $$
begin
    return p::timestamptz;
exception when others then
    return null;
end
$$;

-- An offset behind a date says in which place it is that day; the date is the same everywhere.
create function value_date(p text) returns date
language plpgsql immutable strict
as $$
begin
    return substring(p from '^[0-9]{4}-[0-9]{2}-[0-9]{2}')::date;
exception when others then
    return null;
end
$$;

create function value_json(p text) returns json
language plpgsql immutable strict
as $$
begin
    return p::json;
exception when others then
    return null;
end
$$;
