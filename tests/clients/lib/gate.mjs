// What stands in front of a server in a deployment (a proxy, socket activation): a port that stays open.
// While the server is away, connections are accepted and held instead of refused, and go through when it is back.
// Of requests in clear it can lose the answer, or give one of its own, as bad networks and proxies do.
import net from 'node:net';

const RETRY_MS = 50;

export class Gate {
  #target;
  #held = new Set();
  #waiting = [];
  #listener;
  #connections = new Set();
  #losing;
  #refusal;

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

  /** The next request in clear that holds this text reaches the server; its answer is lost with the connection. */
  loseAnswerTo(text) {
    return new Promise((lost) => (this.#losing = { text, lost }));
  }

  /** Answers requests in clear that hold this text by itself, with this status and body, as a proxy would. */
  refuse(text, answer) {
    this.#refusal = { text, answer };
  }

  letPass() {
    this.#refusal = undefined;
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
      this.#join(client, server);
    });
  }

  #join(client, server) {
    client.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (this.#losing && text.includes(this.#losing.text)) return this.#lose(client, server, bytes);
      if (this.#refusal && text.includes(this.#refusal.text)) return client.end(refusal(this.#refusal.answer));
      if (!server.write(bytes)) client.pause();
    });
    server.on('drain', () => client.resume());
    client.on('end', () => server.end());
    server.pipe(client);
    client.resume();
  }

  #lose(client, server, request) {
    const { lost } = this.#losing;
    this.#losing = undefined;
    server.unpipe(client);
    server.once('data', () => {
      server.destroy();
      lost();
    });
    server.write(request);
    server.resume();
  }

  #hold(client) {
    if (client.destroyed) return;
    this.#held.add(client);
    for (const resolve of this.#waiting.splice(0)) resolve();
    setTimeout(() => this.#connect(client), RETRY_MS).unref();
  }
}

/** An answer without the headers that browsers want would look like no answer at all. */
function refusal({ status, body = '', type = 'application/json' }) {
  const headers = `access-control-allow-origin: *\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return `HTTP/1.1 ${status} Refused\r\n${headers}\r\nconnection: close\r\n\r\n${body}`;
}

/** A device that speaks through the gate, in clear but for its socket. */
export async function throughGate(stage, body) {
  const gate = await Gate.before(stage.server.port);
  try {
    await body(gate, await stage.readyDevice({ endpoint: `http://localhost:${gate.port}/graphql` }));
  } finally {
    gate.close();
  }
}
