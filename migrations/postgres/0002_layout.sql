-- What a change of the schema has come to, so that whoever goes on with it knows where.

-- The function that writes the model's records. It asks for its own name here: a caller that waited while columns were
-- added is sent back to read the registry again.
alter table shards add column layout text;

-- The key up to which stored records have their value of a new column; null when all have it.
alter table index_columns add column filled_to text collate "C";
