// What stands in front of a server in a deployment (a proxy, socket activation): a port that stays open.
// While the server is away, connections are accepted and held instead of refused, and go through when it is back.
import net from 'node:net';

const RETRY_MS = 50;

export class Gate {
  #target;
  #held = new Set();
  #waiting = [];
  #listener;
  #connections = new Set();

  static async before(port) {
    const gate = new Gate();
    gate.#target = port;
    gate.#listener = net.createServer({ pauseOnConnect: true }, (client) => gate.#pass(client));
    await new Promise((resolve) => gate.#listener.listen(0, '127.0.0.1', resolve));
    gate.port = gate.#listener.address().port;
    return gate;
  }

  /** Waits until a client stands before the closed door. */
  holding() {
    if (this.#held.size > 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close() {
    this.#listener.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #pass(client) {
    this.#connections.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => {
      this.#connections.delete(client);
      this.#held.delete(client);
    });
    this.#connect(client);
  }

  #connect(client) {
    const server = net.connect(this.#target, '127.0.0.1');
    const refused = () => this.#hold(client);
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused).on('error', () => server.destroy());
      this.#held.delete(client);
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
  }

  #hold(client) {
    if (client.destroyed) return;
    this.#held.add(client);
    for (const resolve of this.#waiting.splice(0)) resolve();
    setTimeout(() => this.#connect(client), RETRY_MS).unref();
  }
}
