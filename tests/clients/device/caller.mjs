// Amplify's API client without DataStore as a Node process: orders as JSON lines on stdin, results on stdout.
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { providers } from './identity.mjs';

const require = createRequire(import.meta.url);
const { endpoint, apiKey, region, authMode, authToken, ...identity } = JSON.parse(process.argv[2]);
for (const level of ['log', 'info', 'warn', 'debug']) console[level] = console.error;
globalThis.WebSocket = require('ws').WebSocket;

const { Amplify } = require('aws-amplify');
const { generateClient } = require('aws-amplify/api');
Amplify.configure({ API: { GraphQL: { endpoint, apiKey, region, defaultAuthMode: authMode } } }, providers(identity));
const client = generateClient();
const heard = [];
const failures = [];
let wake = () => {};

const described = ({ errors, message }) => (errors ?? [{ message }]).map(({ errorType, message }) => errorType ?? message);

const orders = {
  async ask(query, variables) {
    try {
      const { data } = await client.graphql({ query, variables, authToken });
      return { data };
    } catch (error) {
      return { data: error.data, errors: described(error) };
    }
  },
  subscribe(query) {
    client.graphql({ query, authToken }).subscribe({
      next: ({ data }) => (heard.push(data), wake()),
      error: (error) => (failures.push(described(error.error ?? error)), wake()),
    });
  },
  /** Waits for the first thing that a subscription says. */
  async first() {
    while (!heard.length && !failures.length) await new Promise((resolve) => (wake = resolve));
    return { heard, failures };
  },
};

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
answer({ id: 0 });
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, order, args } = JSON.parse(line);
  try {
    answer({ id, result: await orders[order](...args) });
  } catch (error) {
    answer({ id, error: String(error?.stack ?? error) });
  }
});
