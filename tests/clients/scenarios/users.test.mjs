// DataStore with users: owners, groups and the public over several modes at once, sign-out, and a second user.
import assert from 'node:assert/strict';
import { modelsOf } from '../lib/server.mjs';
import { answers, scenario } from '../lib/stage.mjs';

const OPTIONS = { schema: modelsOf('rules') };
/** What the client's error handler says of models its user may not listen to. */
const denied = ({ message, errorType }) => /Unauthorized|OperationDisabled/.test(`${message} ${errorType}`);

const device = (stage, tokens) => stage.device({ models: 'rules', multiAuth: true, tokens });
const texts = async (device, model) => (await device.list(model)).map(({ text }) => text);

scenario('each user gets the records the rules give them', async (stage) => {
  stage.tolerate(denied);
  const { server } = stage;
  const alice = await device(stage, server.tokens('alice'));
  const bob = await device(stage, server.tokens('bob'));
  const gina = await device(stage, server.tokens('gina', 'Admin'));
  for (const each of [alice, bob, gina]) await each.start();

  const diary = await alice.save('Diary', { text: 'of alice' });
  const post = await alice.save('Post', { text: 'for all' });
  const ledger = await gina.save('Ledger', { text: 'of the admins' });
  const notice = await gina.save('Notice', { text: 'to the users' });
  for (const each of [alice, gina]) await each.uploaded();

  await alice.sees('Diary', diary.id, { _version: 1, owner: 'alice' });
  await gina.sees('Ledger', ledger.id, { _version: 1 });
  for (const each of [alice, bob, gina]) {
    await each.sees('Post', post.id, { _version: 1 });
    await each.sees('Notice', notice.id, { _version: 1 });
  }
  assert.deepEqual(await texts(bob, 'Diary'), []);
  assert.deepEqual(await texts(gina, 'Diary'), []);
  assert.deepEqual(await texts(alice, 'Ledger'), []);
}, OPTIONS);

scenario('a model that is denied is skipped and the rest syncs', async (stage) => {
  stage.tolerate(denied);
  const { server } = stage;
  const gina = await device(stage, server.tokens('gina', 'Admin'));
  await gina.start();
  await gina.save('Ledger', { text: 'secret' });
  const post = await gina.save('Post', { text: 'for all' });
  await gina.uploaded();

  const alice = await device(stage, server.tokens('alice'));
  await alice.start();
  await alice.sees('Post', post.id, { _version: 1 });
  assert.deepEqual(await texts(alice, 'Ledger'), []);
  const refused = answers(await alice.wire(), 'syncLedgers');
  assert.ok(refused.length > 0, 'the denied model was asked for');
}, OPTIONS);

scenario('after a sign-out the next user of the device finds nothing of the former one', async (stage) => {
  stage.tolerate(denied);
  const { server } = stage;
  const phone = await device(stage, server.tokens('alice'));
  await phone.start();
  const diary = await phone.save('Diary', { text: 'of alice' });
  const post = await phone.save('Post', { text: 'for all' });
  await phone.uploaded();

  await phone.clear();
  await phone.signIn(server.tokens('bob'));
  await phone.start();
  await phone.sees('Post', post.id, { _version: 1 });
  assert.deepEqual(await texts(phone, 'Diary'), []);
  const own = await phone.save('Diary', { text: 'of bob' });
  await phone.sees('Diary', own.id, { _version: 1, owner: 'bob' });
  await phone.uploaded();

  await phone.clear();
  await phone.signIn(server.tokens('alice'));
  await phone.start();
  await phone.sees('Diary', diary.id, { _version: 1, owner: 'alice' });
  assert.deepEqual(await texts(phone, 'Diary'), ['of alice']);
}, OPTIONS);

scenario('whoever is signed out gets what is public', async (stage) => {
  stage.tolerate(denied);
  const { server } = stage;
  const alice = await device(stage, server.tokens('alice'));
  const guest = await device(stage, undefined);
  await alice.start();
  await alice.save('Diary', { text: 'of alice' });
  const post = await alice.save('Post', { text: 'for all' });
  await alice.uploaded();
  await guest.start();
  await guest.sees('Post', post.id, { _version: 1 });
  assert.deepEqual(await texts(guest, 'Diary'), []);
}, OPTIONS);
