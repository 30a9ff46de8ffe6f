// Programs that are no DataStore write, too, and select little of what they wrote: what a device then hears, told the whole
// record and told what was selected, as AppSync does it.
import assert from 'node:assert/strict';
import { scenario } from '../lib/stage.mjs';

const SELECTED = { configuration: '[realtime]\nselection = "mutation"\nrepairs = false\n' };
const BASE = { title: 'base', rating: 1, status: 'ACTIVE', tags: ['a'] };

const write = async (server, mutation, input, selection) => {
  const type = `${mutation[0].toUpperCase()}${mutation.slice(1)}Input`;
  return (await server.query(`mutation M($input: ${type}!) { ${mutation}(input: $input) { ${selection} } }`, { input }))[mutation];
};

/** A device, and a program that makes a record and changes another one; what comes after on the same socket is a mark. */
async function writtenByAProgram(stage) {
  const { server } = stage;
  const phone = await stage.readyDevice();
  const kept = await phone.save('Post', BASE);
  await phone.uploaded();
  const made = await write(server, 'createPost', { ...BASE, title: 'made' }, 'id');
  const seen = 'id title rating status createdAt updatedAt _version _lastChangedAt _deleted';
  await write(server, 'updatePost', { id: kept.id, title: 'changed', _version: 1 }, seen);
  const mark = await write(server, 'createUser', { username: 'mark' }, 'id username createdAt updatedAt _version _lastChangedAt _deleted');
  await phone.sees('User', mark.id, { username: 'mark' });
  return { phone, kept, made };
}

scenario('what a program writes arrives whole, whatever it selected', async (stage) => {
  const { phone, kept, made } = await writtenByAProgram(stage);
  await phone.sees('Post', made.id, { title: 'made', tags: ['a'], _version: 1 });
  await phone.sees('Post', kept.id, { title: 'changed', tags: ['a'], _version: 2 });
});

scenario('told what was selected a device misses records and forgets values until it fetches everything', async (stage) => {
  const { phone, kept, made } = await writtenByAProgram(stage);
  await phone.sees('Post', kept.id, { title: 'changed', tags: null, _version: 2 });
  assert.equal(await phone.get('Post', made.id), null);
  await phone.clear();
  await phone.start();
  await phone.sees('Post', made.id, { title: 'made' });
  await phone.sees('Post', kept.id, { title: 'changed', tags: ['a'] });
}, SELECTED);
