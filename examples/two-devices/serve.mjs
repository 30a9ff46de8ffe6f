// Serves the page on two ports. Two ports are two origins, and each origin has an IndexedDB of its own: two devices.
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };

/** `backend`: `{ endpoint, apiKey }`. Returns the address of the page and a way to end it. */
export async function serve(backend, ports = [0, 0]) {
  const script = await bundle();
  const [first, second] = await Promise.all(ports.map((port) => listen(port, (file) => content(file))));
  const device = (server) => `http://localhost:${server.address().port}/device.html`;
  const settings = { ...backend, devices: [device(first), device(second)] };

  async function content(file) {
    if (file === 'device.js') return script;
    if (file === 'settings.js') return `window.settings = ${JSON.stringify(settings)};`;
    return readFile(path.join(here, 'public', file));
  }

  return {
    url: `http://localhost:${first.address().port}/`,
    close() {
      for (const server of [first, second]) server.close().closeAllConnections();
    },
  };
}

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [path.join(here, 'device.js')],
    bundle: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return outputFiles[0].contents;
}

function listen(port, content) {
  const server = http.createServer(async ({ url }, response) => {
    const file = path.basename(new URL(url, 'http://localhost').pathname) || 'index.html';
    try {
      const body = await content(file);
      response.writeHead(200, { 'content-type': `${TYPES[path.extname(file)]}; charset=utf-8` }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, 'localhost', () => resolve(server));
  });
}
