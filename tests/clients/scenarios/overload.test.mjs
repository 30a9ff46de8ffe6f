// A server that cannot do its work for a while: what it says decides whether DataStore keeps an edit or drops it for good.
import assert from 'node:assert/strict';
import { throughGate } from '../lib/gate.mjs';
import { Cluster, Session } from '../lib/postgres.mjs';
import { answers, scenario } from '../lib/stage.mjs';

const post = (title) => ({ title, rating: 1, status: 'ACTIVE' });
const byId = (records) => new Map(records.map((record) => [record.id, record]));
const stored = async (server) => byId(await server.list('Posts', 'id title _version'));

scenario('an edit outlives a database that is stuck', async (stage) => {
  const phone = await stage.readyDevice();
  const holder = await Session.open(stage.server.database);
  await holder.run('select pg_advisory_lock(7001, shard) from shards');
  const { id } = await phone.save('Post', post('kept'));
  await phone.answered('createPost', 503);
  assert.equal(await phone.outbox(), 1, 'the edit waits on the device');
  await holder.close();
  await phone.uploaded();
  assert.deepEqual((await stored(stage.server)).get(id), { id, title: 'kept', _version: 1 });
}, { stores: ['postgres'] });

scenario('an edit outlives a database that ends at once and comes back', async (stage) => {
  const phone = await stage.readyDevice();
  const { id } = await phone.save('Post', post('before'));
  await phone.uploaded();
  await stage.postgres.stop();
  await phone.update('Post', id, { title: 'during' });
  await phone.answered('updatePost', 503);
  await stage.postgres.start();
  await phone.uploaded();
  assert.deepEqual((await stored(stage.server)).get(id), { id, title: 'during', _version: 2 });
}, { stores: ['postgres'], postgres: Cluster });

// What the form is for: the same outage told in the words of a proxy.
for (const [words, answer] of [
  ['an empty 503', { status: 503 }],
  ['a 502 with a page', { status: 502, body: '<h1>Bad Gateway</h1>', type: 'text/html' }],
]) {
  scenario(`an edit is dropped for good by the client when it is told of an outage by ${words}`, (stage) =>
    throughGate(stage, async (gate, phone) => {
      stage.tolerate(({ process }) => process === 'mutate');
      gate.refuse('createPost', answer);
      await phone.save('Post', post('dropped'));
      await phone.gaveUp();
      gate.letPass();
      await phone.queued(0);
      assert.deepEqual(await stored(stage.server), new Map());
    }), { stores: ['sqlite'] });
}

scenario('an edit is kept by the client when a proxy tells it of an outage in the words of this server', (stage) =>
  throughGate(stage, async (gate, phone) => {
    gate.refuse('createPost', { status: 503, body: '{"message":"Network Error","errors":"unavailable"}' });
    const { id } = await phone.save('Post', post('kept'));
    await phone.answered('createPost', 503);
    gate.letPass();
    await phone.uploaded();
    assert.equal((await stored(stage.server)).get(id).title, 'kept');
    assert.equal(answers(await phone.wire(), 'createPost').at(-1).status, 200);
  }), { stores: ['sqlite'] });
