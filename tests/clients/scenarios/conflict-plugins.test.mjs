// Devices whose conflicts are decided by something better than AppSync's rules: plugins, policies, the client's version.
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { scenario } from '../lib/stage.mjs';

const plugin = (name) => path.join(fileURLToPath(new URL('../../../examples/conflict-plugins/', import.meta.url)), `${name}.wasm`);
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

scenario('three-way merging keeps what each of two devices changed', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const { id } = await phone.save('Post', { title: 'base', rating: 1, status: 'ACTIVE', tags: ['a'] });
  await phone.uploaded();
  await laptop.sees('Post', id, { _version: 1 });
  await Promise.all([phone.offline(), laptop.offline()]);
  await phone.update('Post', id, { title: 'phone', tags: ['a', 'phone'] });
  await laptop.update('Post', id, { rating: 5, tags: ['laptop'] });
  for (const device of [phone, laptop]) {
    await device.online();
    await device.uploaded();
  }
  const { Post } = await stage.converged();
  const [{ title, rating, tags, _version }] = Post;
  assert.deepEqual({ title, rating, tags, _version }, { title: 'phone', rating: 5, tags: ['phone', 'laptop'], _version: 3 });
}, { conflict: 'automerge_3way' });
