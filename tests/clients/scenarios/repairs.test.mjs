// Where this server mends what DataStore's protocol leaves open, each with the mending on and off: what the client loses
// without it is no opinion. Every order of events is made, none is waited for by time.
import assert from 'node:assert/strict';
import { throughGate } from '../lib/gate.mjs';
import { answers, scenario } from '../lib/stage.mjs';

const OFF = { configuration: '[realtime]\nrepairs = false\n' };
const RECORDS = 6;
const post = (title) => ({ title, rating: 1, status: 'ACTIVE' });

const createUser = async (server, username) => {
  const query = 'mutation M($input: CreateUserInput!) { createUser(input: $input) { id username _version _lastChangedAt _deleted } }';
  return (await server.query(query, { input: { username } })).createUser;
};

const createPost = async (server, title) => {
  const query = 'mutation M($input: CreatePostInput!) { createPost(input: $input) { id _version _lastChangedAt _deleted } }';
  return (await server.query(query, { input: post(title) })).createPost;
};

// --- a write between the first sync and the subscriptions ------------------------------------------------------

/** The phone has synced, then somebody writes, then the phone's subscriptions reach the server. */
async function writtenInBetween(stage) {
  const phone = await stage.device();
  await phone.holdStarts();
  await phone.start();
  const missed = await createUser(stage.server, 'in between');
  await phone.releaseStarts();
  await phone.subscribed();
  // What follows on the same subscription has nothing before it under way any more.
  const next = await createUser(stage.server, 'later');
  await phone.sees('User', next.id, { username: 'later' });
  return { phone, missed };
}

scenario('a write between the first sync and the subscriptions arrives', async (stage) => {
  const { phone, missed } = await writtenInBetween(stage);
  assert.equal((await phone.get('User', missed.id))?.username, 'in between');
});

scenario('without replay a write between the first sync and the subscriptions is missing until the next sync', async (stage) => {
  const { phone, missed } = await writtenInBetween(stage);
  assert.equal(await phone.get('User', missed.id), null);
  await phone.restart();
  await phone.start();
  await phone.sees('User', missed.id, { username: 'in between' });
}, OFF);

// --- edits of one record by two at once ------------------------------------------------------------------------

/**
 * The answer to the phone's edit is under way while somebody else edits the record: the phone throws that event away
 * and takes the older answer afterwards.
 */
async function contended(stage) {
  const { server } = stage;
  const phone = await stage.readyDevice();
  const posts = [];
  for (let n = 0; n < RECORDS; n += 1) posts.push(await phone.save('Post', post(`post ${n}`)));
  await phone.uploaded();
  for (const { id } of posts) {
    const mark = await phone.mark();
    await phone.hold();
    await phone.update('Post', id, { rating: 2 });
    await phone.received('answer', 'updatePost', 1, mark);
    const query = 'mutation M($input: UpdatePostInput!) { updatePost(input: $input) { id _version } }';
    await server.query(query, { input: { id, title: 'by another', _version: 2 } });
    await phone.told('onUpdatePost', id, 3, mark);
    // Events are merged one after another: when this one is, the one before was thrown away.
    const after = await createPost(server, `after ${id}`);
    await phone.sees('Post', after.id);
    await phone.release();
    await phone.uploaded();
  }
  return { phone, posts };
}

scenario('no copy stays stale after many records were edited by two at once', async (stage) => {
  const { phone, posts } = await contended(stage);
  for (const { id } of posts) await phone.sees('Post', id, { title: 'by another', rating: 2, _version: 3 });
});

scenario('without a repeated event every copy stays stale that was edited by two at once', async (stage) => {
  const { phone, posts } = await contended(stage);
  for (const { id, title } of posts) {
    const { title: held, _version } = await phone.get('Post', id);
    assert.deepEqual({ held, _version }, { held: title, _version: 2 });
  }
  await phone.restart();
  await phone.start();
  for (const { id } of posts) await phone.sees('Post', id, { title: 'by another', _version: 3 });
}, OFF);

// --- answers that are lost -------------------------------------------------------------------------------------

scenario('a create whose answer was lost is sent again by the client and is one create', (stage) =>
  throughGate(stage, async (gate, phone) => {
    const lost = gate.loseAnswerTo('createPost');
    const { id } = await phone.save('Post', post('once'));
    await lost;
    await phone.uploaded();
    await phone.sees('Post', id, { title: 'once', _version: 1 });
    await phone.update('Post', id, { title: 'twice' });
    await phone.uploaded();
    const stored = await stage.server.list('Posts', 'id title _version');
    assert.deepEqual(stored, [{ id, title: 'twice', _version: 2 }]);
    const [update] = answers(await phone.wire(), 'updatePost');
    assert.equal(update.variables.input._version, 1, 'the repeated answer brought the version');
  }));

scenario('an update and a delete whose answers were lost are done once', (stage) =>
  throughGate(stage, async (gate, phone) => {
    const { id } = await phone.save('Post', post('mine'));
    await phone.uploaded();
    let lost = gate.loseAnswerTo('updatePost');
    await phone.update('Post', id, { tags: ['once'] });
    await lost;
    await phone.uploaded();
    await phone.sees('Post', id, { tags: ['once'], _version: 2 });
    lost = gate.loseAnswerTo('deletePost');
    await phone.delete('Post', id);
    await lost;
    await phone.uploaded();
    const { getPost } = await stage.server.query('query Q($id: ID!) { getPost(id: $id) { tags _version _deleted } }', { id });
    assert.deepEqual(getPost, { tags: ['once'], _version: 3, _deleted: true });
  }));

// --- rejections ------------------------------------------------------------------------------------------------

scenario('a device whose create came too late takes over the record that was there', async (stage) => {
  stage.tolerate(({ process, operation }) => process === 'mutate' && operation === 'Create');
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  await Promise.all([phone.offline(), laptop.offline()]);
  const key = { sku: 'bolt', warehouse: 'north' };
  await phone.save('Stock', { ...key, count: 1 });
  await laptop.save('Stock', { ...key, count: 2 });
  await phone.online();
  await phone.uploaded();
  await laptop.online();
  await laptop.uploaded();
  const { Stock } = await stage.converged();
  assert.deepEqual(Stock.map(({ count, _version }) => [count, _version]), [[1, 1]]);
});
