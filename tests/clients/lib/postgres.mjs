// A throw-away Postgres cluster for one test process, on a private socket; one database per server.
import { execFileSync, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { temporaryDirectory } from './temporary.mjs';

const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', listen_addresses: '', max_connections: 200 };
let cluster;
let databases = 0;

/** The URL of a new, empty database. `TEST_DATABASE_URL` names a server to use instead of a private one. */
export async function newDatabase() {
  const name = `clients_${process.pid}_${(databases += 1)}`;
  if (process.env.TEST_DATABASE_URL) {
    const url = new URL(process.env.TEST_DATABASE_URL);
    execFileSync('psql', ['-d', url.href, '-qc', `CREATE DATABASE ${name}`]);
    url.pathname = `/${name}`;
    return url.href;
  }
  const { socket } = await (cluster ??= startCluster());
  execFileSync('psql', ['-h', socket, '-U', 'postgres', '-d', 'postgres', '-qc', `CREATE DATABASE ${name}`]);
  return `postgres://postgres@localhost/${name}?host=${encodeURIComponent(socket)}`;
}

async function startCluster() {
  const { socket } = await Cluster.create(SETTINGS);
  return { socket };
}

/** A cluster of its own for one test; without settings it is as careful with its files as in production. */
export class Cluster {
  #settings;
  #server;

  static async create(settings = { listen_addresses: '' }) {
    const cluster = new Cluster();
    cluster.#settings = settings;
    cluster.socket = temporaryDirectory('postgres');
    cluster.url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(cluster.socket)}`;
    const data = path.join(cluster.socket, 'data');
    const owner = serverAccount();
    mkdirSync(data);
    if (owner.uid !== undefined) for (const directory of [cluster.socket, data]) chownSync(directory, owner.uid, owner.gid);
    const options = { ...owner, cwd: cluster.socket, stdio: ['ignore', 'ignore', 'pipe'] };
    execFileSync(program('initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8'], options);
    process.prependListener('exit', () => cluster.#server.kill('SIGQUIT'));
    await cluster.start();
    return cluster;
  }

  async start() {
    const settings = Object.entries(this.#settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const options = { ...serverAccount(), cwd: this.socket, stdio: ['ignore', 'ignore', 'pipe'] };
    this.#server = spawn(program('postgres'), ['-D', path.join(this.socket, 'data'), '-k', this.socket, ...settings], options);
    await acceptsConnections(this.#server);
  }

  /** Ends all its processes at once, as a failing machine does. */
  async stop() {
    const ended = once(this.#server, 'exit');
    this.#server.ref();
    this.#server.kill('SIGQUIT');
    await ended;
  }
}

/** A session of its own, whose locks last until it is closed. */
export class Session {
  #psql;

  static async open(url) {
    const session = new Session();
    session.#psql = spawn('psql', ['-d', url, '-qAt', '-v', 'ON_ERROR_STOP=1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    process.prependListener('exit', () => session.#psql.kill());
    return session;
  }

  async run(sql) {
    const done = `done ${process.hrtime.bigint()}`;
    this.#psql.stdin.write(`${sql};\n\\echo ${done}\n`);
    let told = '';
    for await (const [text] of on(this.#psql.stdout, 'data', { close: ['end'] })) {
      told += text;
      if (told.includes(done)) return;
    }
    throw new Error(`the session ended in: ${sql}`);
  }

  async close() {
    const ended = once(this.#psql, 'exit');
    this.#psql.stdin.end();
    await ended;
  }
}

function acceptsConnections(server) {
  return new Promise((resolve, reject) => {
    let log = '';
    server.stderr.on('data', (text) => {
      log += text;
      if (!log.includes('ready to accept connections')) return;
      server.unref();
      server.stderr.unref();
      resolve();
    });
    server.on('exit', (code) => reject(new Error(`Postgres ended with ${code}: ${log}`)));
  });
}

/** Postgres refuses to run as root; packages bring an account for it. */
function serverAccount() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres']));
  return { uid: id('-u'), gid: id('-g') };
}

function program(name) {
  const versions = '/usr/lib/postgresql';
  const installed = existsSync(versions) ? readdirSync(versions).sort((a, b) => b - a) : [];
  const found = installed.map((version) => path.join(versions, version, 'bin', name)).find(existsSync);
  return found ?? name;
}
