// Values come back exactly as they were written. More than cosmetics: a client hands the version of an answer on to the
// edit that waits behind it only if the answer repeats what was sent.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { answers, scenario } from '../lib/stage.mjs';

const schema = fileURLToPath(new URL('../models/scalars/schema.graphql', import.meta.url));
const models = { models: 'scalars' };

const SAMPLE = {
  name: ' tab\t, quote ", slash / and \\, \u2028, 𝄞 ',
  count: -2147483648,
  ratio: 1.5e-7,
  flag: false,
  day: '2024-02-29',
  hour: '23:59:59.120Z',
  moment: '2024-01-02T03:04:05Z',
  epoch: 1700000000,
  json: { z: [1, { a: null }], a: 'ü "x"', n: 0.1 },
  mail: 'ada+sync@example.org',
  link: 'https://example.org/a%20b?c=d&e=ü#f',
  phone: '+4915112345678',
  address: '2001:db8::1',
  counts: [3, null, 0, 3],
  ratios: [],
  moments: ['2024-01-02T03:04:05.1+05:30', null, '2024-01-02T03:04:05.000Z'],
  inner: { ratio: -0.1, moment: '1999-12-31T23:59:59Z', deeper: { names: [] } },
  inners: [
    { ratio: 1, moment: null, deeper: null },
    { ratio: 12345678.9, moment: null, deeper: { names: ['x', ''] } },
  ],
};
const NOTHING = Object.fromEntries(Object.keys(SAMPLE).map((name) => [name, name === 'ratios' ? [0.5] : null]));

scenario('every kind of value arrives on the other device as it was written', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(models), stage.readyDevice(models)]);
  const { id } = await phone.save('Sample', SAMPLE);
  const seen = await laptop.sees('Sample', id, { ...SAMPLE, _version: 1 });
  assert.ok(seen.madeAt && seen.changedAt && !('createdAt' in seen), 'timestamps have the names the model gives them');

  await laptop.update('Sample', id, NOTHING);
  await phone.sees('Sample', id, { ...NOTHING, _version: 2 });
  await phone.uploaded();
  await phone.update('Sample', id, SAMPLE);
  await laptop.sees('Sample', id, { ...SAMPLE, _version: 3 });
  const before = await stage.converged();

  await phone.clear();
  await phone.start();
  assert.deepEqual(await phone.dump(), before, 'a sync page holds the same values as events and answers did');
}, { schema });

scenario('an edit made while another is under way carries the version its answer brings', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(models), stage.readyDevice(models)]);
  await phone.hold();
  const { id } = await phone.save('Sample', SAMPLE);
  await phone.received('answer', 'createSample');
  const ROUNDS = 6;
  for (let round = 1; round <= ROUNDS; round += 1) {
    const moments = [`2024-01-0${round}T00:00:00Z`];
    const changes = { ratio: round / 10, moments, json: { round }, inner: { ratio: round }, inners: [{ ratio: -round }] };
    await phone.update('Sample', id, changes);
    await phone.queued(2);
    await phone.letThrough();
    await phone.received('answer', 'updateSample', round);
  }
  await phone.release();
  await phone.uploaded();

  const updates = answers(await phone.wire(), 'updateSample');
  assert.deepEqual(updates.map(({ variables }) => variables.input._version), [1, 2, 3, 4, 5, 6]);
  const last = { ratio: 0.6, moments: ['2024-01-06T00:00:00Z'], json: { round: 6 }, _version: 1 + ROUNDS };
  await laptop.sees('Sample', id, last);
  await stage.converged();
}, { schema });

scenario('keys of several parts and hasOne relations work on both devices', async (stage) => {
  const [phone, laptop] = await Promise.all([stage.readyDevice(models), stage.readyDevice(models)]);
  const key = (number) => ({ station: 'harbour', year: 2024, number });
  const remark = await phone.save('Remark', { text: 'windy' });
  await phone.save('Reading', { ...key(2), value: 2.5, remark: { link: ['Remark', remark.id] } });
  await phone.save('Reading', { ...key(10), value: 10.5 });
  await laptop.sees('Reading', key(2), { value: 2.5, _version: 1 });
  await laptop.sees('Reading', key(10), { value: 10.5, _version: 1 });
  // Each model has a subscription of its own, and the client merges what they bring side by side.
  await laptop.sees('Remark', remark.id, { _version: 1 });
  assert.equal((await laptop.related('Reading', key(2), 'remark')).text, 'windy');

  await laptop.update('Reading', key(10), { value: 11 });
  await phone.sees('Reading', key(10), { value: 11, _version: 2 });
  await phone.uploaded();
  await phone.delete('Reading', key(10));
  await laptop.misses('Reading', key(10));
  assert.equal((await stage.converged()).Reading.length, 1);
}, { schema });
