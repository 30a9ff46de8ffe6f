// A device as a Node process: commands as JSON lines on stdin, their results on stdout, library logs on stderr.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { Device } from './device.mjs';
import { keep, restore } from './indexeddb.mjs';
import { Wire } from './wire.mjs';

// The CommonJS copies throughout: the library's singletons exist once per module system.
const require = createRequire(import.meta.url);
const { file, schemaFile, ...settings } = JSON.parse(process.argv[2]);

for (const level of ['log', 'info', 'warn', 'debug']) console[level] = console.error;

/** DataStore asks `window` for IndexedDB and for the state of the network. */
function browserLikeWindow() {
  require('fake-indexeddb/auto');
  const window = new EventTarget();
  return Object.assign(window, {
    indexedDB: globalThis.indexedDB,
    crypto: globalThis.crypto,
    navigator: { onLine: true },
  });
}

function schemaFrom(path) {
  const text = readFileSync(path, 'utf8');
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
}

globalThis.window = browserLikeWindow();
const wire = new Wire(globalThis, require('ws').WebSocket);
await restore(indexedDB, file);
const library = {
  ...require('aws-amplify'),
  ...require('aws-amplify/utils'),
  ...require('aws-amplify/datastore'),
};
const device = new Device({ library, schema: schemaFrom(schemaFile), settings, wire });
process.on('unhandledRejection', (error) => device.failed(error));
process.on('uncaughtException', (error) => device.failed(error));

const switches = {
  offline() {
    window.navigator.onLine = false;
    window.dispatchEvent(new Event('offline'));
    wire.cut();
  },
  online() {
    wire.mend();
    window.navigator.onLine = true;
    window.dispatchEvent(new Event('online'));
  },
  async close() {
    await device.stop();
    await keep(indexedDB, file);
  },
};

async function obey({ id, command, args }) {
  try {
    const result = await (switches[command] ?? device[command].bind(device))(...args);
    return { id, result };
  } catch (error) {
    return { id, error: error.message };
  }
}

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
answer({ id: 0 });
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const order = JSON.parse(line);
  answer(await obey(order));
  if (order.command === 'close') process.exit(0);
});
