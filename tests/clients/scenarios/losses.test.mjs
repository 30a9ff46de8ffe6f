// What a device loses where this server does as AppSync: the same situations as in repairs.test.mjs and overload.test.mjs,
// with the better behaviour switched off; and clients that loop, with it on and off.
import assert from 'node:assert/strict';
import { throughGate } from '../lib/gate.mjs';
import { modelsOf } from '../lib/server.mjs';
import { answers, scenario } from '../lib/stage.mjs';

const post = (title) => ({ title, rating: 1, status: 'ACTIVE' });
const mutates = ({ process }) => process === 'mutate';

// --- answers that are lost -------------------------------------------------------------------------------------

scenario('without replay a create whose answer was lost leaves a record behind whose edits come to nothing', (stage) =>
  throughGate(stage, async (gate, phone) => {
    stage.tolerate(mutates);
    const lost = gate.loseAnswerTo('createPost');
    const { id } = await phone.save('Post', post('once'));
    await lost;
    await phone.gaveUp();
    await phone.queued(0);
    await phone.update('Post', id, { title: 'twice' });
    await phone.uploaded();
    const [update] = answers(await phone.wire(), 'updatePost');
    assert.equal(update.variables.input._version, undefined, 'the device never learned the version');
    const stored = await stage.server.list('Posts', 'id title _version');
    assert.deepEqual(stored, [{ id, title: 'once', _version: 2 }]);
  }), { configuration: '[sync]\ncreate_replay = false\nrejection_data = "conflicts"\n' });

scenario('without replay an update whose answer was lost is merged with itself', (stage) =>
  throughGate(stage, async (gate, phone) => {
    const { id } = await phone.save('Post', post('mine'));
    await phone.uploaded();
    const lost = gate.loseAnswerTo('updatePost');
    await phone.update('Post', id, { tags: ['once'] });
    await lost;
    await phone.uploaded();
    await phone.sees('Post', id, { tags: ['once', 'once'], _version: 3 });
  }), { configuration: '[sync]\nupdate_replay = false\n' });

// --- rejections ------------------------------------------------------------------------------------------------

scenario('without the record in its rejection a device keeps a copy that is none', async (stage) => {
  stage.tolerate(mutates);
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  await Promise.all([phone.offline(), laptop.offline()]);
  const key = { sku: 'bolt', warehouse: 'north' };
  await phone.save('Stock', { ...key, count: 1 });
  await laptop.save('Stock', { ...key, count: 2 });
  await phone.online();
  await phone.uploaded();
  await laptop.online();
  await laptop.gaveUp();
  await laptop.queued(0);
  const [rejected] = answers(await laptop.wire(), 'createStock');
  assert.equal(rejected.errors[0].data, null);
  const { count, _version } = await laptop.get('Stock', key);
  assert.deepEqual([count, _version ?? null], [2, null]);
  await phone.sees('Stock', key, { count: 1, _version: 1 });
}, { configuration: '[sync]\nrejection_data = "conflicts"\n' });

// --- a port that is closed -------------------------------------------------------------------------------------

scenario('an edit made while nothing listens is dropped for good by a client that believes to be online', async (stage) => {
  stage.tolerate(() => true);
  const phone = await stage.readyDevice();
  await stage.server.stop();
  await phone.save('Post', post('dropped'));
  await phone.gaveUp();
  await stage.server.restart();
  await phone.queued(0);
  assert.deepEqual(await stage.server.list('Posts', 'id'), []);
}, { stores: ['sqlite'] });

// --- clients that loop -----------------------------------------------------------------------------------------

/** The laptop deletes what the phone has changed, and asks again and again although it is told so each time. */
async function deletesInVain(stage) {
  stage.tolerate(() => true);
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  const { id } = await phone.save('Post', post('wanted'));
  await phone.uploaded();
  await laptop.sees('Post', id, { _version: 1 });
  await Promise.all([phone.offline(), laptop.offline()]);
  await phone.update('Post', id, { rating: 2 });
  await laptop.delete('Post', id);
  for (const device of [phone, laptop]) {
    await device.online();
    await device.uploaded();
  }
  const refused = answers(await laptop.wire(), 'deletePost');
  assert.ok(refused.every(({ errors }) => errors[0].errorType === 'ConflictUnhandled'));
  assert.equal((await stage.converged()).Post.length, 1);
  return refused.map(({ took }) => took);
}

