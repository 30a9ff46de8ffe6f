// The database comes back without its last writes, as after a restore: devices hold what the server never heard of again.
import assert from 'node:assert/strict';
import { copyFileSync, rmSync } from 'node:fs';
import { scenario } from '../lib/stage.mjs';

/** No version from before a loss is as great. */
const EPOCH = 1_000_000;

scenario('devices meet again after an older copy of the database was put back', async (stage) => {
  const { server } = stage;
  const file = server.database.slice('sqlite:'.length);
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const edited = await phone.save('User', { username: 'first' });
  const deleted = await phone.save('User', { username: 'alive' });
  await phone.uploaded();
  await Promise.all([edited, deleted].map(({ id }) => laptop.sees('User', id, { _version: 1 })));
  await server.stop();
  copyFileSync(file, `${file}.copy`);
  await server.restart();
  await Promise.all([phone.subscribed(), laptop.subscribed()]);

  await phone.update('User', edited.id, { username: 'second' });
  await phone.delete('User', deleted.id);
  const lost = await phone.save('User', { username: 'nobody but devices knows' });
  await phone.uploaded();
  await laptop.sees('User', edited.id, { username: 'second', _version: 2 });
  await laptop.sees('User', lost.id, { _version: 1 });
  await laptop.misses('User', deleted.id);

  await server.kill();
  for (const rest of ['-wal', '-shm']) rmSync(file + rest, { force: true });
  copyFileSync(`${file}.copy`, file);
  await server.restart();
  assert.match(server.log, /a new epoch has begun/);
  for (const device of [phone, laptop]) {
    await device.sees('User', edited.id, { username: 'first', _version: EPOCH + 1 });
    await device.sees('User', deleted.id, { username: 'alive', _version: EPOCH + 1 });
  }

  // They work on, and the server's word counts for both.
  await Promise.all([phone.subscribed(), laptop.subscribed()]);
  await laptop.update('User', edited.id, { username: 'third' });
  await phone.sees('User', edited.id, { username: 'third', _version: EPOCH + 2 });
  const held = (await stage.converged()).User.map(({ id, username }) => ({ id, username }));
  const stored = await server.list('Users', 'id username');
  const byId = (one, other) => one.id.localeCompare(other.id);
  assert.deepEqual(held.filter(({ id }) => id !== lost.id).sort(byId), stored.sort(byId));
}, { stores: ['sqlite'] });
