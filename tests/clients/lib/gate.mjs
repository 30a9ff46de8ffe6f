// What stands in front of a server in a deployment (a proxy, socket activation): a port that stays open.
// While the server is away, connections are accepted and held instead of refused, and go through when it is back.
import net from 'node:net';

const RETRY_MS = 50;

export class Gate {
  /** Connections being held right now. */
  held = 0;
  #target;
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

  close() {
    this.#listener.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #pass(client) {
    this.#connections.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => this.#connections.delete(client));
    this.held += 1;
    this.#connect(client);
  }

  #connect(client) {
    const server = net.connect(this.#target, '127.0.0.1');
    server.once('connect', () => {
      this.held -= 1;
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
    server.on('error', () => {
      if (!server.connecting && server.bytesWritten > 0) return;
      if (client.destroyed) this.held -= 1;
      else setTimeout(() => this.#connect(client), RETRY_MS).unref();
    });
  }
}
