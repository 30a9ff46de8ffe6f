// The core of DataStore: start, save, observe, delta sync, clear, offline.
import assert from 'node:assert/strict';
import { answers, scenario } from '../lib/stage.mjs';

const MODELS = ['Comment', 'Post', 'PostEditor', 'Stock', 'User'];
const post = (title) => ({ title, rating: 1, status: 'ACTIVE' });

scenario('a new device starts, syncs every model and becomes ready', async (stage) => {
  const phone = await stage.device();
  await phone.start();
  const history = await phone.history();
  const names = history.map(({ event }) => event);
  const synced = history.filter(({ event }) => event === 'modelSynced').map(({ data }) => data.model);

  assert.deepEqual(history.find(({ event }) => event === 'networkStatus').data, { active: true });
  assert.ok(names.indexOf('subscriptionsEstablished') < names.indexOf('syncQueriesStarted'));
  assert.deepEqual([...synced].sort(), MODELS);
  assert.ok(synced.indexOf('Post') < synced.indexOf('Comment'), 'parents are synced before their children');
  assert.ok(names.indexOf('syncQueriesStarted') < names.indexOf('modelSynced'));
  assert.ok(names.lastIndexOf('modelSynced') < names.indexOf('syncQueriesReady'));
  assert.deepEqual(names.slice(-2), ['syncQueriesReady', 'ready']);
  await phone.subscribed();
});

scenario('an upload is announced by the outbox events and comes back with version 1', async (stage) => {
  const phone = await stage.readyDevice();
  const mark = (await phone.history()).length;
  const saved = await phone.save('User', { username: 'ada' });
  await phone.uploaded();
  const history = (await phone.history()).slice(mark);
  const outbox = history.filter(({ event }) => event.startsWith('outbox'));

  assert.deepEqual(
    outbox.map(({ event, data }) => (event === 'outboxStatus' ? data.isEmpty : event)),
    ['outboxMutationEnqueued', false, 'outboxMutationProcessed', true],
  );
  const processed = outbox.find(({ event }) => event === 'outboxMutationProcessed');
  assert.equal(processed.data.element.id, saved.id);
  await phone.sees('User', saved.id, { username: 'ada', _version: 1 });
});

scenario('what one device saves, changes and deletes happens on the other', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const { id } = await phone.save('Post', post('hello'));
  await laptop.sees('Post', id, { title: 'hello', _version: 1 });

  await laptop.update('Post', id, { title: 'hello again', rating: 5 });
  await phone.sees('Post', id, { title: 'hello again', rating: 5, _version: 2 });

  await phone.uploaded();
  await phone.delete('Post', id);
  await laptop.misses('Post', id);
  assert.deepEqual((await stage.converged()).Post, []);
});

scenario('offline edits of two devices meet after both are back', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const shared = await phone.save('Post', post('shared'));
  await laptop.sees('Post', shared.id, { _version: 1 });
  await phone.uploaded();

  await Promise.all([phone.offline(), laptop.offline()]);
  const fromPhone = await phone.save('Post', post('from the phone'));
  await phone.update('Post', shared.id, { title: 'renamed on the phone' });
  const fromLaptop = await laptop.save('Post', post('from the laptop'));
  await phone.queued(2);
  assert.equal(await laptop.get('Post', fromPhone.id), null);

  await Promise.all([phone.online(), laptop.online()]);
  await laptop.sees('Post', fromPhone.id, { _version: 1 });
  await phone.sees('Post', fromLaptop.id, { _version: 1 });
  await laptop.sees('Post', shared.id, { title: 'renamed on the phone', _version: 2 });
  assert.equal((await stage.converged()).Post.length, 3);
});

scenario('an application opened again fetches only what changed meanwhile', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const posts = [];
  for (let n = 0; n < 10; n += 1) posts.push(await laptop.save('Post', post(`post ${n}`)));
  await laptop.uploaded();
  await phone.counts('Post', 10);
  await phone.restart();
  await phone.start();
  await phone.subscribed();

  await phone.stop();
  const [changed, deleted] = [posts[9], posts[8]];
  await laptop.update('Post', changed.id, { rating: 9 });
  await laptop.uploaded();
  await laptop.delete('Post', deleted.id);
  await laptop.uploaded();
  await phone.restart();
  await phone.start();

  const synced = answers(await phone.wire());
  assert.deepEqual(synced.map(({ op }) => op).sort(), ['syncComments', 'syncPostEditors', 'syncPosts', 'syncStocks', 'syncUsers']);
  assert.ok(synced.every(({ variables }) => variables.lastSync > 0), 'every model asks for changes only');
  const sent = Object.fromEntries(synced.map(({ op, data }) => [op, data.items.map(({ id }) => id).sort()]));
  assert.deepEqual(sent.syncPosts, [changed.id, deleted.id].sort());
  assert.deepEqual([sent.syncUsers, sent.syncComments], [[], []]);
  await phone.sees('Post', changed.id, { rating: 9, _version: 2 });
  await phone.misses('Post', deleted.id);
  await phone.subscribed();
  assert.equal((await stage.converged()).Post.length, 9);
});

scenario('a cleared device fetches everything again', async (stage) => {
  const phone = await stage.readyDevice();
  for (const name of ['one', 'two', 'three']) await phone.save('Post', post(name));
  await phone.uploaded();
  const before = await phone.dump();

  await phone.clear();
  const mark = await phone.mark();
  await phone.start();
  const [{ variables, data }] = answers(await phone.wire(mark), 'syncPosts');
  assert.equal(variables.lastSync, 0);
  assert.equal(data.items.length, 3);
  assert.deepEqual(await phone.dump(), before);
});
