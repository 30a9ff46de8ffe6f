// A long time offline: everything that piled up arrives once, and in order.
import assert from 'node:assert/strict';
import { answers, scenario } from '../lib/stage.mjs';

const COUNT = 1000;

scenario('a thousand creates queued offline upload without loss or duplicate', async (stage) => {
  const phone = await stage.readyDevice();
  await phone.offline();
  const names = Array.from({ length: COUNT }, (_, n) => `user ${n}`);
  await phone.saveAll('User', names.map((username) => ({ username })));
  await phone.queued(COUNT);

  await phone.online();
  await phone.uploaded();
  const uploads = answers(await phone.wire(), 'createUser');
  assert.equal(uploads.length, COUNT);
  assert.ok(uploads.every(({ errors, data }) => errors.length === 0 && data._version === 1));

  const stored = await stage.server.list('Users', 'username _version');
  assert.deepEqual(stored.map(({ username }) => username).sort(), [...names].sort());
  const laptop = await stage.readyDevice();
  await laptop.counts('User', COUNT);
  await stage.converged();
});
