// Many hands at once, and changes that fall between a device's first sync and its live subscriptions.
import assert from 'node:assert/strict';
import { scenario } from '../lib/stage.mjs';

const DEVICES = 4;
const ROUNDS = 8;

scenario('four devices that edit the same records at once end with equal copies', async (stage) => {
  const devices = await Promise.all(Array.from({ length: DEVICES }, () => stage.readyDevice()));
  const [first] = devices;
  const posts = [];
  for (const title of ['one', 'two', 'three']) posts.push(await first.save('Post', { title, rating: 0, status: 'ACTIVE' }));
  await first.uploaded();
  for (const device of devices) for (const { id } of posts) await device.sees('Post', id, { _version: 1 });

  await Promise.all(
    devices.map(async (device, number) => {
      for (let round = 1; round <= ROUNDS; round += 1) {
        await device.update('Post', posts[round % posts.length].id, { rating: number * 100 + round, title: `by ${number}` });
      }
    }),
  );
  const { Post } = await stage.converged();
  const stored = await stage.server.list('Posts', 'id title rating _version');
  const held = Post.map(({ id, title, rating, _version }) => ({ id, title, rating, _version }));
  const order = (a, b) => (a.id < b.id ? -1 : 1);
  assert.deepEqual(held.sort(order), stored.sort(order), 'what the devices agree on is what the server holds');
});

scenario('a device that starts while another writes misses nothing', async (stage) => {
  const writer = await stage.readyDevice();
  const COUNT = 60;
  const writing = writer.saveAll('User', Array.from({ length: COUNT }, (_, n) => ({ username: `user ${n}` })));
  const readers = [];
  for (const progress of [5, 20, 40]) {
    await writer.received('answer', 'createUser', progress);
    const reader = await stage.device();
    await reader.start();
    readers.push(reader);
  }
  await writing;
  await writer.uploaded();
  for (const reader of readers) await reader.counts('User', COUNT);
  await stage.converged();
});
