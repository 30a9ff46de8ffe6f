-- What a change of the schema has come to, so that whoever goes on with it knows where.

-- A digest of the model's columns. A writer that knows other ones reads the registry again.
alter table shards add column layout text;

-- The key up to which stored records have their value of a new column; null when all have it.
alter table index_columns add column filled_to text;
