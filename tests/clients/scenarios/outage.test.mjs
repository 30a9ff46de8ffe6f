// The server dies without warning in the middle of the work and comes back on the same database.
//
// What is promised: a mutation the server has acknowledged is never lost, and clients go on by themselves.
// What the server cannot promise: DataStore gives up a mutation after about 0.7 s of refused connections. So either
// something in front keeps accepting connections while the server is away (the gate here; a proxy or socket
// activation in a deployment), or the device knows that it is offline.
import assert from 'node:assert/strict';
import { Gate } from '../lib/gate.mjs';
import { answers, scenario } from '../lib/stage.mjs';

const COUNT = 200;
const byId = (records) => new Map(records.map((record) => [record.id, record]));

/** Every create the server answered with data, as the device saw it on the wire. */
const acknowledged = async (device) => answers(await device.wire(), 'createUser').filter(({ data }) => data);

scenario('a server killed during uploads loses nothing it acknowledged and clients recover by themselves', async (stage) => {
  const { server } = stage;
  const gate = await Gate.before(server.port);
  const endpoint = `https://localhost:${gate.port}/graphql`;
  try {
    const [phone, laptop] = await Promise.all([stage.readyDevice({ endpoint }), stage.readyDevice({ endpoint })]);
    const saving = phone.saveAll('User', Array.from({ length: COUNT }, (_, n) => ({ username: `user ${n}` })));

    for (const progress of [20, 90]) {
      await phone.received('answer', 'createUser', progress);
      await server.kill();
      const ledger = await acknowledged(phone);
      assert.ok(ledger.length < COUNT, 'the server died in the middle of the uploads');
      await gate.holding();
      await server.restart();
      const stored = byId(await server.list('Users', 'id username'));
      const lost = ledger.filter(({ data }) => stored.get(data.id)?.username !== data.username);
      assert.deepEqual(lost, [], 'acknowledged creates are missing after the restart');
    }

    await saving;
    await phone.uploaded();
    const stored = await server.list('Users', 'id username _version');
    assert.deepEqual(new Set(stored.map(({ username }) => username)).size, COUNT);
    assert.equal(stored.length, COUNT);
    assert.ok(stored.every(({ _version }) => _version === 1), 'a create sent twice is one create');

    await laptop.counts('User', COUNT);
    await Promise.all([phone.subscribed(), laptop.subscribed()]);
    const { id } = await phone.save('User', { username: 'after the storm' });
    await laptop.received('event', 'onCreateUser');
    await laptop.sees('User', id, { _version: 1 });
    await stage.converged();
  } finally {
    gate.close();
  }
});

scenario('a device that knows it is offline uploads after the outage what it edited during it', async (stage) => {
  const { server } = stage;
  const phone = await stage.readyDevice();
  const { id } = await phone.save('User', { username: 'before' });
  await phone.uploaded();

  await phone.offline();
  await server.kill();
  await phone.update('User', id, { username: 'during' });
  const created = await phone.save('User', { username: 'new' });
  await server.restart();
  await phone.online();
  await phone.uploaded();

  const stored = byId(await server.list('Users', 'id username _version'));
  assert.deepEqual(stored.get(id), { id, username: 'during', _version: 2 });
  assert.deepEqual(stored.get(created.id), { id: created.id, username: 'new', _version: 1 });
});

scenario('a server that is shut down in order lets devices wait and reconnect', async (stage) => {
  const { server } = stage;
  const gate = await Gate.before(server.port);
  const endpoint = `https://localhost:${gate.port}/graphql`;
  try {
    const [phone, laptop] = await Promise.all([stage.readyDevice({ endpoint }), stage.readyDevice({ endpoint })]);
    await server.stop();
    const { id } = await phone.save('User', { username: 'while it was away' });
    await gate.holding();
    await server.restart();
    await phone.uploaded();
    await laptop.sees('User', id, { username: 'while it was away', _version: 1 });
    await stage.converged();
  } finally {
    gate.close();
  }
});
