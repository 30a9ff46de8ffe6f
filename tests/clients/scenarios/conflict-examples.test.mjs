// The four example plugins, each deciding real conflicts of a running server over either store. Those in JavaScript are built here, by the
// component tools of npm; they carry a JavaScript engine, so that compiling them takes the server a while.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { STORES, Server } from '../lib/server.mjs';
import { temporaryDirectory } from '../lib/temporary.mjs';

const examples = fileURLToPath(new URL('../../../examples/conflict-plugins/', import.meta.url));
const SCHEMA = ['Stock', 'Page', 'Card', 'Order']
  .map((name) => `type ${name} @model @auth(rules: [{ allow: public }, { allow: private }]) { id: ID! title: String count: Int text: String tags: [String] }`)
  .join('\n');
const plugin = (model, file, more = '') =>
  `[conflict.models.${model}]\nplugin = ${JSON.stringify(path.join(examples, file))}\ntime_ms = 5000\n${more}`;

let server;

before(() => {
  execFileSync('npm', ['run', 'build'], { cwd: path.join(examples, 'javascript'), stdio: 'pipe' });
}, { timeout: 600_000 });

/** A mutation with the API key, or with the token of somebody; the answer's record, or its first error. */
async function send(mutation, input, token) {
  const type = `${mutation[0].toUpperCase()}${mutation.slice(1)}Input`;
  const query = `mutation M($input: ${type}!) { ${mutation}(input: $input) { id title count text tags _version _deleted } }`;
  const response = await fetch(server.httpEndpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: token } : { 'x-api-key': server.apiKey }) },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const { data, errors } = await response.json();
  return errors?.[0] ?? data[mutation];
}

/** A record that somebody else has changed since: version 2, and a client that saw version 1. */
async function changed(model, id, seen, theirs) {
  await send(`create${model}`, { id, ...seen });
  const stored = await send(`update${model}`, { id, ...theirs, _version: 1 });
  assert.equal(stored._version, 2, JSON.stringify(stored));
}

for (const store of STORES) {
  describe(store, () => {
    before(async () => {
      const schema = path.join(temporaryDirectory('schema'), 'schema.graphql');
      writeFileSync(schema, SCHEMA);
      const configuration = [
        plugin('Stock', 'stock-counter.wasm', 'config = { fields = "count" }\n'),
        plugin('Page', 'text-merge.wasm', 'config = { fields = "text" }\n'),
        plugin('Card', 'javascript/last-writer-by-field.wasm'),
        plugin('Order', 'javascript/manager-wins.wasm'),
      ].join('');
      server = await Server.start({ store, schema, configuration });
    }, { timeout: 1_800_000 });

    after(() => server?.close());

    test('the stock counter adds up', async () => {
      await changed('Stock', 's', { count: 10, title: 'cup' }, { count: 7 });
      const { count, _version } = await send('updateStock', { id: 's', count: 9, _version: 1 });
      assert.deepEqual([count, _version], [6, 3]);
      const refused = await send('deleteStock', { id: 's', _version: 1 });
      assert.deepEqual([refused.errorType, refused.message], ['ConflictUnhandled', 'somebody counted meanwhile']);
    });

    test('texts keep the lines of everybody', async () => {
      await changed('Page', 'p', { text: 'a\nb\nc' }, { text: 'A\nb\nc' });
      const { text } = await send('updatePage', { id: 'p', text: 'a\nb\nC', _version: 1 });
      assert.equal(text, 'A\nb\nC');
    });

    test('the last writer by field takes what the client changed and nothing else', async () => {
      const seen = { title: 'seen', count: 1, text: 'seen', tags: ['a'] };
      await changed('Card', 'c', seen, { title: 'theirs', count: 2 });
      // A whole model, as native clients send it: the title is theirs, the count is wanted by both.
      const sent = { id: 'c', ...seen, count: 5, text: null, _version: 1 };
      const { title, count, text, tags, _version } = await send('updateCard', sent);
      assert.deepEqual({ title, count, text, tags, _version }, { title: 'theirs', count: 5, text: null, tags: ['a'], _version: 3 });
      const gone = await send('deleteCard', { id: 'c', _version: 1 });
      assert.deepEqual([gone._deleted, gone._version], [true, 4]);
    });

    test('managers win and everybody else is merged', async () => {
      const manager = server.tokens('gina', 'managers').accessToken;
      const clerk = server.tokens('bob', 'clerks').accessToken;
      await changed('Order', 'o', { title: 'seen', tags: ['a'] }, { title: 'theirs' });
      const merged = await send('updateOrder', { id: 'o', title: 'of the clerk', tags: ['b'], _version: 1 }, clerk);
      assert.deepEqual([merged.title, merged.tags, merged._version], ['theirs', ['a', 'b'], 3]);
      const keyed = await send('updateOrder', { id: 'o', title: 'of a key', _version: 1 });
      assert.deepEqual([keyed.title, keyed._version], ['theirs', 4]);
      const taken = await send('updateOrder', { id: 'o', title: 'of the manager', tags: ['m'], _version: 1 }, manager);
      assert.deepEqual([taken.title, taken.tags, taken._version], ['of the manager', ['m'], 5]);
      const refused = await send('deleteOrder', { id: 'o', _version: 1 }, clerk);
      assert.equal(refused.errorType, 'ConflictUnhandled');
      const gone = await send('deleteOrder', { id: 'o', _version: 1 }, manager);
      assert.deepEqual([gone._deleted, gone._version], [true, 6]);
    });
  });
}
