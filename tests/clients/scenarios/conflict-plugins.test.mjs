// Devices whose conflicts are decided by something better than AppSync's rules: plugins, policies, the client's version.
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, scenario } from '../lib/stage.mjs';

const at = (folder, name) => path.join(fileURLToPath(new URL(folder, import.meta.url)), `${name}.wasm`);
const plugin = (name) => at('../../../examples/conflict-plugins/', name);
/** A handler that has one answer for everything. */
const decided = (name) => ({ configuration: `[conflict.models.Post]\nplugin = ${JSON.stringify(at('../plugins/', name))}\n` });
const CUP = { sku: 'cup', warehouse: 'north' };
const DEVICES = 10;

/** Ten devices that all saw 100 cups, sell some of them offline, and come back at the same time. */
async function soldOffline(stage, pieces) {
  const first = await stage.readyDevice();
  await first.save('Stock', { ...CUP, count: 100 });
  await first.uploaded();
  const others = await Promise.all(Array.from({ length: DEVICES - 1 }, () => stage.readyDevice()));
  const devices = [first, ...others];
  await Promise.all(others.map((device) => device.sees('Stock', CUP, { count: 100, _version: 1 })));
  await Promise.all(devices.map((device) => device.offline()));
  await Promise.all(devices.map((device, index) => device.update('Stock', CUP, { count: 100 - pieces(index) })));
  await Promise.all(devices.map((device) => device.online()));
  const { Stock } = await stage.converged();
  const sold = devices.reduce((sum, _, index) => sum + pieces(index), 0);
  assert.deepEqual(Stock.map(({ count, _version }) => [count, _version]), [[100 - sold, 1 + DEVICES]]);
}

const soldDifferently = (stage) => soldOffline(stage, (index) => index + 1);

scenario('ten devices that count one stock offline come to the right sum with the counter plugin', soldDifferently, {
  configuration: `[conflict.models.Stock]\nplugin = ${JSON.stringify(plugin('stock-counter'))}\n`,
});

scenario('ten devices that count one stock offline come to the right sum with a counter field', soldDifferently, {
  configuration: '[conflict.models.Stock]\nfields = { count = "counter" }\n',
});

/** The everyday case: all send the very same edit, with the same key. */
scenario('ten devices that each sell one piece offline have sold ten', (stage) => soldOffline(stage, () => 1), {
  configuration: '[conflict.models.Stock]\nfields = { count = "counter" }\n',
});

const BASE = { title: 'base', rating: 1, status: 'ACTIVE', tags: ['a'] };

/** Both devices hold version 1 and are offline. */
async function parted(stage, options) {
  const [phone, laptop] = await Promise.all([stage.readyDevice(options), stage.readyDevice(options)]);
  const { id } = await phone.save('Post', BASE);
  await phone.uploaded();
  await laptop.sees('Post', id, { _version: 1 });
  await Promise.all([phone.offline(), laptop.offline()]);
  return { phone, laptop, id };
}

async function back(...devices) {
  for (const device of devices) {
    await device.online();
    await device.uploaded();
  }
}

scenario('a plugin that rejects hands the stored record to the client, which tries again on top of it', async (stage) => {
  stage.tolerate(({ message }) => message === 'RetryMutation');
  const { phone, laptop, id } = await parted(stage, { conflict: 'mine' });
  await phone.update('Post', id, { title: 'phone', rating: 2 });
  await laptop.update('Post', id, { title: 'laptop' });
  await back(phone, laptop);
  const [rejected, retried] = answers(await laptop.wire(), 'updatePost');
  const [{ errorType, data }] = rejected.errors;
  assert.deepEqual([errorType, data.title, data._version], ['ConflictUnhandled', 'phone', 2]);
  assert.deepEqual([retried.variables.input._version, retried.errors], [2, []]);
  const [{ title, rating, _version }] = (await stage.converged()).Post;
  assert.deepEqual({ title, rating, _version }, { title: 'laptop', rating: 2, _version: 3 });
}, decided('rejects'));

scenario('a plugin that removes ends the record on every device, whatever the client asked for', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  await phone.update('Post', id, { title: 'phone' });
  await laptop.update('Post', id, { title: 'laptop' });
  await back(phone, laptop);
  const [removed] = answers(await laptop.wire(), 'updatePost');
  assert.deepEqual([removed.errors, removed.data._deleted, removed.data._version], [[], true, 3]);
  for (const device of [phone, laptop]) await device.misses('Post', id);
  assert.deepEqual((await stage.converged()).Post, []);
}, decided('removes'));

/** Native libraries send the whole model, with the lists and nulls they hold (`sync-semantics` MUT-2a). */
async function editedByANativeApp(stage) {
  const phone = await stage.readyDevice();
  const { id } = await phone.save('Post', BASE);
  await phone.uploaded();
  await phone.update('Post', id, { title: 'phone', tags: ['a', 'phone'] });
  await phone.uploaded();
  const input = { id, ...BASE, rating: 5, place: null, _version: 1 };
  const fields = 'id title rating status tags place { city country lines } createdAt updatedAt _version _lastChangedAt _deleted';
  await stage.server.query(`mutation M($input: UpdatePostInput!) { updatePost(input: $input) { ${fields} } }`, { input });
  const { title, rating, tags } = await phone.sees('Post', id, { _version: 3 });
  return { title, rating, tags };
}

scenario('three-way merging takes of a whole model only what its app has changed', async (stage) => {
  const expected = { title: 'phone', rating: 5, tags: ['a', 'phone'] };
  assert.deepEqual(await editedByANativeApp(stage), expected);
}, { conflict: 'automerge_3way' });

scenario('Automerge drops the change in a whole model and doubles its list', async (stage) => {
  const expected = { title: 'phone', rating: 1, tags: ['a', 'phone', 'a'] };
  assert.deepEqual(await editedByANativeApp(stage), expected);
}, { conflict: 'automerge' });

scenario('three-way merging keeps what each of two devices changed', async (stage) => {
  const { phone, laptop, id } = await parted(stage);
  await phone.update('Post', id, { title: 'phone', tags: ['a', 'phone'] });
  await laptop.update('Post', id, { rating: 5, tags: ['laptop'] });
  await back(phone, laptop);
  const { Post } = await stage.converged();
  const [{ title, rating, tags, _version }] = Post;
  assert.deepEqual({ title, rating, tags, _version }, { title: 'phone', rating: 5, tags: ['phone', 'laptop'], _version: 3 });
}, { conflict: 'automerge_3way' });
