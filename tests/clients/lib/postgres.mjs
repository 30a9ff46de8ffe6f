// A throw-away Postgres cluster for one test process, on a private socket; one database per server.
import { execFileSync, spawn } from 'node:child_process';
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
  const socket = temporaryDirectory('postgres');
  const data = path.join(socket, 'data');
  const owner = serverAccount();
  mkdirSync(data);
  if (owner.uid !== undefined) for (const directory of [socket, data]) chownSync(directory, owner.uid, owner.gid);
  const options = { ...owner, cwd: socket, stdio: ['ignore', 'ignore', 'pipe'] };
  execFileSync(program('initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8'], options);
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(program('postgres'), ['-D', data, '-k', socket, ...settings], options);
  process.prependListener('exit', () => server.kill('SIGQUIT'));
  await acceptsConnections(server);
  return { socket };
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