scenario('a client that repeats a refused delete is answered later and later', async (stage) => {
  const took = await deletesInVain(stage);
  assert.ok(took.length > 8, `${took.length} times`);
  assert.ok(took.at(-1) >= 1_000, `after ${took} ms`);
}, { conflict: 'automerge' });

scenario('without pace a client that repeats a refused delete is answered at once', async (stage) => {
  const took = await deletesInVain(stage);
  assert.ok(took.length > 8, `${took.length} times`);
  assert.ok(Math.min(...took.slice(6)) < 1_000, `after ${took} ms`);
}, { conflict: 'automerge', configuration: '[sync]\nslow_loops = false\n' });

const WITH_USERS = { schema: modelsOf('rules'), configuration: '[sync]\nslow_loops = true\n' };
const UNPACED = { ...WITH_USERS, configuration: '[sync]\nslow_loops = false\n' };
const SYNC = 'syncDiaries';

/** An app that throws everything away and begins anew, as some do whenever an error is reported. */
async function beginsAnew(stage) {
  stage.tolerate(() => true);
  const phone = await stage.device({ models: 'rules', multiAuth: true, tokens: stage.server.tokens('alice') });
  for (let time = 0; time < 12; time += 1) {
    await phone.start();
    await phone.clear();
  }
  const begun = answers(await phone.wire(), SYNC).filter(({ variables }) => variables.lastSync === 0);
  assert.ok(begun.length >= 12, `${begun.length} times`);
  return begun.map(({ took }) => took);
}

scenario('an app that begins its first sync again and again is answered later and later', async (stage) => {
  const took = await beginsAnew(stage);
  assert.ok(Math.min(...took.slice(-2)) >= 1_000, `after ${took} ms`);
}, WITH_USERS);

scenario('without pace an app that begins its first sync again and again is answered at once', async (stage) => {
  const took = await beginsAnew(stage);
  assert.ok(Math.min(...took.slice(-2)) < 1_000, `after ${took} ms`);
}, UNPACED);

/** Somebody else signs in between two pages: the token is not theirs, and the client asks with it until it is again. */
async function asksWithATokenOfSomebodyElse(stage) {
  stage.tolerate(() => true);
  const alice = stage.server.tokens('alice');
  const writer = await stage.device({ models: 'rules', multiAuth: true, tokens: alice });
  await writer.start();
  for (const text of ['one', 'two', 'three']) await writer.save('Diary', { text });
  await writer.uploaded();

  const phone = await stage.device({ models: 'rules', multiAuth: true, tokens: alice, syncPageSize: 2 });
  await phone.hold();
  const started = phone.start();
  await phone.received('answer', SYNC);
  await phone.signIn(stage.server.tokens('bob'));
  await phone.release();
  await phone.received('answer', SYNC, 6);
  const [first, ...refused] = answers(await phone.wire(), SYNC);
  await phone.signIn(alice);
  await started;
  assert.equal((await phone.list('Diary')).length, 3);
  assert.equal(first.data.items.length, 2);
  for (const { variables, errors } of refused) {
    assert.equal(variables.nextToken, first.data.nextToken);
    assert.equal(errors.length, 1);
  }
  assert.equal(refused.length, 5);
  return refused.map(({ took }) => took);
}

scenario('a client that asks again and again with a token that is refused is answered later and later', async (stage) => {
  const took = await asksWithATokenOfSomebodyElse(stage);
  assert.ok(took[3] >= 50 && took[4] >= 100, `after ${took} ms`);
}, { ...WITH_USERS, stores: ['sqlite'] });

scenario('without pace a client that asks again and again with a token that is refused is answered at once', async (stage) => {
  const took = await asksWithATokenOfSomebodyElse(stage);
  assert.ok(Math.min(...took.slice(3)) < 50, `after ${took} ms`);
}, { ...UNPACED, stores: ['sqlite'] });
