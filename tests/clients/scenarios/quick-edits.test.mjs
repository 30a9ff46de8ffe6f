// Two edits of one record by one device, the second while the first one's answer is under way. The answer does not show the
// field that was edited, since it has a rule of its own; so the client sends the second edit with the version of before.
import assert from 'node:assert/strict';
import { modelsOf } from '../lib/server.mjs';
import { answers, scenario } from '../lib/stage.mjs';

async function editsTwice(stage) {
  const phone = await stage.device({ models: 'quick', multiAuth: true, tokens: stage.server.tokens('alice') });
  await phone.start();
  await phone.subscribed();
  const { id } = await phone.save('Profile', { name: 'Ada' });
  await phone.uploaded();
  await phone.sees('Profile', id, { _version: 1 });
  await phone.hold();
  await phone.update('Profile', id, { phone: '1' });
  await phone.received('answer', 'updateProfile');
  await phone.update('Profile', id, { phone: '2' });
  await phone.release();
  await phone.uploaded();
  const sent = answers(await phone.wire(), 'updateProfile').map(({ variables }) => variables.input._version);
  assert.deepEqual(sent, [1, 1], 'the second edit is stale');
  await phone.clear();
  await phone.start();
  return (await phone.sees('Profile', id, { _version: 3 })).phone;
}

const options = (configuration) => ({ schema: modelsOf('quick'), configuration });

scenario('a quick second edit of one device is lost where the same writer counts as another', async (stage) => {
  assert.equal(await editsTwice(stage), '1');
}, options(''));

scenario('a quick second edit of one device is kept where the same writer is no conflict', async (stage) => {
  assert.equal(await editsTwice(stage), '2');
}, options('[sync]\nsame_writer = true\n'));
