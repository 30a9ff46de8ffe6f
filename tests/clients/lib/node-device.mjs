// Devices that are Node processes, one each, with the server's authority as their only addition to Node's trust.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withCommands } from './commands.mjs';
import { schemaFile } from './models.mjs';
import { temporaryDirectory } from './temporary.mjs';

const program = fileURLToPath(new URL('../device/node.mjs', import.meta.url));

class NodeDevice {
  #settings;
  #ca;
  #process;
  #pending = new Map();
  #orders = 0;
  #log = '';

  constructor(server, { models = 'whitepaper', endpoint = server.endpoint, ...settings }) {
    const file = path.join(temporaryDirectory('device'), 'indexeddb');
    this.#settings = { endpoint, apiKey: server.apiKey, schemaFile: schemaFile(models), file, ...settings };
    this.#ca = server.ca;
    process.prependListener('exit', () => this.#process?.kill('SIGKILL'));
  }

  /** Starts the process; what an earlier one left in IndexedDB is there again. */
  async open() {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: this.#ca };
    this.#process = spawn(process.execPath, [program, JSON.stringify(this.#settings)], { env, stdio: 'pipe' });
    this.#process.stderr.on('data', (text) => (this.#log += text));
    const lines = readline.createInterface({ input: this.#process.stdout });
    const up = once(lines, 'line');
    lines.on('line', (line) => this.#answered(JSON.parse(line)));
    this.#process.prependListener('exit', () => this.#abandon());
    await Promise.race([up, once(this.#process, 'exit').then(() => Promise.reject(new Error(this.#log)))]);
    return this;
  }

  send(command, args) {
    const id = (this.#orders += 1);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, command });
      this.#process.stdin.write(`${JSON.stringify({ id, command, args })}\n`);
    });
  }

  offline() {
    return this.send('offline', []);
  }

  online() {
    return this.send('online', []);
  }

  /** The application is closed and opened again. */
  async restart(changed = {}) {
    await this.close();
    Object.assign(this.#settings, changed);
    await this.open();
  }

  async close() {
    if (!this.#process || this.#process.exitCode !== null) return;
    const gone = once(this.#process, 'exit');
    await this.send('close', []);
    await gone;
  }

  #answered({ id, result, error }) {
    const order = this.#pending.get(id);
    this.#pending.delete(id);
    if (error) order?.reject(new Error(error));
    else order?.resolve(result);
  }

  #abandon() {
    for (const { reject, command } of this.#pending.values()) {
      reject(new Error(`the device ended during ${command}\n${this.#log}`));
    }
    this.#pending.clear();
  }
}

export const nodeDevices = {
  name: 'Node',
  async prepare() {},
  async finish() {},
  device: (server, options = {}) => withCommands(new NodeDevice(server, options)).open(),
};
