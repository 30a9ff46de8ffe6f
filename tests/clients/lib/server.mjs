// A `driftless dev` process on a free port, with a database of its own that survives restarts.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Activation } from './activation.mjs';
import { newDatabase } from './postgres.mjs';
import { temporaryDirectory } from './temporary.mjs';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const binary = process.env.DRIFTLESS_BIN ?? path.join(repository, 'target/debug/driftless');

export const modelsOf = (name) => fileURLToPath(new URL(`../models/${name}/schema.graphql`, import.meta.url));
export const example = (name) => path.join(repository, 'examples', name, 'schema.graphql');
export const STORES = ['sqlite', 'postgres'];

export class Server {
  #arguments;
  #directory;
  #process;
  #activation;
  #log = '';

  /**
   * `store`: 'sqlite' or 'postgres'; `conflict`: a strategy, 'automerge' by default; `configuration`: a
   * driftless.toml; `database`: the URL of a database that the test has made itself;
   * `activated`: its port is opened by whoever starts it.
   */
  static async start({ store, schema = example('whitepaper'), conflict = 'automerge', configuration = '', database, activated }) {
    const server = new Server();
    server.#directory = temporaryDirectory('server');
    writeFileSync(path.join(server.#directory, 'driftless.toml'), configuration);
    database ??= store === 'postgres' ? await newDatabase() : `sqlite:${path.join(server.#directory, 'data.db')}`;
    server.database = database;
    server.#arguments = ['dev', schema, '--json', '--no-watch', '--database', database, '--conflict', conflict];
    if (activated) {
      server.#activation = await Activation.of(binary, server.#arguments, { cwd: server.#directory });
      server.#activation.stderr.on('data', (text) => (server.#log += text));
    }
    await server.#launch('127.0.0.1:0');
    process.prependListener('exit', () => server.#process?.kill('SIGKILL'));
    return server;
  }

  /** Power failure: no signal handler runs, nothing is flushed. */
  async kill() {
    await this.#end('SIGKILL');
  }

  async stop() {
    await this.#end('SIGTERM');
  }

  /** Ends it for good, and with it whoever holds its port. */
  async close() {
    await this.stop();
    await this.#activation?.close();
  }

  /** Another strategy from the next start on. */
  configure(conflict) {
    this.#arguments.splice(this.#arguments.indexOf('--conflict') + 1, 1, conflict);
  }

  /** The same database on the same port again. */
  async restart() {
    await this.#launch(`127.0.0.1:${this.port}`);
  }

  /** Waits until a client stands in the queue of a port that is open while the server is away. */
  waiting() {
    return this.#activation.waiting();
  }

  get log() {
    return this.#log;
  }

  /** Tokens of the local cloud for a user of these groups: `{ accessToken, idToken }`. */
  tokens(name, ...groups) {
    const more = groups.flatMap((group) => ['--group', group]);
    const text = execFileSync(binary, ['token', name, '--json', ...more], { cwd: this.#directory });
    const { access_token: accessToken, id_token: idToken } = JSON.parse(text);
    return { accessToken, idToken };
  }

  /** A GraphQL request as any other program would make it; throws on errors. */
  async query(query, variables = {}) {
    const response = await fetch(this.httpEndpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': this.apiKey },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors?.length) throw new Error(JSON.stringify(errors));
    return data;
  }

  /** All live records of a model by its list query, page after page. */
  async list(plural, selection) {
    const field = `list${plural}`;
    const query = `query All($next: String) { ${field}(limit: 1000, nextToken: $next) { items { ${selection} _deleted } nextToken } }`;
    const items = [];
    let next = null;
    do {
      const page = (await this.query(query, { next }))[field];
      items.push(...page.items);
      next = page.nextToken;
    } while (next);
    return items.filter(({ _deleted }) => !_deleted).map(({ _deleted, ...record }) => record);
  }

  async #launch(listen) {
    if (this.#activation) return this.#readied(await this.#activation.start());
    this.#process = spawn(binary, [...this.#arguments, '--listen', listen], {
      cwd: this.#directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stderr.on('data', (text) => (this.#log += text));
    this.#readied(await this.#firstLine());
  }

  #readied(line) {
    const ready = JSON.parse(line);
    this.endpoint = ready.endpoint;
    this.httpEndpoint = ready.http_endpoint;
    this.apiKey = ready.api_key;
    this.ca = path.resolve(this.#directory, ready.ca);
    this.port = Number(new URL(ready.endpoint).port);
  }

  #firstLine() {
    return new Promise((resolve, reject) => {
      readline.createInterface({ input: this.#process.stdout }).once('line', resolve);
      this.#process.once('error', reject);
      this.#process.once('exit', (code) => reject(new Error(`driftless ended with ${code}\n${this.#log}`)));
    });
  }

  async #end(signal) {
    if (this.#activation) return this.#activation.end(signal);
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill(signal);
    await once(this.#process, 'exit');
  }
}
