// Two devices edit the same record while offline; what each sent and got is decided by the conflict strategy.
import assert from 'node:assert/strict';
import { answers, scenario } from '../lib/stage.mjs';

const BASE = { title: 'base', rating: 1, status: 'ACTIVE', tags: ['a'] };

/** Both devices hold version 1 and are offline; the phone will be the first to come back. */
async function parted(stage, options) {
  const [phone, laptop] = await Promise.all([stage.readyDevice(options), stage.readyDevice(options)]);
  const { id } = await phone.save('Post', BASE);
  await phone.uploaded();
  await laptop.sees('Post', id, { _version: 1 });
  await Promise.all([phone.offline(), laptop.offline()]);
  return { phone, laptop, id };
}

async function back(device) {
  await device.online();
  await device.uploaded();
}

scenario('Automerge keeps stored scalars, appends lists and adds what was empty', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  await phone.update('Post', id, { title: 'phone', tags: ['a', 'phone'] });
  await laptop.update('Post', id, { title: 'laptop', tags: ['a', 'laptop'], place: { city: 'Oslo' } });
  await back(phone);
  await back(laptop);

  const { Post } = await stage.converged();
  const [{ title, rating, tags, place, _version }] = Post;
  assert.deepEqual(
    { title, rating, tags, city: place.city, _version },
    { title: 'phone', rating: 1, tags: ['a', 'phone', 'a', 'laptop'], city: 'Oslo', _version: 3 },
  );
  const updates = answers(await laptop.wire(), 'updatePost');
  assert.deepEqual(updates.map(({ variables, errors }) => [variables.input._version, errors]), [[1, []]]);
}, { conflict: 'automerge' });

scenario('edits of different records never conflict', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  const other = await laptop.save('Post', { ...BASE, title: 'other' });
  await laptop.update('Post', other.id, { rating: 3 });
  await phone.update('Post', id, { rating: 2 });
  await Promise.all([back(phone), back(laptop)]);
  await phone.sees('Post', other.id, { rating: 3, _version: 1 });
  const { Post } = await stage.converged();
  assert.deepEqual(Post.map(({ rating }) => rating).sort(), [2, 3]);
});

scenario('a delete that lost the race is rejected and the record stays on both devices', async (stage) => {
  stage.tolerate(() => true);
  const { phone, laptop, id } = await parted(stage);
  await phone.update('Post', id, { title: 'still wanted' });
  await laptop.delete('Post', id);
  await back(phone);
  await back(laptop);

  const deletes = answers(await laptop.wire(), 'deletePost');
  assert.ok(deletes.length > 0);
  assert.ok(deletes.every(({ errors }) => errors[0].errorType === 'ConflictUnhandled' && errors[0].data._version === 2));
  await laptop.sees('Post', id, { title: 'still wanted', _version: 2 });
  assert.equal((await stage.converged()).Post.length, 1);
}, { conflict: 'automerge' });

scenario('OCC-3: Optimistic Concurrency hands the server record to the conflict handler and its retry wins', async (stage) => {
  stage.tolerate(({ message }) => message === 'RetryMutation');
  const { phone, laptop, id } = await parted(stage, { conflict: 'mine' });
  await phone.update('Post', id, { title: 'phone', rating: 2 });
  await laptop.update('Post', id, { title: 'laptop' });
  await back(phone);
  await back(laptop);

  const [conflict, ...more] = await laptop.conflicts();
  assert.deepEqual(more, []);
  assert.deepEqual([conflict.model, conflict.operation, conflict.local.title], ['Post', 'UPDATE', 'laptop']);
  const { title, rating, tags, _version } = conflict.remote;
  assert.deepEqual({ title, rating, tags, _version }, { title: 'phone', rating: 2, tags: ['a'], _version: 2 });

  const [rejected, retried] = answers(await laptop.wire(), 'updatePost');
  assert.deepEqual([rejected.variables.input._version, rejected.errors[0].errorType], [1, 'ConflictUnhandled']);
  assert.deepEqual([retried.variables.input._version, retried.errors], [2, []]);
  const { Post } = await stage.converged();
  assert.deepEqual([Post[0].title, Post[0].rating, Post[0]._version], ['laptop', 2, 3]);
}, { conflict: 'optimistic' });

scenario('Optimistic Concurrency lets an edit of the current version pass', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const { id } = await phone.save('Post', BASE);
  for (let rating = 2; rating <= 5; rating += 1) {
    const [editor, reader] = rating % 2 ? [phone, laptop] : [laptop, phone];
    await editor.sees('Post', id, { rating: rating - 1, _version: rating - 1 });
    await editor.uploaded();
    await editor.update('Post', id, { rating });
    await reader.sees('Post', id, { rating, _version: rating });
  }
  await stage.converged();
}, { conflict: 'optimistic' });
