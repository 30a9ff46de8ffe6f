// Sync expressions: a device asks for a subset and gets no more than that, in pages as well as in events.
import assert from 'node:assert/strict';
import { answers, events, scenario } from '../lib/stage.mjs';

const post = (title, rating) => ({ title, rating, status: rating > 5 ? 'ACTIVE' : 'INACTIVE' });

scenario('selective sync downloads the subset and its subscriptions respect it', async (stage) => {
  const all = await stage.readyDevice();
  for (let rating = 1; rating <= 8; rating += 1) await all.save('Post', post(`post ${rating}`, rating));
  await all.save('User', { username: 'ada' });
  await all.uploaded();

  const some = await stage.readyDevice({ sync: { Post: { rating: { gt: 5 } } } });
  const [{ variables, data }] = answers(await some.wire(), 'syncPosts');
  assert.deepEqual(variables.filter, { and: [{ rating: { gt: 5 } }] });
  assert.deepEqual(data.items.map(({ rating }) => rating).sort(), [6, 7, 8]);
  assert.deepEqual((await some.list('Post')).map(({ rating }) => rating).sort(), [6, 7, 8]);
  await some.counts('User', 1);

  const mark = await some.mark();
  const outside = await all.save('Post', post('outside', 2));
  const inside = await all.save('Post', post('inside', 9));
  await some.sees('Post', inside.id, { _version: 1 });
  const sent = events(await some.wire(mark), 'onCreatePost').map(({ data }) => data.id);
  assert.ok(sent.includes(inside.id) && !sent.includes(outside.id));
  assert.equal(await some.get('Post', outside.id), null);
  await all.counts('Post', 10);
});

scenario('groups and every kind of operator select on the server as they do on the device', async (stage) => {
  const all = await stage.readyDevice();
  for (let rating = 1; rating <= 9; rating += 1) await all.save('Post', { ...post(`post ${rating}`, rating), tags: [`t${rating % 3}`] });
  await all.uploaded();
  const where = {
    or: [
      { and: [{ rating: { between: [2, 4] } }, { not: { tags: { contains: 't0' } } }] },
      { title: { beginsWith: 'post 8' } },
      { and: [{ status: { eq: 'ACTIVE' } }, { title: { notContains: '6' } }, { rating: { le: 7 } }] },
    ],
  };
  const expected = (await all.list('Post', where)).map(({ rating }) => rating).sort();
  assert.deepEqual(expected, [2, 4, 7, 8]);

  const some = await stage.readyDevice({ sync: { Post: where } });
  const sent = answers(await some.wire(), 'syncPosts').flatMap(({ data }) => data.items);
  assert.deepEqual(sent.map(({ rating }) => rating).sort(), expected);
});

scenario('a base sync arrives whole in pages of the size the client asked for', async (stage) => {
  const writer = await stage.readyDevice();
  const users = Array.from({ length: 25 }, (_, n) => ({ username: `user ${n}` }));
  await writer.saveAll('User', users);
  await writer.uploaded();

  const reader = await stage.readyDevice({ syncPageSize: 10 });
  const pages = answers(await reader.wire(), 'syncUsers');
  assert.deepEqual(pages.map(({ data }) => data.items.length), [10, 10, 5]);
  assert.deepEqual(pages.map(({ data }) => data.nextToken === null), [false, false, true]);
  assert.equal(new Set(pages.map(({ data }) => data.startedAt)).size, 1, 'one startedAt for the whole scan');
  assert.equal((await stage.converged()).User.length, 25);
});
