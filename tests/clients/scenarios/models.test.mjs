// What a model can hold and how models relate, carried unchanged from one device to the other.
import assert from 'node:assert/strict';
import { scenario } from '../lib/stage.mjs';

const twoDevices = (stage) => Promise.all([stage.readyDevice(), stage.readyDevice()]);
const ids = (records) => records.map(({ id }) => id).sort();

scenario('enums, lists and nested types arrive as they were saved', async (stage) => {
  const [phone, laptop] = await twoDevices(stage);
  const fields = {
    title: 'Ünïcode 🙂 "quoted" \\ and\nlines',
    rating: -3,
    status: 'INACTIVE',
    tags: ['b', 'a', null, '', 'b'],
    place: { city: 'Oslo', country: null, lines: ['Karl Johans gate 1', ''] },
  };
  const { id } = await phone.save('Post', fields);
  await laptop.sees('Post', id, { ...fields, _version: 1 });

  await laptop.update('Post', id, { status: 'ACTIVE', tags: [], place: { city: 'Bergen', lines: [] } });
  await phone.sees('Post', id, { status: 'ACTIVE', tags: [], place: { city: 'Bergen', country: null, lines: [] } });

  await phone.uploaded();
  await phone.update('Post', id, { tags: null, place: null });
  await laptop.sees('Post', id, { tags: null, place: null, title: fields.title, _version: 3 });
  await stage.converged();
});

scenario('a comment belongs to its post and the post has its comments', async (stage) => {
  const [phone, laptop] = await twoDevices(stage);
  const post = await phone.save('Post', { title: 'with comments', rating: 1, status: 'ACTIVE' });
  const first = await phone.save('Comment', { content: 'first', post: { link: ['Post', post.id] } });
  const second = await phone.save('Comment', { content: 'second', post: { link: ['Post', post.id] } });
  for (const { id } of [first, second]) await laptop.sees('Comment', id, { postID: post.id, _version: 1 });
  await laptop.sees('Post', post.id, { _version: 1 });

  assert.equal((await laptop.related('Comment', first.id, 'post')).title, 'with comments');
  assert.deepEqual(ids(await laptop.related('Post', post.id, 'comments')), ids([first, second]));

  await phone.uploaded();
  await laptop.delete('Post', post.id);
  await phone.misses('Post', post.id);
  await phone.misses('Comment', first.id);
  await phone.misses('Comment', second.id);
  await stage.converged();
});

scenario('a relation can be moved to another parent and cut', async (stage) => {
  const [phone, laptop] = await twoDevices(stage);
  const [one, two] = [
    await phone.save('Post', { title: 'one', rating: 1, status: 'ACTIVE' }),
    await phone.save('Post', { title: 'two', rating: 2, status: 'ACTIVE' }),
  ];
  const { id } = await phone.save('Comment', { content: 'wanders', post: { link: ['Post', one.id] } });
  await laptop.sees('Comment', id, { postID: one.id, _version: 1 });

  await laptop.update('Comment', id, { post: { link: ['Post', two.id] } });
  await phone.sees('Comment', id, { postID: two.id, _version: 2 });
  await phone.uploaded();
  await phone.update('Comment', id, { post: null });
  await laptop.sees('Comment', id, { postID: null, _version: 3 });
  assert.equal(await laptop.related('Comment', id, 'post'), null);
  await stage.converged();
});

scenario('many-to-many relations sync through their join model', async (stage) => {
  const [phone, laptop] = await twoDevices(stage);
  const post = await phone.save('Post', { title: 'edited by two', rating: 1, status: 'ACTIVE' });
  const links = [];
  const users = [];
  for (const username of ['ada', 'grace']) {
    const user = await phone.save('User', { username });
    users.push(user);
    links.push(
      await phone.save('PostEditor', { post: { link: ['Post', post.id] }, user: { link: ['User', user.id] } }),
    );
  }
  for (const { id } of links) await laptop.sees('PostEditor', id, { _version: 1 });
  for (const { id } of users) await laptop.sees('User', id, { _version: 1 });

  const editors = await laptop.related('Post', post.id, 'editors');
  assert.deepEqual(ids(editors), ids(links));
  const names = await Promise.all(links.map(({ id }) => laptop.related('PostEditor', id, 'user')));
  assert.deepEqual(names.map(({ username }) => username), ['ada', 'grace']);

  await laptop.delete('PostEditor', links[0].id);
  await phone.misses('PostEditor', links[0].id);
  assert.deepEqual(ids(await phone.related('Post', post.id, 'editors')), [links[1].id]);
  await stage.converged();
});

scenario('records with a custom primary key are told apart by all of its parts', async (stage) => {
  const [phone, laptop] = await twoDevices(stage);
  const key = (sku, warehouse) => ({ sku, warehouse });
  await phone.save('Stock', { ...key('bolt', 'north'), count: 10 });
  await phone.save('Stock', { ...key('bolt', 'south'), count: 20, note: 'low shelf' });
  await phone.save('Stock', { ...key('nut#m4', 'east'), count: 30 });
  await phone.uploaded();
  await phone.save('Stock', { ...key('nut', 'm4#east'), count: 40 });
  await laptop.sees('Stock', key('bolt', 'north'), { count: 10, _version: 1 });
  await laptop.sees('Stock', key('bolt', 'south'), { count: 20, note: 'low shelf', _version: 1 });
  await laptop.sees('Stock', key('nut', 'm4#east'), { count: 40, _version: 1 });

  await laptop.update('Stock', key('bolt', 'north'), { count: 11 });
  await laptop.uploaded();
  await laptop.delete('Stock', key('bolt', 'south'));
  await phone.sees('Stock', key('bolt', 'north'), { count: 11, _version: 2 });
  await phone.misses('Stock', key('bolt', 'south'));
  const { Stock } = await stage.converged();
  assert.deepEqual(Stock.map(({ sku, count }) => [sku, count]), [['bolt', 11], ['nut', 40], ['nut#m4', 30]]);
});
