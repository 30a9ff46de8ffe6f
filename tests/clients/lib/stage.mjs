// What every scenario stands on: a server with a fresh database, and devices that are closed when it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromiumDevices } from './chromium.mjs';
import { nodeDevices } from './node-device.mjs';
import { STORES, Server } from './server.mjs';

/** How long devices that have uploaded everything may differ. */
const CONVERGENCE_MS = 90_000;
/** Against hanging only: a device that waits in vain says so long before. */
const TIMEOUT_MS = 900_000;

// Each server, device and directory tidies up after itself when the process ends.
process.setMaxListeners(0);

class Stage {
  #kind;
  #devices = [];
  #tolerated = () => false;

  constructor(server, kind, postgres) {
    this.server = server;
    /** The database's own server, if the scenario asked for one. */
    this.postgres = postgres;
    this.#kind = kind;
  }

  /** A device that was opened but not started. */
  async device(options) {
    const device = await this.#kind.device(this.server, options);
    this.#devices.push(device);
    return device;
  }

  /** A device that has synced and whose subscriptions are live. */
  async readyDevice(options) {
    const device = await this.device(options);
    await device.start();
    await device.subscribed();
    return device;
  }

  /** Declares which reports of the client's error handler belong to the scenario; others fail it. */
  tolerate(expected) {
    this.#tolerated = expected;
  }

  /** Waits until all devices have uploaded everything and hold the same records, and returns those. */
  async converged() {
    for (const device of this.#devices) await device.uploaded();
    const deadline = Date.now() + CONVERGENCE_MS;
    for (;;) {
      const dumps = await Promise.all(this.#devices.map((device) => device.dump()));
      const differing = dumps.find((dump) => JSON.stringify(dump) !== JSON.stringify(dumps[0]));
      if (!differing) return dumps[0];
      if (Date.now() > deadline) assert.deepEqual(differing, dumps[0], 'the devices did not converge');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #checkErrors() {
    for (const device of this.#devices) {
      const errors = await device.errors();
      assert.deepEqual(errors.filter((error) => !this.#tolerated(error)), [], 'the client reported errors');
    }
  }

  async run(body) {
    try {
      await body(this);
      await this.#checkErrors();
    } finally {
      await Promise.allSettled(this.#devices.map((device) => device.close()));
    }
  }
}

/**
 * A test that must hold on every store, with the clients in Node and in a browser with real IndexedDB. `options`: what
 * the server is started with, and `stores` for a test that is about one of them, `postgres` for one that ends it.
 */
export function scenario(title, body, options = {}) {
  for (const devices of [nodeDevices, chromiumDevices()]) {
    for (const store of options.stores ?? STORES) {
      test(`${title} (${devices.name}, ${store})`, { timeout: TIMEOUT_MS }, () => perform(body, devices, { store, ...options }));
    }
  }
}

/** Runs a scenario on a server of its own. */
async function perform(body, devices, options) {
  const postgres = await options.postgres?.create();
  const server = await Server.start({ ...options, database: postgres?.url });
  try {
    await devices.prepare(server);
    await new Stage(server, devices, postgres).run(body);
  } catch (error) {
    error.message += `\n--- server log ---\n${server.log.slice(-4000)}`;
    throw error;
  } finally {
    await devices.finish();
    await server.close();
  }
}

/** The server's answers to an operation among wire entries, in order. */
export const answers = (wire, op) => wire.filter((entry) => entry.kind === 'answer' && (!op || entry.op === op));

/** The server's events of a subscription among wire entries, in order. */
export const events = (wire, op) => wire.filter((entry) => entry.kind === 'event' && (!op || entry.op === op));
