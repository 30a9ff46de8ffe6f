// Strategies beyond AppSync's two, and handlers of one's own, with devices that edit the same record while offline.
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { answers, scenario } from '../lib/stage.mjs';
import { STORES, Server } from '../lib/server.mjs';

const BASE = { title: 'base', rating: 1, status: 'ACTIVE', tags: ['a'] };
const CUP = { sku: 'cup', warehouse: 'north' };

/** Both devices hold version 1 and are offline; the phone will be the first to come back. */
async function parted(stage) {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const { id } = await phone.save('Post', BASE);
  await phone.uploaded();
  await laptop.sees('Post', id, { _version: 1 });
  await Promise.all([phone.offline(), laptop.offline()]);
  return { phone, laptop, id };
}

async function back(...devices) {
  for (const device of devices) {
    await device.online();
    await device.uploaded();
  }
}

scenario('the last writer wins an update and a delete', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  const other = await phone.save('Post', { ...BASE, title: 'other' });
  await phone.update('Post', id, { title: 'phone', tags: ['phone'] });
  await laptop.update('Post', id, { title: 'laptop' });
  await back(phone, laptop);
  await laptop.sees('Post', other.id, { _version: 1 });
  const [{ title, tags }] = (await stage.converged()).Post.filter((post) => post.id === id);
  assert.deepEqual({ title, tags }, { title: 'laptop', tags: ['phone'] });

  await phone.sees('Post', id, { title: 'laptop' });
  await Promise.all([phone.offline(), laptop.offline()]);
  await phone.update('Post', id, { rating: 5 });
  await laptop.delete('Post', id);
  await back(phone, laptop);
  const { Post } = await stage.converged();
  assert.deepEqual(Post.map((post) => post.id), [other.id]);
}, { conflict: 'last_writer_wins' });

scenario('policies of single fields unite tags and keep the highest rating', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  await phone.update('Post', id, { title: 'phone', rating: 3, tags: ['a', 'phone'] });
  await laptop.update('Post', id, { title: 'laptop', rating: 2, tags: ['a', 'laptop'] });
  await back(phone, laptop);
  const [{ title, rating, tags, _version }] = (await stage.converged()).Post;
  assert.deepEqual(
    { title, rating, tags, _version },
    { title: 'phone', rating: 3, tags: ['a', 'phone', 'laptop'], _version: 3 },
  );
}, { configuration: '[conflict.models.Post]\nfields = { rating = "max", tags = "set_union" }\n' });

/** A handler as it is written for Lambda, behind HTTP; what it was asked is kept. */
async function lambda(handler) {
  const asked = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    asked.push(JSON.parse(body));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(await handler(asked.at(-1))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/2015-03-31/functions/function/invocations`;
  return { asked, configuration: `[conflict.models.Post]\nhttp = "${url}"\n`, close: () => server.close() };
}

/** As people write it for AppSync: longer titles win, what is called `sold out` is refused, deletes go ahead. */
async function handler({ newItem, existingItem, resolver }) {
  if (resolver.field === 'deletePost') return { action: 'REMOVE' };
  if (newItem.title === 'sold out') return { action: 'REJECT' };
  const title = newItem.title.length > existingItem.title.length ? newItem.title : existingItem.title;
  return { action: 'RESOLVE', item: { ...existingItem, ...newItem, title } };
}

const functions = await lambda(handler);
test.after(() => functions.close());

scenario('a Lambda handler behind HTTP resolves, rejects and removes', async (stage) => {
  stage.tolerate(() => true);
  const { phone, laptop, id } = await parted(stage);
  const seen = functions.asked.length;
  await phone.update('Post', id, { title: 'a longer title', rating: 2 });
  await laptop.update('Post', id, { title: 'short', tags: ['laptop'] });
  await back(phone, laptop);
  const [{ title, rating, tags, _version }] = (await stage.converged()).Post;
  assert.deepEqual(
    { title, rating, tags, _version },
    { title: 'a longer title', rating: 2, tags: ['laptop'], _version: 3 },
  );
  const event = functions.asked[seen];
  assert.deepEqual(Object.keys(event), ['newItem', 'existingItem', 'arguments', 'resolver', 'identity', 'sync']);
  assert.deepEqual([event.newItem.title, event.existingItem._version, event.identity], ['short', 2, null]);
  assert.deepEqual([event.arguments.input._version, event.resolver.field], [1, 'updatePost']);

  await laptop.sees('Post', id, { _version: 3 });
  await phone.sees('Post', id, { _version: 3 });
  await Promise.all([phone.offline(), laptop.offline()]);
  await phone.update('Post', id, { rating: 4 });
  await laptop.update('Post', id, { title: 'sold out' });
  await back(phone, laptop);
  const [refused] = answers(await laptop.wire(), 'updatePost').filter(({ errors }) => errors.length);
  assert.deepEqual([refused.errors[0].errorType, refused.errors[0].data._version], ['ConflictUnhandled', 4]);

  await phone.sees('Post', id, { rating: 4 });
  await Promise.all([phone.offline(), laptop.offline()]);
  await phone.update('Post', id, { rating: 5 });
  await laptop.delete('Post', id);
  await back(phone, laptop);
  assert.deepEqual((await stage.converged()).Post, []);
}, { configuration: functions.configuration });

/** The devices go on where they were, and nothing that is stored is touched. */
for (const store of STORES) {
  test(`another strategy takes effect at a restart and loses nothing (${store})`, { timeout: 300_000 }, async () => {
    const server = await Server.start({ store, conflict: 'automerge' });
    try {
      const write = (mutation, input) =>
        server.query(`mutation M($input: ${mutation[0].toUpperCase()}${mutation.slice(1)}Input!) { ${mutation}(input: $input) { sku count note _version } }`, { input });
      await write('createStock', { ...CUP, count: 10 });
      await write('updateStock', { ...CUP, count: 9, _version: 1 });
      const merged = await write('updateStock', { ...CUP, count: 5, note: 'seen', _version: 1 });
      assert.deepEqual(merged.updateStock, { sku: 'cup', count: 9, note: 'seen', _version: 3 });
      const before = await server.list('Stocks', 'sku warehouse count note _version _lastChangedAt');

      await server.stop();
      server.configure('optimistic');
      await server.restart();
      assert.deepEqual(await server.list('Stocks', 'sku warehouse count note _version _lastChangedAt'), before);
      await assert.rejects(write('updateStock', { ...CUP, count: 4, _version: 2 }), /ConflictUnhandled/);

      await server.stop();
      server.configure('last_writer_wins');
      await server.restart();
      const taken = await write('updateStock', { ...CUP, count: 3, _version: 1 });
      assert.deepEqual(taken.updateStock, { sku: 'cup', count: 3, note: 'seen', _version: 4 });

      await server.stop();
      server.configure('automerge_3way');
      await server.restart();
      // The history that was written under other strategies is what three-way merging looks at.
      const both = await write('updateStock', { ...CUP, count: 9, note: 'changed', _version: 3 });
      assert.deepEqual(both.updateStock, { sku: 'cup', count: 3, note: 'changed', _version: 5 });
    } finally {
      await server.close();
    }
  });
}
