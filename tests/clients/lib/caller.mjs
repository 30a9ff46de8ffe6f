// Processes with Amplify's API client, see `device/caller.mjs`.
import { spawn } from 'node:child_process';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../device/caller.mjs', import.meta.url));

export class Caller {
  #process;
  #pending = new Map();
  #orders = 0;
  #log = '';

  /** `settings`: authMode, and what that mode needs: tokens, authToken or credentials. */
  constructor(server, settings) {
    const { endpoint, apiKey, ca } = server;
    const text = JSON.stringify({ endpoint, apiKey, region: 'us-east-1', ...settings });
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: ca };
    this.#process = spawn(process.execPath, [program, text], { env, stdio: 'pipe' });
    this.#process.stderr.on('data', (text) => (this.#log += text));
    readline.createInterface({ input: this.#process.stdout }).on('line', (line) => this.#answered(JSON.parse(line)));
    this.#process.on('exit', () => this.#abandon());
    process.prependListener('exit', () => this.close());
  }

  ask(query, variables = {}) {
    return this.#send('ask', [query, variables]);
  }

  subscribe(query) {
    return this.#send('subscribe', [query]);
  }

  first() {
    return this.#send('first', []);
  }

  close() {
    this.#process.kill('SIGKILL');
  }

  #send(order, args) {
    const id = (this.#orders += 1);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ id, order, args })}\n`);
    });
  }

  #answered({ id, result, error }) {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    if (error) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }

  #abandon() {
    for (const { reject } of this.#pending.values()) reject(new Error(`the client ended\n${this.#log}`));
  }
}
