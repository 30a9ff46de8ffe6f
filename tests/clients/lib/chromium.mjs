// Devices that are pages of headless Chromium, each in a context of its own, with real IndexedDB.
import { build } from 'esbuild';
import { X509Certificate, createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { withCommands } from './commands.mjs';
import { modelSchema } from './models.mjs';

const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const executablePath = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

/** Chromium that trusts exactly the certificates these servers (`{ port, ca }`) show now. */
export async function launchChromium(...servers) {
  const keys = await Promise.all(servers.map(shownKey));
  const trust = `--ignore-certificate-errors-spki-list=${keys.join(',')}`;
  return chromium.launch({ executablePath, chromiumSandbox: false, args: [...FLAGS, trust] });
}

/** The SPKI hash of a server's certificate, which must be signed by its own authority. */
async function shownKey({ port, ca }) {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(ca) });
  await once(socket, 'secureConnect');
  const { publicKey } = new X509Certificate(socket.getPeerCertificate().raw);
  socket.destroy();
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}

/** An origin that serves the bundled device page. */
async function serveApplication() {
  const entry = fileURLToPath(new URL('../device/page.mjs', import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const script = outputFiles[0].text.replaceAll('</script', '<\\/script');
  const page = `<!doctype html><meta charset="utf-8"><title>device</title><script>${script}</script>`;
  const application = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end(page));
  await new Promise((resolve) => application.listen(0, '127.0.0.1', resolve));
  return application;
}

class PageDevice {
  #context;
  #page;
  #settings;
  #schema;
  #url;

  constructor(url, server, { models = 'whitepaper', endpoint = server.endpoint, ...settings }) {
    this.#url = url;
    this.#schema = modelSchema(models);
    this.#settings = { endpoint, apiKey: server.apiKey, ...settings };
  }

  async open(browser) {
    this.#context = await browser.newContext();
    await this.#load();
    return this;
  }

  send(command, args) {
    return this.#page.evaluate(([command, args]) => window.device[command](...args), [command, args]);
  }

  offline() {
    return this.#context.setOffline(true);
  }

  online() {
    return this.#context.setOffline(false);
  }

  /** The tab is closed and opened again. */
  async restart(changed = {}) {
    Object.assign(this.#settings, changed);
    await this.#page.close();
    await this.#load();
  }

  async close() {
    await this.#context.close();
  }

  async #load() {
    this.#page = await this.#context.newPage();
    await this.#page.goto(this.#url);
    await this.#page.evaluate(([schema, settings]) => window.openDevice(schema, settings), [this.#schema, this.#settings]);
  }
}

/** Devices in Chromium; `prepare(server)` launches it, `finish()` closes it. */
export function chromiumDevices() {
  let browser;
  let application;
  return {
    name: 'Chromium',
    async prepare(server) {
      application = await serveApplication();
      browser = await launchChromium(server);
    },
    async finish() {
      await browser?.close();
      application?.close();
    },
    device(server, options = {}) {
      const url = `http://localhost:${application.address().port}/`;
      return withCommands(new PageDevice(url, server, options)).open(browser);
    },
  };
}
