// One device: the real DataStore on one side, a list of tasks on the other.
import { setOnline } from './network.js';
import { Amplify } from 'aws-amplify';
import { DataStore, initSchema } from 'aws-amplify/datastore';
import { CONNECTION_STATE_CHANGE } from 'aws-amplify/api';
import { Hub } from 'aws-amplify/utils';
import { schema } from './models/schema.js';

const { endpoint, secure, apiKey } = window.settings;
const name = new URLSearchParams(location.search).get('name') ?? 'Device';
const { Task } = initSchema(schema);
const state = { online: true, ready: false, live: false, waiting: new Set(), tasks: [] };
const $ = (selector) => document.querySelector(selector);

Amplify.configure({ API: { GraphQL: { endpoint, apiKey, region: 'us-east-1', defaultAuthMode: 'apiKey' } } });

// --- what DataStore reports ------------------------------------------------------------------------------------

const reports = {
  syncQueriesStarted: () => (state.ready = false),
  syncQueriesReady: () => (state.ready = true),
  outboxMutationEnqueued: ({ element }) => state.waiting.add(element.id),
  outboxMutationProcessed: ({ element }) => state.waiting.delete(element.id),
  // While offline it is late word of what was sent before; what waits since is not meant.
  outboxStatus: ({ isEmpty }) => isEmpty && state.online && state.waiting.clear(),
};
Hub.listen('datastore', ({ payload: { event, data } }) => {
  reports[event]?.(data);
  show();
});
Hub.listen('api', ({ payload: { event, data } }) => {
  if (event !== CONNECTION_STATE_CHANGE) return;
  state.live = data.connectionState === 'Connected';
  show();
});
DataStore.observeQuery(Task, undefined, { sort: (by) => by.addedAt('ASCENDING') }).subscribe(({ items }) => {
  state.tasks = items;
  show();
});

// --- what the person does --------------------------------------------------------------------------------------

async function edit({ id }, changes) {
  const current = await DataStore.query(Task, id);
  if (current) await DataStore.save(Task.copyOf(current, (draft) => void Object.assign(draft, changes)));
}

$('#add').addEventListener('submit', (event) => {
  event.preventDefault();
  const title = $('#title').value.trim();
  $('#title').value = '';
  if (title) DataStore.save(new Task({ title, done: false, addedAt: new Date().toISOString() }));
});
$('#online').addEventListener('change', ({ target }) => {
  state.online = target.checked;
  setOnline(target.checked);
  show();
});

// --- what it looks like ----------------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function row(task) {
  const title = element('input', { className: 'title', value: task.title, ariaLabel: 'Title' });
  title.addEventListener('change', () => title.value.trim() && edit(task, { title: title.value.trim() }));
  title.addEventListener('keydown', ({ key }) => key === 'Enter' && title.blur());
  const done = element('input', { type: 'checkbox', checked: task.done, ariaLabel: 'Done' });
  done.addEventListener('change', () => edit(task, { done: done.checked }));
  const remove = element('button', { className: 'remove', textContent: '×', ariaLabel: `Delete ${task.title}` });
  remove.addEventListener('click', () => DataStore.delete(task));
  const waits = state.waiting.has(task.id) || !task._version;
  const version = element('span', {
    className: waits ? 'version waiting' : 'version',
    textContent: waits ? 'waiting' : `v${task._version}`,
    title: waits ? 'Not on the server yet' : `Version ${task._version} on the server`,
  });
  const item = element('li', { className: task.done ? 'done' : '' }, done, title, version, remove);
  item.dataset.id = task.id;
  return item;
}

function status() {
  const count = state.waiting.size;
  if (!state.online) return ['offline', count ? `Offline · ${count} ${count === 1 ? 'change' : 'changes'} waiting` : 'Offline'];
  if (!state.ready) return ['busy', 'Syncing…'];
  if (count) return ['busy', `Uploading ${count}…`];
  return state.live ? ['synced', 'Everything is synced'] : ['busy', 'Synced, waiting for live updates…'];
}

let drawn;
function show() {
  const [kind, text] = status();
  document.body.dataset.status = kind;
  $('#status').textContent = text;
  $('#trust').hidden = !(state.online && state.ready && !state.live);
  const picture = JSON.stringify([state.tasks.map(({ id, title, done, _version }) => [id, title, done, _version]), [...state.waiting]]);
  if (picture === drawn) return;
  drawn = picture;
  // A title being typed stays as it is; it is saved, and drawn again, when the person leaves it.
  const typing = document.activeElement?.closest('li')?.dataset.id;
  const kept = typing && document.activeElement.matches('.title') ? document.activeElement.closest('li') : null;
  $('#tasks').replaceChildren(...state.tasks.map((task) => (kept && task.id === typing ? kept : row(task))));
  $('#empty').hidden = state.tasks.length > 0;
  const records = state.tasks.map(({ id, title, done, _version }) => [id, title, done, _version]);
  window.parent.postMessage({ name, records: JSON.stringify(records), waiting: state.waiting.size }, '*');
}

document.title = name;
$('#name').textContent = name;
if (secure) $('#trust a').href = new URL('/ping', secure);
show();
DataStore.start();
